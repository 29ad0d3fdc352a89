/**
 * Keeps snapshots in a directory outside the state: written from time to time while the state changes, and
 * once more at a stop. For hosts whose disk is lost at each restart; the live store never lies there.
 *
 * First the snapshot, flushed, then LATEST that names it: whoever reads LATEST finds a whole file. Renames
 * are not relied on for more than the name: on a mounted bucket they are copies.
 */
import * as fs from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock, NodeId, Store } from '@lattice/core'

import { sentence } from '../failure.ts'
import type { Log } from '../host/log.ts'
import { latestFile, type AtStart } from './restore-snapshot.ts'
import { snapshotSeq, unusedPrefix, writeSnapshot } from './snapshot-file.ts'

/** What keeping snapshots needs. */
export interface SnapshotParts {
  readonly directory: string
  readonly intervalMs: number
  readonly node: NodeId
  readonly store: Pick<Store, 'after' | 'incarnation' | 'lastSeq'>
  readonly root: () => string
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
    const root = parts.root()
    if (root === kept || parts.store.lastSeq === 0) return
    try {
      await fs.mkdir(parts.directory, { recursive: true, mode: 0o700 })
      if (!hasSetAside) await setAside(parts, mayLack)
      hasSetAside = true
      const { name, bytes } = await writeOne(parts, root, stopped.signal)
      kept = root
      log.info(`snapshot ${name} written`, { code: 'SNAPSHOT', bytes, root })
    } catch (error) {
      log.error(`no snapshot could be written to ${parts.directory}: ${sentence(error)}`, {
        code: 'SNAPSHOT',
      })
    }
  }
  const schedule = (): void => {
    cancel = clock.alarm(clock.now().mono + intervalMs, () => void take().finally(schedule))
  }
  schedule()
  return {
    take,
    stop: async () => {
      cancel?.()
      const late = setTimeout(
        () => stopped.abort(new Error('the stop has no more time for it')),
        lastWithinMs,
      )
      // One under way may have begun before the last write.
      await running
      await take()
      clearTimeout(late)
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

async function writeOne(
  parts: SnapshotParts,
  root: string,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly bytes: number }> {
  const { directory, store, node, clock } = parts
  const { incarnation, lastSeq: seq } = store
  const header = { node, incarnation, seq, root, wall: clock.now().wall }
  const { name, part, bytes } = await writeSnapshot(directory, header, store, signal)
  await fs.rename(part, join(directory, name))
  await fs.writeFile(join(directory, latestFile), `${name}\n`, { mode: 0o600, flush: true })
  await forgetOld(directory, name)
  return { name, bytes }
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
