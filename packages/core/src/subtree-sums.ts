/**
 * Sums: what stands under a place of the trie in four bytes, where a list of its leaves takes fifty.
 *
 * A sum is the exclusive or of the first bytes of all leaf digests under a place. Where two subtrees differ
 * in one leaf, their sums differ by just that leaf: who holds it finds it, and who lacks it can ask for it.
 * It is an invertible Bloom lookup table (Goodrich, Mitzenmacher, 2011) of one cell for each subtree, with
 * the trie for its hash function. Where more differs, nobody holds what is asked for; leaves are listed then.
 */
import { toHex } from './bytes.ts'
import {
  createDigestList,
  digestName,
  digestSize,
  nameOf,
  packDigests,
  pickDigests,
  putDigest,
} from './digest-list.ts'
import { childPrefix, nibblesIn, type MerkleTrie, type Place } from './merkle.ts'
import type { Summary, Want } from './message.ts'

/**
 * Bytes of a sum. Of subtrees that differ in more than one leaf, which are few, one in 10^8 seems to differ
 * in one; roots, compared afterwards, tell.
 */
export const sumBytes = 4

/** A list of fewer leaves is hardly longer than a sum, and always answers. */
const summedLeavesMin = 4

/** Of more leaves, more than one are likely to differ. */
export const summedLeavesMax = 64

/** What the sums of another side say of ours. */
export interface SumDifference {
  /** Our leaves that it lacks. */
  readonly found: readonly Place[]
  /** What we lack. Where more than one leaf differs it is nobody's. */
  readonly want: readonly Want[]
}

/** Whether a subtree of so many leaves is told as a sum, where sums are told. */
export function isSummed(leaves: number): boolean {
  return leaves >= summedLeavesMin && leaves <= summedLeavesMax
}

/** Our subtrees at these nibbles of a branch, in their order, as sums. */
export function summarizeSums(
  trie: MerkleTrie,
  { prefix, depth }: { readonly prefix: Uint8Array; readonly depth: number },
  places: ReadonlyMap<number, Place>,
): Summary {
  const digests = createDigestList(places.size, sumBytes)
  let [bitmap, index] = [0, 0]
  for (const [nibble, place] of places) {
    bitmap |= 1 << nibble
    putDigest(digests, index++, sumDigest(sumOf(trie, place)))
  }
  return { prefix, length: depth, depth, digests, bitmap, sums: true }
}

/**
 * Compares sums with ours.
 * @param mayLook whether one more leaf may be looked at: sums that lie cover many
 */
export function compareSums(trie: MerkleTrie, theirs: Summary, mayLook: () => boolean): SumDifference {
  const { prefix, digests, depth = 0, bitmap = 0 } = theirs
  const [found, want]: [Place[], Want[]] = [[], []]
  const branch = trie.at(prefix, depth)
  nibblesIn(bitmap).forEach((nibble, index) => {
    const [leaves, names]: [Place[], number[]] = [[], []]
    const sum = sumOf(trie, trie.below(branch, depth, nibble), (leaf, name) => {
      leaves.push(leaf)
      names.push(name)
      return mayLook()
    })
    const difference = (sum ^ (digestName(digests, index) as number)) >>> 0
    if (difference === 0) return
    const leaf = leaves[names.indexOf(difference)]
    if (leaf !== undefined) return void found.push(leaf)
    const named = packDigests([sumDigest(difference)])
    want.push({ prefix: childPrefix(prefix, depth, nibble), length: depth + 1, digests: named })
  })
  return { found, want }
}

/** Whether a want names what sums differ by. */
export function isOfSums({ digests }: Want): boolean {
  return digestSize(digests) === sumBytes
}

/**
 * Of summaries that a peer has not answered to the end, what is left beside its wants: of each sum it has
 * wanted something it has nothing else to say.
 */
export function besideWanted(summaries: readonly Summary[], wants: readonly Want[]): readonly Summary[] {
  const wanted = new Set(wants.filter(isOfSums).map(({ prefix, length }) => placeName(prefix, length)))
  if (wanted.size === 0) return summaries
  return summaries.flatMap(summary => (summary.sums === true ? (sumsBeside(summary, wanted) ?? []) : summary))
}

function sumsBeside(told: Summary, wanted: ReadonlySet<string>): Summary | undefined {
  const { prefix, digests, depth = 0, bitmap = 0 } = told
  const nibbles = nibblesIn(bitmap)
  const isLeft = (nibble: number): boolean =>
    !wanted.has(placeName(childPrefix(prefix, depth, nibble), depth + 1))
  const indexes = nibbles.flatMap((nibble, index) => (isLeft(nibble) ? index : []))
  if (indexes.length === nibbles.length) return told
  if (indexes.length === 0) return undefined
  const left = indexes.reduce((bits, index) => bits | (1 << (nibbles[index] as number)), 0)
  return { ...told, bitmap: left, digests: pickDigests(digests, indexes) }
}

function placeName(prefix: Uint8Array, length: number): string {
  return `${length} ${toHex(prefix)}`
}

/** The sum of a subtree; shows its leaves, and what each adds to it, until `see` says false. */
function sumOf(
  trie: MerkleTrie,
  place: Place,
  see: (leaf: Place, name: number) => boolean = () => true,
): number {
  let sum = 0
  trie.visit(place, leaf => {
    const name = nameOf(trie.digestAt(leaf), 0, sumBytes) as number
    sum ^= name
    return see(leaf, name)
  })
  return sum
}

function sumDigest(sum: number): Uint8Array {
  const bytes = new Uint8Array(sumBytes)
  new DataView(bytes.buffer).setInt32(0, sum)
  return bytes
}
