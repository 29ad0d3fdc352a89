/**
 * One consistent copy of the whole state, taken without blocking the event loop.
 *
 * The node shows no snapshot that outlives a turn of the event loop, and a large state cannot be read within
 * one. So the copy is taken in short slices while writes go on, and every key that changes meanwhile is read
 * again at once: when the last slice is done, the copy is the state of that very moment, and so are root and
 * signature. Nothing is sent before, so an answer never mixes two roots. Requests that overlap share one
 * copy. While something of the state is damaged there is none: a copy without it would pass for the whole.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { LatticeNode } from '../node.ts'
import { NoScratchRoom } from '../scratch-database.ts'
import { refuseDamaged } from './damaged-keys.ts'
import { HttpProblem } from './problems.ts'
import { Readers, type Reader } from './readers.ts'
import { StateCopy } from './state-copy.ts'

/** A copy of the state and the root it belongs to. Not changed once made. */
export interface StateSnapshot {
  readonly root: string
  readonly copy: StateCopy
}

/** Keys read at once: a page takes about a millisecond. */
const pageKeys = 256

/** How long one slice may hold the event loop: heartbeats and health answers wait no longer than this. */
const sliceMs = 8

/** Copies that may always be in use, however large: one is sent while the next is taken. */
const copiesMin = 2

/**
 * No further copy is begun while those in use have this many characters, of one or two bytes each: reads are
 * open to strangers, and each of them may fill the disk with a copy of his own while the state changes.
 */
const copiesCharsMax = 64 * 1024 * 1024

/** A snapshot in use; call `release` when it has been sent. */
export interface SnapshotLease {
  readonly snapshot: StateSnapshot
  readonly release: () => void
}

/** Takes and shares snapshots. */
export interface Snapshots {
  /**
   * Rejects with ENTRY_DAMAGED where this would leave something out, with OVERLOADED where too many ask or no
   * disk takes a copy.
   */
  take(reader: Reader): Promise<SnapshotLease>
}

/** What to do where there is no copy to be had. */
const pageInstead = 'page it with ?limit= and ?cursor='

/** Fills `copy`; the root that belongs to it. */
async function copyState(node: LatticeNode, copy: StateCopy): Promise<string> {
  /** At any time of the copy: what is back by its end may still be missing from it. */
  const damaged = new Set<string | undefined>()
  const noteDamaged = (): void => node.quarantine.damagedKeys.forEach(key => damaged.add(key))
  const refresh = (key: string): void => {
    const reading = node.read(key)
    if (reading === undefined) copy.delete(key)
    else copy.set(reading)
    noteDamaged()
  }
  /** Why a change is not in the copy. The node that tells of it is not to fail with us. */
  let failure: Error | undefined
  const unsubscribe = node.subscribe(event => {
    if (event.kind !== 'change' || failure !== undefined) return
    try {
      refresh(event.key)
    } catch (error) {
      failure = Error.isError(error) ? error : new Error(String(error))
    }
  })
  const refuseFailed = (): void => {
    if (failure !== undefined) throw failure
    refuseDamaged([...damaged])
  }
  try {
    let from: string | undefined = ''
    let sliceEnd = performance.now() + sliceMs
    while (from !== undefined) {
      const page = node.list({ prefix: '', from, limit: pageKeys })
      noteDamaged()
      refuseFailed()
      for (const reading of page.items) copy.set(reading)
      from = page.next
      if (from !== undefined && performance.now() > sliceEnd) {
        await nextTurn()
        sliceEnd = performance.now() + sliceMs
      }
    }
    return await node.atRest(() => {
      noteDamaged()
      refuseFailed()
      return node.status().root
    })
  } finally {
    unsubscribe()
  }
}

async function takeSnapshot(node: LatticeNode): Promise<StateSnapshot> {
  const copy = new StateCopy()
  try {
    return { root: await copyState(node, copy), copy }
  } catch (error) {
    copy[Symbol.dispose]()
    if (!(error instanceof NoScratchRoom)) throw error
    throw new HttpProblem('OVERLOADED', `${error.message}; ${pageInstead}`)
  }
}

/** Makes the source of snapshots of one node. */
export function createSnapshots(node: LatticeNode): Snapshots {
  const uses = new Map<StateSnapshot, number>()
  const readers = new Readers()
  let latest: StateSnapshot | undefined
  let pending: Promise<StateSnapshot> | undefined

  const charsInUse = (): number => [...uses.keys()].reduce((sum, { copy }) => sum + copy.chars, 0)
  const makeRoom = ({ caller }: Reader): void => {
    while (uses.size >= copiesMin && charsInUse() >= copiesCharsMax)
      if (!readers.makeRoom(caller, charsInUse() / uses.size))
        throw new HttpProblem('OVERLOADED', `too many callers read the whole state; ${pageInstead}`)
  }
  const lease = (snapshot: StateSnapshot, reader: Reader): SnapshotLease => {
    uses.set(snapshot, (uses.get(snapshot) ?? 0) + 1)
    latest = snapshot
    const gone = (): void => {
      const left = (uses.get(snapshot) ?? 1) - 1
      if (left > 0) uses.set(snapshot, left)
      else {
        uses.delete(snapshot)
        if (latest === snapshot) latest = undefined
        snapshot.copy[Symbol.dispose]()
      }
    }
    return { snapshot, release: readers.wait(reader, snapshot.copy.chars, gone) }
  }

  return {
    take: async reader => {
      // A root of before may be back for want of what was written since.
      refuseDamaged(node.quarantine.damagedKeys)
      const { root } = node.status()
      if (latest?.root === root) return lease(latest, reader)
      if (pending === undefined) {
        makeRoom(reader)
        pending = takeSnapshot(node).finally(() => (pending = undefined))
      }
      return lease(await pending, reader)
    },
  }
}
