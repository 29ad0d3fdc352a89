/**
 * Nodes to measure: the real runtime, store and crypto of the daemon, put together as its composition root
 * does.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  defaultParams,
  type Clock,
  type EngineParams,
  type NodeId,
  type Store,
  type Transport,
  type Version,
} from '@lattice/core'
import {
  createVerifier,
  identityFromSeed,
  openSqliteStore,
  Runtime,
  sha256,
  systemClock,
  systemRandom,
  type Identity,
} from '@lattice/daemon'

/** A new node key. */
export function createIdentity(): Identity {
  return identityFromSeed(randomBytes(32), 'generated')
}

/** A directory that is gone after the run. Under LATTICE_BENCH_DIR if set: choose the disk to measure. */
export function createDirectory(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(process.env['LATTICE_BENCH_DIR'] ?? tmpdir(), 'lattice-bench-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** The version of every entry that is filled in by hand: a fixed past, since keys are all different. */
export const pastVersion: Version = 1_690_000_000_000n << 16n

/**
 * The facts that the replica keeps with every commit, for a store filled by hand with `keys` registers of
 * `pastVersion`: how many keys can be read, that nothing ends, and the clock. Without them a start looks at
 * every row.
 */
export function factsOf(keys: number): Map<string, Uint8Array> {
  return new Map([
    ['keys', uint64(BigInt(keys))],
    ['endings', uint64(0n)],
    ['clock', uint64(pastVersion)],
  ])
}

function uint64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

/** What a node is made of; the rest is as in the daemon. */
export interface BenchNodeParts {
  readonly identity: Identity
  readonly store: Store
  readonly members?: ReadonlySet<NodeId>
  readonly transports?: readonly Transport[]
  readonly params?: Partial<EngineParams>
  readonly clock?: Clock
}

/** A runtime, not started. */
export function createRuntime(parts: BenchNodeParts): Runtime {
  const { identity, store, members = new Set(), transports = [], params = {}, clock = systemClock } = parts
  return new Runtime({
    info: { name: identity.nodeId.slice(0, 8), role: 'node', software: 'lattice-bench' },
    store,
    hash: sha256,
    signer: identity.signer,
    verifier: createVerifier(),
    random: systemRandom,
    params: { ...defaultParams, ...params },
    members,
    clock,
    transports,
    log: (level, message, fields) => {
      if (level === 'error' || process.env['LATTICE_BENCH_LOG'] !== undefined)
        console.error(level, message, JSON.stringify(fields))
    },
  })
}

/** A node alone with its durable store, as embedders run it. */
export async function openAlone(
  directory: string,
): Promise<{ runtime: Runtime; close: () => Promise<void> }> {
  const store = await openSqliteStore(directory)
  const runtime = createRuntime({ identity: createIdentity(), store })
  await runtime.start()
  const close = async (): Promise<void> => {
    await runtime.stop()
    await store.close()
  }
  return { runtime, close }
}
