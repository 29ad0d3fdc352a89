/**
 * The leaves of a store in path order, to build a trie from.
 *
 * Fetching a million leaves from all over memory costs more than sorting them. So they are dealt out by the
 * first byte of their paths while they are read, the first pass of a radix sort; what is sorted then fits the
 * processor's cache. Paths are hashes, so that groups are of one size, unless somebody searches for others.
 */
import { compareBytes } from './bytes.ts'
import type { LeafBlock } from './ports.ts'
import type { LeafWords } from './trie-arena.ts'
import type { Sequence } from './units.ts'

/** Bytes of a digest, and of each half of a path. */
const digestBytes = 32

const digestWords = digestBytes / 4

/** Words of a record: key, digest, and the sequence in two halves. */
const recordWords = 2 * digestWords + 2

/** Records that a bucket has room for at first; it doubles from there. */
const roomAtFirst = 16

/** Bits of the head of a path, the most that shifts work on. */
export const headBits = 32

/** Leaves put in order by insertion: thrice what a group has at a million, few enough for a key of slots. */
const insertedMax = 48

/** Leaves that share the first byte of their paths. */
interface Bucket {
  records: Uint32Array
  count: number
  /** Second halves of paths, by record, of those that are not the hash of the empty slot. */
  readonly slots: Map<number, Uint8Array>
}

/** Leaves by the first byte of their paths. */
export class LeafOrder {
  readonly #buckets = Array.from({ length: 256 }, (): Bucket | undefined => undefined)
  readonly #wholeKeySlot: Uint8Array
  #count = 0

  /** @param wholeKeySlot hash of the empty slot: the second half of most paths */
  constructor(blocks: Iterable<LeafBlock>, wholeKeySlot: Uint8Array) {
    this.#wholeKeySlot = wholeKeySlot
    for (const block of blocks) this.#deal(block)
  }

  get count(): number {
    return this.#count
  }

  /** All leaves in path order, in runs; once, since each run is forgotten when the next begins. */
  *runs(): Generator<LeafRun> {
    for (const [first, bucket] of this.#buckets.entries()) {
      if (bucket === undefined) continue
      this.#buckets[first] = undefined
      yield new LeafRun(bucket, this.#wholeKeySlot)
    }
  }

  #deal({ seqs, keys, digests, slots }: LeafBlock): void {
    const [keyWords, wordsOfDigests] = [byWords(keys), byWords(digests)]
    for (let index = 0; index < seqs.length; index++) {
      const bucket = (this.#buckets[keys[index * digestBytes] as number] ??= createBucket())
      if (bucket.count * recordWords === bucket.records.length) bucket.records = doubled(bucket.records)
      const { records } = bucket
      const [from, to] = [index * digestWords, bucket.count * recordWords]
      for (let word = 0; word < digestWords; word++) records[to + word] = keyWords[from + word] as number
      const second = to + digestWords
      for (let word = 0; word < digestWords; word++)
        records[second + word] = wordsOfDigests[from + word] as number
      const seq = seqs[index] as Sequence
      records[to + recordWords - 2] = Math.floor(seq / 2 ** 32)
      records[to + recordWords - 1] = seq >>> 0
      if (slots.size > 0) {
        const slot = slots.get(index)
        if (slot !== undefined) bucket.slots.set(bucket.count, slot)
      }
      bucket.count++
    }
    this.#count += seqs.length
  }
}

/** Leaves by ascending path; those of one place by nothing in particular. */
export class LeafRun {
  readonly #bucket: Bucket
  readonly #bytes: Uint8Array
  readonly #wholeKeySlot: Uint8Array
  /** By place in the bucket. */
  readonly #heads: Uint32Array
  readonly #places: Int32Array

  constructor(bucket: Bucket, wholeKeySlot: Uint8Array) {
    this.#bucket = bucket
    this.#bytes = new Uint8Array(bucket.records.buffer)
    this.#wholeKeySlot = wholeKeySlot
    this.#heads = headsOf(bucket)
    this.#places = this.#sorted()
  }

  get count(): number {
    return this.#bucket.count
  }

  /** The first `headBits` bits of path number `at`. */
  head(at: number): number {
    return this.#heads[this.#places[at] as number] as number
  }

  /** Copies key and digest of leaf number `at` to word `to`; its sequence. */
  copy(at: number, { keys, digests }: LeafWords, to: number): Sequence {
    const { records } = this.#bucket
    const from = (this.#places[at] as number) * recordWords
    for (let word = 0; word < digestWords; word++) keys[to + word] = records[from + word] as number
    const second = from + digestWords
    for (let word = 0; word < digestWords; word++) digests[to + word] = records[second + word] as number
    return (records[from + recordWords - 2] as number) * 2 ** 32 + (records[from + recordWords - 1] as number)
  }

  /** Second half of the path of leaf number `at`; undefined for the hash of the empty slot. */
  slot(at: number): Uint8Array | undefined {
    return this.#bucket.slots.size === 0 ? undefined : this.#bucket.slots.get(this.#places[at] as number)
  }

  /** Dealt out once more, by the second byte: what is left at a million are some fifteen leaves a group. */
  #sorted(): Int32Array {
    const places = new Int32Array(this.count)
    const starts = new Uint32Array(256)
    const groupOf = (place: number): number => ((this.#heads[place] as number) >>> 16) & 255
    for (let place = 0; place < this.count; place++) starts[groupOf(place)]!++
    for (let group = 1; group < 256; group++) starts[group]! += starts[group - 1]!
    for (let place = this.count - 1; place >= 0; place--) places[--starts[groupOf(place)]!] = place
    for (let group = 0; group < 256; group++) this.#order(places.subarray(starts[group], starts[group + 1]))
    return places
  }

  /** Insertion is the fastest for a few; for the many that only an attacker finds, too slow. */
  #order(places: Int32Array): void {
    if (places.length > insertedMax) {
      places.sort((a, b) => this.#compare(a, b))
      return
    }
    for (let at = 1; at < places.length; at++) {
      const place = places[at] as number
      let to = at
      for (; to > 0 && this.#compare(places[to - 1] as number, place) > 0; to--)
        places[to] = places[to - 1] as number
      places[to] = place
    }
  }

  /** Which of two leaves comes first: negative, zero or positive. */
  #compare(a: number, b: number): number {
    const byHead = (this.#heads[a] as number) - (this.#heads[b] as number)
    if (byHead !== 0) return byHead
    const byKey = compareBytes(this.#keyAt(a), this.#keyAt(b))
    if (byKey !== 0) return byKey
    const { slots } = this.#bucket
    return compareBytes(slots.get(a) ?? this.#wholeKeySlot, slots.get(b) ?? this.#wholeKeySlot)
  }

  #keyAt(place: number): Uint8Array {
    const from = place * recordWords * 4
    return this.#bytes.subarray(from, from + digestBytes)
  }
}

/** By place; a loop, since a view of each would cost more. */
function headsOf({ records, count }: Bucket): Uint32Array {
  const bytes = new DataView(records.buffer)
  const heads = new Uint32Array(count)
  for (let place = 0; place < count; place++) heads[place] = bytes.getUint32(4 * place * recordWords)
  return heads
}

function createBucket(): Bucket {
  return { records: new Uint32Array(roomAtFirst * recordWords), count: 0, slots: new Map() }
}

function doubled(records: Uint32Array): Uint32Array {
  const more = new Uint32Array(2 * records.length)
  more.set(records)
  return more
}

/** The same memory by four bytes; a copy where it does not begin at a word. */
function byWords(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
}
