/**
 * The leaves of a store in path order, to build a trie from.
 *
 * Each is copied into a record of its own, since fetching from many places costs more than anything else
 * here. What is sorted are numbers made of the head of a path and the place of its record, which the engine
 * does natively; the few with equal heads are put in order afterwards.
 */
import { compareBytes } from './bytes.ts'
import type { LeafBlock } from './ports.ts'
import type { Sequence } from './units.ts'

/** Bytes of a digest, and of each half of a path. */
const digestBytes = 32

const digestWords = digestBytes / 4

/** Words of a record: key, digest, and the sequence in two halves. */
const recordWords = 2 * digestWords + 2

/** Bits of a path that fit a number beside nothing else: whole bytes, so that they are read cheaply. */
const headBits = 48

/** Bits of an integer that a double holds exactly. */
const exactBits = 53

/** Digests and first halves of paths, by four bytes. */
export interface LeafWords {
  readonly keys: Uint32Array
  readonly digests: Uint32Array
}

interface Block {
  readonly count: number
  readonly records: Uint32Array
  readonly slots: LeafBlock['slots']
}

/** Leaves by ascending path; those of one place by nothing in particular. */
export class LeafOrder {
  readonly #blocks: readonly Block[]
  readonly #wholeKeySlot: Uint8Array
  /** Bits of a place that say where in its block a leaf is; those above say which block. */
  readonly #indexBits: number
  readonly #places: Int32Array

  /** @param wholeKeySlot hash of the empty slot: the second half of most paths */
  constructor(blocks: Iterable<LeafBlock>, wholeKeySlot: Uint8Array) {
    this.#blocks = Array.from(blocks, blockOf)
    this.#wholeKeySlot = wholeKeySlot
    const longest = this.#blocks.reduce((most, { count }) => Math.max(most, count), 1)
    this.#indexBits = Math.ceil(Math.log2(longest))
    this.#places = this.#sorted()
  }

  get count(): number {
    return this.#places.length
  }

  /** Copies key and digest of leaf number `at` to word `to`; its sequence. */
  copy(at: number, { keys, digests }: LeafWords, to: number): Sequence {
    const place = this.#places[at] as number
    const { records } = this.#blocks[place >> this.#indexBits] as Block
    const from = this.#indexOf(place) * recordWords
    for (let word = 0; word < digestWords; word++) keys[to + word] = records[from + word] as number
    const second = from + digestWords
    for (let word = 0; word < digestWords; word++) digests[to + word] = records[second + word] as number
    return (records[from + recordWords - 2] as number) * 2 ** 32 + (records[from + recordWords - 1] as number)
  }

  /** Second half of the path of leaf number `at`; undefined for the hash of the empty slot. */
  slot(at: number): Uint8Array | undefined {
    return this.#slotAt(this.#places[at] as number)
  }

  #sorted(): Int32Array {
    const count = this.#blocks.reduce((sum, block) => sum + block.count, 0)
    const unit = 2 ** (this.#indexBits + Math.ceil(Math.log2(this.#blocks.length + 1)))
    const heads = this.#heads(count, unit)
    heads.sort()
    const places = new Int32Array(count)
    let from = 0
    let last = Number.NaN
    for (let at = 0; at < count; at++) {
      const combined = heads[at] as number
      const head = Math.floor(combined / unit)
      places[at] = combined - head * unit
      if (head === last) continue
      this.#order(places.subarray(from, at))
      from = at
      last = head
    }
    this.#order(places.subarray(from))
    return places
  }

  /** As much of each path as fits above its place, which is below `unit`. */
  #heads(count: number, unit: number): Float64Array {
    const dropped = 2 ** Math.max(0, headBits - (exactBits - Math.log2(unit)))
    const heads = new Float64Array(count)
    let filled = 0
    for (const [number, block] of this.#blocks.entries()) {
      const bytes = new Uint8Array(block.records.buffer)
      const base = number * 2 ** this.#indexBits
      for (let index = 0; index < block.count; index++) {
        const head = Math.floor(headOf(bytes, index * recordWords * 4) / dropped)
        heads[filled++] = head * unit + base + index
      }
    }
    return heads
  }

  #order(places: Int32Array): void {
    if (places.length > 1) places.sort((a, b) => this.#compare(a, b))
  }

  /** Which of two leaves comes first: negative, zero or positive. */
  #compare(a: number, b: number): number {
    const byKey = compareBytes(this.#keyAt(a), this.#keyAt(b))
    if (byKey !== 0) return byKey
    return compareBytes(this.#slotAt(a) ?? this.#wholeKeySlot, this.#slotAt(b) ?? this.#wholeKeySlot)
  }

  #keyAt(place: number): Uint8Array {
    const { records } = this.#blocks[place >> this.#indexBits] as Block
    return new Uint8Array(records.buffer, this.#indexOf(place) * recordWords * 4, digestBytes)
  }

  #slotAt(place: number): Uint8Array | undefined {
    const { slots } = this.#blocks[place >> this.#indexBits] as Block
    return slots.size === 0 ? undefined : slots.get(this.#indexOf(place))
  }

  #indexOf(place: number): number {
    return place & (2 ** this.#indexBits - 1)
  }
}

function blockOf({ seqs, keys, digests, slots }: LeafBlock): Block {
  const records = new Uint32Array(seqs.length * recordWords)
  const [keyWords, wordsOfDigests] = [byWords(keys), byWords(digests)]
  for (const [index, seq] of seqs.entries()) {
    const [from, to] = [index * digestWords, index * recordWords]
    for (let word = 0; word < digestWords; word++) {
      records[to + word] = keyWords[from + word] as number
      records[to + digestWords + word] = wordsOfDigests[from + word] as number
    }
    records[to + recordWords - 2] = Math.floor(seq / 2 ** 32)
    records[to + recordWords - 1] = seq >>> 0
  }
  return { count: seqs.length, records, slots }
}

/** The same memory by four bytes; a copy where it does not begin at a word. */
function byWords(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
}

/** The first six bytes of the path that begins at `at`, as a number. */
function headOf(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] as number
  const high = byte(0) * 2 ** 16 + byte(1) * 2 ** 8 + byte(2)
  return high * 2 ** 24 + byte(3) * 2 ** 16 + byte(4) * 2 ** 8 + byte(5)
}
