/** An engine for tests that step it by hand: alice, over HTTP only. */
import { defaultParams, Engine } from '@lattice/core'
import { createMemoryStore, createSeededRandom, testWall } from '@lattice/core/testing'
import { alice, sha256 } from './crypto.ts'
import { everybody } from './replicas.ts'

/** Opens the engine at mono 0. */
export function openEngine(store = createMemoryStore(), members = everybody): Engine {
  return new Engine({
    info: { name: 'alice', role: 'node', software: 'test' },
    store,
    hash: sha256,
    signer: alice,
    random: createSeededRandom(1),
    params: { ...defaultParams, p2pEnabled: false },
    members,
    at: { mono: 0, wall: testWall },
  })
}
