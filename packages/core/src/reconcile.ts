/**
 * Merkle descent: one symmetric, stateless step that both sides repeat until nothing is left to compare.
 *
 * Each side tells what it holds under some prefixes. Whoever hears that answers, for every prefix that
 * differs, with what it holds one level further down, the entries the other lacks, and the entries it wants.
 * Short digests keep the frames small; the root, compared afterwards in full, catches what they may miss.
 */
import {
  createDigestList,
  digestCount,
  digestName,
  digestSize,
  nameOf,
  packDigests,
  pickDigests,
  putDigest,
  type DigestList,
} from './digest-list.ts'
import { toHex } from './bytes.ts'
import { compareNodesMax } from './limits.ts'
import type { Leaf, MerkleTrie, Place } from './merkle.ts'
import { sharedNibbles } from './merkle.ts'
import type { Compare, Locator, Summary, Want } from './message.ts'

/**
 * Bytes of a digest in a first descent: a false match in 2^24, after which the roots differ and the next, for
 * what is left, is full. Of 10,000 differences, each compared with some twenty digests, one is missed in one
 * descent of a hundred; a fourth byte would be a quarter more of all that a descent tells.
 */
export const shortDigestBytes = 3

/** Bytes of a digest once a descent has ended without equal roots. */
export const fullDigestBytes = 32

/** A subtree of up to this many leaves is told leaf by leaf: cheaper than one more level of 16 children. */
export const leafListMax = 20

/**
 * Most bytes of summaries and wants in one step; the rest of the frame is for entries and for the next
 * descent.
 */
export const stepBytesMax = 96 * 1024

/**
 * What a summary or want takes beside prefix and digests, at most: the heads of a list and of two byte
 * strings, length, depth, bitmap.
 */
const placeBytes = 13

/**
 * Leaves looked at to answer the wants of one message, or its lists of leaves and sums: all that honest ones
 * name, with room for growth meanwhile.
 */
export const visitsMax = 256 * 1024

/** Nibbles that a branch can go on with. */
export const childrenMax = 16

/** The prefix of everything. */
const top = new Uint8Array(0)

/** What one step may name. */
export interface StepRoom {
  /** Summaries. */
  readonly nodes: number
  /** Leaves pushed and wanted. */
  readonly leaves: number
  /** Bytes of summaries and wants, and of what is pushed if the taker counts it. */
  bytes: number
  /** Subtrees may be told as sums. */
  readonly sums?: boolean
}

/** What every node reads of one step. */
export function narrowRoom(): StepRoom {
  return { nodes: compareNodesMax, leaves: compareNodesMax, bytes: stepBytesMax }
}

/** What we hold in all: opens a descent. */
export function openDescent(trie: MerkleTrie, digestBytes: number): Compare {
  return { digestBytes, summaries: [summarize(trie, trie.at(top, 0), top, 0, digestBytes)] }
}

/** Of summaries or wants, the first ones that fit. */
export function fittingStep<T extends Summary | Want>(
  places: readonly T[],
  { nodes, bytes }: Pick<StepRoom, 'nodes' | 'bytes'>,
): readonly T[] {
  let left = bytes
  const end = places.findIndex((place, at) => {
    left -= placedBytes(place)
    return at >= nodes || left < 0
  })
  return end < 0 ? places : places.slice(0, end)
}

/**
 * Of the summaries that were asked, those that an answer had no room for whose sender does not say so: it
 * goes through them in order.
 */
export function unanswered(
  asked: readonly Summary[],
  answer: readonly Summary[],
  want: readonly Want[] = [],
): readonly Summary[] {
  const last = answer.at(-1)
  const room = narrowRoom()
  room.bytes -= stepBytes(answer, want)
  if (last === undefined || !isFull(answer.length, room)) return []
  const at = asked.findLastIndex(({ prefix, length, depth = length }) => {
    const isBelow = (last.depth ?? last.length) >= depth
    return isBelow && sharedNibbles(padded(prefix), padded(last.prefix), depth) >= depth
  })
  return at < 0 ? [] : asked.slice(at + 1)
}

/** Whether a step has no room for the answer to one more summary. */
export function isFull(summaries: number, { nodes, bytes }: StepRoom): boolean {
  return summaries > nodes - childrenMax || bytes <= 0
}

/** At how many places these summaries name children: each may be answered with a summary. */
export function childrenOf(summaries: readonly Summary[]): number {
  return summaries.reduce(
    (sum, { bitmap, digests }) => sum + (bitmap === undefined ? 0 : digestCount(digests)),
    0,
  )
}

