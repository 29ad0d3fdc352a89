/**
 * Keeps snapshots in a directory outside the state: written from time to time while the state changes, and
 * once more at a stop. For hosts whose disk is lost at each restart; the live store never lies there.
 *
 * First the snapshot, flushed, then LATEST that names it: whoever reads LATEST finds a whole file. Renames
 * are not relied on for more than the name: on a mounted bucket they are copies.
 */
import * as fs from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { Clock, NodeId, Store } from '@lattice/core'

import { sentence } from '../failure.ts'
import { makeDirectoryAside } from '../host/directory.ts'
import type { Log } from '../host/log.ts'
import type { LatticeNode } from '../node.ts'
import type { FrozenRows, SqliteStore } from '../sqlite-store.ts'
import { latestFile, type AtStart } from './restore-snapshot.ts'
import { snapshotSeq, unusedPrefix, writeSnapshot } from './snapshot-file.ts'

/** The state of one moment, until it is disposed; that may be done twice. */
export interface FrozenState extends FrozenRows {
  /** Merkle root of just these rows, 64 hex digits. */
  readonly root: string
}

/**
 * The state as it is as soon as no commit is under way: the store may be ahead of the node then, whose root
 * it is.
 */
export function freezeState(
  node: Pick<LatticeNode, 'atRest' | 'status'>,
  store: Pick<SqliteStore, 'freeze'>,
): Promise<FrozenState> {
  return node.atRest(() => ({ root: node.status().root, ...store.freeze() }))
}

/** What keeping snapshots needs. */
export interface SnapshotParts {
  readonly directory: string
  readonly intervalMs: number
  readonly node: NodeId
  readonly store: Pick<Store, 'incarnation' | 'lastSeq'>
  readonly root: () => string
  /** Whether nothing is being taken in that the state still lacks. */
  readonly isWhole: () => boolean
  readonly freeze: () => Promise<FrozenState>
  readonly clock: Clock
  readonly log: Log
}

/** Running snapshots. */
export interface Snapshots {
  /** Writes one now unless nothing has changed; joins one under way. Never rejects: failures are logged. */
  take(): Promise<void>
  /** Takes a last one, within the time there is, and takes no more. */
  stop(): Promise<void>
}

/** Snapshots kept: the newest, and two to fall back on. */
const keptMax = 3

/**
 * The log of the store grows while a snapshot is written, and a mounted directory may hang: by then it is
 * given up. At 1 MB/s it is 3.6 GB.
 */
const writtenWithinMs = 3_600_000

/** A stop has 8 s in all; a snapshot that does not fit is left out, and the one before stands. */
const lastWithinMs = 4_000

/** Starts keeping snapshots. */
export function keepSnapshots(parts: SnapshotParts, { root: lastRoot, mayLack }: AtStart): Snapshots {
  const { intervalMs, clock, log } = parts
  let kept = lastRoot
  let hasSetAside = false
  let running: Promise<void> | undefined
  let cancel: (() => void) | undefined
  const stopped = new AbortController()
  const take = (): Promise<void> => {
    running ??= takeOne().finally(() => {
      running = undefined
    })
    return running
  }
  const takeOne = async (): Promise<void> => {
    try {
      // One that hung comes to its end behind the stop that did not wait for it.
      if (stopped.signal.aborted || parts.root() === kept || parts.store.lastSeq === 0) return
      if (!parts.isWhole()) return
      await makeDirectoryAside(resolve(parts.directory), 0o700)
      if (!hasSetAside) await setAside(parts, mayLack)
      hasSetAside = true
      const { name, bytes, root } = await writeOne(parts, stopped.signal)
      kept = root
      log.info(`snapshot ${name} written`, { code: 'SNAPSHOT', bytes, root })
    } catch (error) {
      log.error(`no snapshot could be written to ${parts.directory}: ${sentence(error)}`, {
        code: 'SNAPSHOT',
      })
    }
  }
  const schedule = (): void => {
    if (stopped.signal.aborted) return
    cancel = clock.alarm(clock.now().mono + intervalMs, () => void take().finally(schedule))
  }
  schedule()
  return {
    take,
    stop: async () => {
      cancel?.()
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(() => {
        stopped.abort(new Error('the stop has no more time for it'))
        late.resolve()
      }, lastWithinMs)
      // One under way may have begun before the last write.
      const last = async (): Promise<void> => {
        await running
        await take()
      }
      // A directory that hangs is left alone: nothing more of the state is needed for it.
      await Promise.race([last(), late.promise])
      clearTimeout(timer)
      cancel?.()
    },
  }
}

/**
 * Before anything is written, and so before anything is deleted: what may hold more than the store gets a
 * name that nothing here deletes.
 */
async function setAside({ directory, log }: SnapshotParts, mayLack: AtStart['mayLack']): Promise<void> {
  const names = (await fs.readdir(directory)).filter(name => snapshotSeq(name) !== undefined && mayLack(name))
  for (const name of names) {
    await fs.rename(join(directory, name), join(directory, unusedPrefix + name))
    log.warn(`the snapshot ${name}, which could not be used, is kept as ${unusedPrefix}${name}`, {
      code: 'SNAPSHOT',
    })
  }
}

interface Written {
  readonly name: string
  readonly bytes: number
  readonly root: string
}

async function writeOne(parts: SnapshotParts, stopped: AbortSignal): Promise<Written> {
  const { directory } = parts
  const { part, ...written } = await writePart(parts, stopped)
  const { name } = written
  await fs.rename(part, join(directory, name))
  await fs.writeFile(join(directory, latestFile), `${name}\n`, { mode: 0o600, flush: true })
  await forgetOld(directory, name)
  return written
}

/** Lets go of the state when it is written or given up, also where the directory does not come back. */
async function writePart(
  { directory, store, node, clock, freeze }: SnapshotParts,
  stopped: AbortSignal,
): Promise<Written & { readonly part: string }> {
  using state = await freeze()
  const { root, lastSeq: seq } = state
  const late = new AbortController()
  const { mono, wall } = clock.now()
  const cancel = clock.alarm(mono + writtenWithinMs, () =>
    late.abort(new Error('it takes more than an hour')),
  )
  const signal = AbortSignal.any([stopped, late.signal])
  signal.addEventListener('abort', () => state[Symbol.dispose]())
  try {
    const header = { node, incarnation: store.incarnation, seq, root, wall }
    return { ...(await writeSnapshot(directory, header, state, signal)), root }
  } finally {
    cancel()
  }
}

/** By age: sequence numbers start anew with every incarnation. */
async function forgetOld(directory: string, newest: string): Promise<void> {
  const names = (await fs.readdir(directory)).filter(
    name => name !== newest && (snapshotSeq(name) !== undefined || /^snap-\d+\.part$/.test(name)),
  )
  const aged = await Promise.all(
    names.map(async name => ({ name, at: (await fs.stat(join(directory, name))).mtimeMs })),
  )
  aged.sort((a, b) => b.at - a.at)
  const old = aged.filter(({ name }, index) => index >= keptMax - 1 || name.endsWith('.part'))
  await Promise.all(old.map(({ name }) => fs.rm(join(directory, name), { force: true })))
}
