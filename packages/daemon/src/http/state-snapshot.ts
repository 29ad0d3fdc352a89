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
import type { KeyReading } from '@lattice/core'
import type { LatticeNode } from '../node.ts'
import { refuseDamaged } from './damaged-keys.ts'
import { HttpProblem } from './problems.ts'
import { Readers, type Reader } from './readers.ts'

/** A copy of the state and the root it belongs to. Not changed once made. */
export interface StateSnapshot {
  readonly root: string
  /** Key → the key as encoded for this answer. In no particular order. */
  readonly members: ReadonlyMap<string, string>
}

/** Keys read at once: a page takes about a millisecond. */
const pageKeys = 256

/** How long one slice may hold the event loop: heartbeats and health answers wait no longer than this. */
const sliceMs = 8

/** Copies that may always be in use, however large: one is sent while the next is taken. */
const copiesMin = 2

/**
 * No further copy is begun while those in use have this many characters, of one or two bytes each: reads are
 * open to strangers, and each of them may hold a copy of his own while the state changes.
 */
const copiesCharsMax = 64 * 1024 * 1024

/** What a key of a copy takes in memory besides its text, counted as characters. */
const memberOverheadChars = 100

/** One key as a member of a JSON object. */
export function encodeMember(reading: Pick<KeyReading, 'key' | 'value'>): string {
  return `${JSON.stringify(reading.key)}:${JSON.stringify(reading.value)}`
}

/** A snapshot in use; call `release` when it has been sent. */
export interface SnapshotLease {
  readonly snapshot: StateSnapshot
  readonly release: () => void
}

/** Takes and shares snapshots. */
export interface Snapshots {
  /** Rejects with ENTRY_DAMAGED where this would leave something out, with OVERLOADED where too many ask. */
  take(reader: Reader): Promise<SnapshotLease>
}

/** How one key is written in an answer. */
export type Encode = (reading: KeyReading) => string

async function copyState(node: LatticeNode, encode: Encode): Promise<StateSnapshot> {
  const members = new Map<string, string>()
  /** At any time of the copy: what is back by its end may still be missing from it. */
  const damaged = new Set<string | undefined>()
  const noteDamaged = (): void => node.quarantine.damagedKeys.forEach(key => damaged.add(key))
  const refresh = (key: string): void => {
    const reading = node.read(key)
    if (reading === undefined) members.delete(key)
    else members.set(key, encode(reading))
    noteDamaged()
  }
  const unsubscribe = node.subscribe(event => {
    if (event.kind === 'change') refresh(event.key)
  })
  try {
    let from: string | undefined = ''
    let sliceEnd = performance.now() + sliceMs
    while (from !== undefined) {
      const page = node.list({ prefix: '', from, limit: pageKeys })
      noteDamaged()
      refuseDamaged([...damaged])
      for (const reading of page.items) members.set(reading.key, encode(reading))
      from = page.next
      if (from !== undefined && performance.now() > sliceEnd) {
        await nextTurn()
        sliceEnd = performance.now() + sliceMs
      }
    }
    return await node.atRest(() => {
      noteDamaged()
      refuseDamaged([...damaged])
      return { root: node.status().root, members }
    })
  } finally {
    unsubscribe()
  }
}

interface CountedCopy extends StateSnapshot {
  /** What it takes, in characters. A key that changed while the copy was taken counts as often. */
  readonly chars: number
}

async function copyCounted(node: LatticeNode, encode: Encode): Promise<CountedCopy> {
  let chars = 0
  const copy = await copyState(node, reading => {
    const text = encode(reading)
    chars += text.length + memberOverheadChars
    return text
  })
  return { ...copy, chars }
}

/** Makes the source of snapshots of one node, its keys written by `encode`. */
export function createSnapshots(node: LatticeNode, encode: Encode): Snapshots {
  const uses = new Map<CountedCopy, number>()
  const readers = new Readers()
  let latest: CountedCopy | undefined
  let pending: Promise<CountedCopy> | undefined

  const charsInUse = (): number => [...uses.keys()].reduce((sum, { chars }) => sum + chars, 0)
  const makeRoom = ({ caller }: Reader): void => {
    while (uses.size >= copiesMin && charsInUse() >= copiesCharsMax)
      if (!readers.makeRoom(caller, charsInUse() / uses.size))
        throw new HttpProblem(
          'OVERLOADED',
          'too many callers read the whole state; page it with ?limit= and ?cursor=',
        )
  }
  const lease = (snapshot: CountedCopy, reader: Reader): SnapshotLease => {
    uses.set(snapshot, (uses.get(snapshot) ?? 0) + 1)
    latest = snapshot
    const gone = (): void => {
      const left = (uses.get(snapshot) ?? 1) - 1
      if (left > 0) uses.set(snapshot, left)
      else {
        uses.delete(snapshot)
        if (latest === snapshot) latest = undefined
      }
    }
    return { snapshot, release: readers.wait(reader, snapshot.chars, gone) }
  }

  return {
    take: async reader => {
      // A root of before may be back for want of what was written since.
      refuseDamaged(node.quarantine.damagedKeys)
      const { root } = node.status()
      if (latest?.root === root) return lease(latest, reader)
      if (pending === undefined) {
        makeRoom(reader)
        pending = copyCounted(node, encode).finally(() => (pending = undefined))
      }
      return lease(await pending, reader)
    },
  }
}