/** About how many bytes of a frame summaries and wants take; never less than they do. */
export function stepBytes(summaries: readonly Summary[] = [], want: readonly Want[] = []): number {
  const told = summaries.reduce((sum, summary) => sum + placedBytes(summary), 0)
  return want.reduce((sum, each) => sum + placedBytes(each), told)
}

function placedBytes({ prefix, digests }: Summary | Want): number {
  return placeBytes + prefix.length + digests.length
}

/**
 * The leaves that a `want` asks for, at most `leavesMax`. The work is bounded, whatever the prefixes cover
 * and however many digests they name.
 */
export function wantedLeaves(trie: MerkleTrie, wants: readonly Want[], leavesMax: number): Leaf[] {
  const found: Leaf[] = []
  let visits = 0
  for (const { prefix, length, digests } of wants) {
    const [size, count] = [digestSize(digests), digestCount(digests)]
    if (count === 0) continue
    const asked = new Set<number | string>()
    for (let index = 0; index < count; index++) asked.add(digestName(digests, index))
    const hasRoom = trie.visit(trie.at(prefix, length), leaf => {
      if (found.length >= leavesMax || visits++ >= visitsMax) return false
      if (asked.has(nameOf(trie.digestAt(leaf), 0, size))) found.push(trie.leafAt(leaf))
      return true
    })
    if (!hasRoom) break
  }
  return found
}

/**
 * Of the entries told by locator, those that we do not hold, as wants: one for each place, since all slots of
 * a key have one place, and are looked for in one go.
 */
export function missingOf(trie: MerkleTrie, locators: readonly Locator[]): Want[] {
  return [...Map.groupBy(locators, ({ path }) => toHex(path)).values()].flatMap(told => {
    const prefix = (told[0] as Locator).path
    const digests = packDigests(told.map(({ digest }) => digest))
    return lackingOf(trie, { prefix, length: 2 * prefix.length, digests }) ?? []
  })
}

/** What we do not hold of a want; undefined if we hold all that it names. */
export function lackingOf(trie: MerkleTrie, want: Want): Want | undefined {
  const size = digestSize(want.digests)
  const lacking = placesByName(want.digests)
  trie.visit(trie.at(want.prefix, want.length), leaf => {
    lacking.delete(nameOf(trie.digestAt(leaf), 0, size))
    return lacking.size > 0
  })
  return narrowed(want, lacking)
}

/** What a want names beside leaves with these digests; undefined if that is nothing. */
export function wantBeside(want: Want, leaves: readonly Uint8Array[]): Want | undefined {
  const size = digestSize(want.digests)
  const others = placesByName(want.digests)
  for (const digest of leaves) others.delete(nameOf(digest, 0, size))
  return narrowed(want, others)
}

/** Whether we hold all that a want names. */
export function holds(trie: MerkleTrie, want: Want): boolean {
  return lackingOf(trie, want) === undefined
}

function narrowed(want: Want, left: ReadonlyMap<number | string, number>): Want | undefined {
  return left.size === 0 ? undefined : { ...want, digests: pickDigests(want.digests, [...left.values()]) }
}

/** Where each digest stands in a list. */
export function placesByName(digests: DigestList): Map<number | string, number> {
  const places = new Map<number | string, number>()
  for (let index = 0; index < digestCount(digests); index++) places.set(digestName(digests, index), index)
  return places
}

/** What we hold at a place of the trie, which stands under this prefix. */
export function summarize(
  trie: MerkleTrie,
  place: Place,
  prefix: Uint8Array,
  length: number,
  digestBytes: number,
): Summary {
  const [depth, count] = [trie.depthAt(place), trie.countAt(place)]
  if (depth === undefined || count <= leafListMax) {
    const digests = createDigestList(count, digestBytes)
    let index = 0
    trie.visit(place, leaf => {
      putDigest(digests, index++, trie.digestAt(leaf))
      return true
    })
    return { prefix, length, digests }
  }
  const children: Uint8Array[] = []
  let bitmap = 0
  for (let nibble = 0; nibble < childrenMax; nibble++) {
    const child = trie.below(place, depth, nibble)
    if (child === 0) continue
    bitmap |= 1 << nibble
    children.push(trie.digestAt(child).subarray(0, digestBytes))
  }
  return { prefix: trie.prefixAt(place, depth), length, digests: packDigests(children), depth, bitmap }
}

function padded(prefix: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64)
  bytes.set(prefix.subarray(0, 64))
  return bytes
}
