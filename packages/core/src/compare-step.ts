/**
 * One step of a Merkle descent: what we answer to the summaries of the other side.
 *
 * Of lists of leaves it yields what either side lacks, of branches our summaries of the children that differ,
 * and of sums both (subtree-sums.ts).
 */
import { digestSize, nameOf, pickDigests, startsWithDigest } from './digest-list.ts'
import {
  childPrefix,
  nibbleAt,
  nibblesIn,
  pathNibbles,
  type Leaf,
  type MerkleTrie,
  type Place,
} from './merkle.ts'
import type { Compare, Summary, Want } from './message.ts'
import {
  childrenMax,
  isFull,
  placesByName,
  stepBytes,
  summarize,
  visitsMax,
  type StepRoom,
} from './reconcile.ts'
import { compareSums, isSummed, summarizeSums } from './subtree-sums.ts'

/** What one step yields. */
export interface Step {
  /** How many of the other side's summaries it answers; what is beyond found no room. */
  readonly read: number
  readonly summaries: readonly Summary[]
  readonly want: readonly Want[]
  /** Of the leaves pushed, those where nothing of the other side is wanted that may take their places. */
  readonly apart: readonly Leaf[]
}

/** Takes a leaf that the other side lacks; false where there is no room for it. */
export type Push = (leaf: Leaf) => boolean

/**
 * Answers the other side's summaries, the first ones first, as many as fit. One whose leaves are too many is
 * taken for answered where it is the first: the rest of them is left to the next descent. All that sums say
 * is missing here is wanted before anything is pushed.
 * @param push takes the leaves that the other side lacks
 */
export function compareStep(trie: MerkleTrie, theirs: Compare, room: StepRoom, push: Push): Step {
  return new StepUnderWay(trie, theirs, room, push).done()
}

/** Of the leaves that a step may name, and look at, those for sums: the rest is for pushes and for lists. */
const summedShare = 3 / 4

class StepUnderWay {
  readonly #trie: MerkleTrie
  readonly #theirs: Compare
  readonly #room: StepRoom
  readonly #push: Push
  readonly #summaries: Summary[] = []
  readonly #want: Want[] = []
  readonly #apart: Leaf[] = []
  #leaves = 0
  #visits = 0
  #isCut = false
  #given: Leaf[] = []

  constructor(trie: MerkleTrie, theirs: Compare, room: StepRoom, push: Push) {
    this.#trie = trie
    this.#theirs = theirs
    this.#room = room
    this.#push = push
  }

