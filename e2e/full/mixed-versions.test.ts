/**
 * Frames of two versions in one federation: a node of an earlier build beside nodes of this one (reliability
 * X14).
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, valueOf } from '../federation.ts'
import { lastOfVersion1, olderBuild } from '../older-build.ts'

const world = new World()
let nodes: Daemon[]
let old: Daemon
let present: Daemon
let third: Daemon

beforeAll(async () => {
  const script = olderBuild(lastOfVersion1, world.directory)
  nodes = await world.federation(3, { scripts: [script] })
  ;[old, present, third] = nodes as [Daemon, Daemon, Daemon]
}, 120_000)

afterAll(() => world.close())

describe('O2: a node of frame version 1 among nodes of version 2', () => {
  it('meets them over P2P, and writes of all arrive everywhere', async () => {
    await metOverP2p(nodes)
    await Promise.all(nodes.map(node => put(node, `by ${node.name}`, node.name)))
    for (const { name } of nodes) await arrives(nodes, `by ${name}`, name)
    expect(await equalRoots(nodes)).toMatch(/^[0-9a-f]{64}$/)
  }, 60_000)

  it('catches up over HTTP with what it missed, and they with what it wrote', async () => {
    await old.stop()
    await put(present, 'missed', [1, 2, 3])
    await third.stop()
    await old.start({ LATTICE_P2P_ENABLED: 'false' })
    await put(old, 'by the older build', true)
    await third.start()
    await arrives(nodes, 'missed', [1, 2, 3])
    await arrives(nodes, 'by the older build', true)
    await inPhase(old, 'HTTP')
    expect(await equalRoots(nodes)).toMatch(/^[0-9a-f]{64}$/)
  }, 90_000)

  it('is replaced by the present build on its own state, and goes on', async () => {
    await old.stop()
    old.changeBuild()
    await old.start({ LATTICE_P2P_ENABLED: 'true' })
    await put(present, 'after the upgrade', 1)
    await arrives(nodes, 'after the upgrade', 1)
    expect(await valueOf(old, 'by the older build')).toBe(true)
    expect(await equalRoots(nodes)).toMatch(/^[0-9a-f]{64}$/)
  }, 60_000)
})
