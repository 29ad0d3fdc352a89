/** A runtime on its own, with the daemon's real clock and crypto, a store in memory and no transport. */
import { defaultParams, type Signer } from '@lattice/core'
import { createMemoryStore, type MemoryStore } from '@lattice/core/testing'
import { systemClock } from '../src/host/clock.ts'
import { createVerifier, sha256, systemRandom } from '../src/host/crypto.ts'
import { Runtime, type RuntimeParts } from '../src/runtime.ts'

/** A runtime that is not started, its store, and what it complains of. */
export interface LoneRuntime {
  readonly runtime: Runtime
  readonly store: MemoryStore
  /** Warnings and errors. */
  readonly complaints: readonly string[]
}

/** Makes one that signs with `signer`. @param parts what it is made of instead of what is said above */
export function openLoneRuntime(signer: Signer, parts: Partial<RuntimeParts> = {}): LoneRuntime {
  const [store, complaints] = [createMemoryStore(), [] as string[]]
  const runtime = new Runtime({
    info: { name: 'one', role: 'node', software: 'test' },
    store,
    hash: sha256,
    signer,
    verifier: createVerifier(),
    random: systemRandom,
    params: { ...defaultParams, p2pEnabled: false },
    members: new Set(),
    clock: systemClock,
    transports: [],
    log: (level, message) => void (/error|warn/.test(level) && complaints.push(message)),
    ...parts,
  })
  return { store, complaints, runtime }
}