  done(): Step {
    const found = this.#wantBySums()
    let read = 0
    for (const summary of this.#theirs.summaries) {
      if (isFull(this.#summaries.length, this.#room) || this.#leaves >= this.#room.leaves) break
      this.#given = []
      if (summary.sums === true) this.#giveBySums(found.get(summary))
      else if (summary.bitmap === undefined) this.#compareList(summary)
      else this.#compareBranch(summary)
      if (!this.#isCut || read === 0) read++
      if (this.#isCut) break
    }
    return { read, summaries: this.#summaries, want: this.#want, apart: this.#apart }
  }

  /** Wants what sums, in order, say is missing here; of each that was looked at, our leaves to be pushed. */
  #wantBySums(): Map<Summary, readonly Place[]> {
    const looked = new Map<Summary, readonly Place[]>()
    const [leavesMax, looksMax] = [this.#room.leaves * summedShare, visitsMax * summedShare]
    const mayLook = (): boolean => this.#visits++ < looksMax
    for (const summary of this.#theirs.summaries) {
      if (summary.sums !== true) continue
      const { found, want } = compareSums(this.#trie, summary, mayLook)
      const bytes = stepBytes([], want)
      const isLookedAt = this.#visits <= looksMax
      if (!isLookedAt || this.#leaves + want.length > leavesMax || bytes > this.#room.bytes) break
      looked.set(summary, found)
      this.#want.push(...want)
      this.#leaves += want.length
      this.#room.bytes -= bytes
    }
    return looked
  }

  #giveBySums(found: readonly Place[] | undefined): void {
    this.#isCut = found?.every(this.#give) !== true
    this.#apart.push(...this.#given)
  }

  /**
   * Pushes those of our leaves that are not listed, and wants those listed that we lack. Of two that begin
   * alike none is pushed: the next descent tells them apart, and what is pushed may be given up as ended. A
   * list covers few leaves unless it lies, and is looked for among no more than there is leave to look at.
   */
  #compareList({ prefix, length, digests }: Summary): void {
    const size = digestSize(digests)
    const listed = placesByName(digests)
    const lacking = new Map(listed)
    this.#trie.visit(this.#trie.at(prefix, length), leaf => {
      if (!this.#mayLook()) return false
      const name = nameOf(this.#trie.digestAt(leaf), 0, size)
      lacking.delete(name)
      return listed.has(name) || this.#give(leaf)
    })
    if (lacking.size === 0) this.#apart.push(...this.#given)
    const wanted = [...lacking.values()].slice(0, this.#isCut ? 0 : this.#room.leaves - this.#leaves)
    this.#isCut ||= wanted.length < lacking.size
    if (wanted.length === 0) return
    this.#leaves += wanted.length
    const want = { prefix, length, digests: pickDigests(digests, wanted) }
    this.#want.push(want)
    this.#room.bytes -= stepBytes([], [want])
  }

  #compareBranch(theirs: Summary): void {
    const { prefix, length, digests, depth = length, bitmap = 0 } = theirs
    const trie = this.#trie
    const told: Summary[] = []
    const summed = new Map<number, Place>()
    const place = trie.at(prefix, depth)
    nibblesIn(bitmap).forEach((nibble, index) => {
      const mine = trie.below(place, depth, nibble)
      if (mine !== 0 && startsWithDigest(trie.digestAt(mine), digests, index)) return
      if (this.#room.sums === true && isSummed(trie.countAt(mine))) return void summed.set(nibble, mine)
      const below = childPrefix(prefix, depth, nibble)
      told.push(summarize(trie, mine, below, depth + 1, this.#theirs.digestBytes))
    })
    if (summed.size > 0) told.push(summarizeSums(trie, { prefix, depth }, summed))
    visitOutside(trie, { prefix, length, depth, bitmap }, this.#give)
    this.#apart.push(...this.#given)
    this.#room.bytes -= stepBytes(told)
    this.#summaries.push(...told)
  }

  readonly #give = (place: Place): boolean => {
    const leaf = this.#trie.leafAt(place)
    this.#isCut = this.#leaves >= this.#room.leaves || !this.#push(leaf)
    if (this.#isCut) return false
    this.#given.push(leaf)
    this.#leaves++
    return true
  }

  readonly #mayLook = (): boolean => {
    this.#isCut ||= this.#visits++ >= visitsMax
    return !this.#isCut
  }
}

/**
 * Shows our leaves under a prefix that lie under none of the children the other side has there, until `see`
 * says false. Visits no others.
 */
function visitOutside(
  trie: MerkleTrie,
  theirs: Required<Omit<Summary, 'digests' | 'sums'>>,
  see: (leaf: Place) => boolean,
): void {
  const { prefix, depth, bitmap } = theirs
  for (let length = theirs.length; ;) {
    const mine = trie.at(prefix, length)
    if (mine === 0) return
    const reach = Math.min(trie.depthAt(mine) ?? pathNibbles, depth)
    if (trie.sharedAt(mine, prefix, reach) < reach) return void trie.visit(mine, see)
    const inside = (nibble: number): boolean =>
      reach < depth ? nibble === nibbleAt(prefix, reach) : (bitmap & (1 << nibble)) !== 0
    for (let nibble = 0; nibble < childrenMax; nibble++)
      if (!inside(nibble) && !trie.visit(trie.below(mine, reach, nibble), see)) return
    if (reach === depth) return
    length = reach + 1
  }
}
