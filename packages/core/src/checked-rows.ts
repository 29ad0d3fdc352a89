/**
 * Rows of the store, and only those that the trie vouches for.
 *
 * No embedded store tells of silent corruption: a flipped bit comes back as data. The trie holds for each
 * leaf a digest over key, slot and signed bytes, made when the signature had been checked; a row that does
 * not hash to the leaf of its place is damaged, whichever of its columns is (docs/decisions/0008). What is
 * found is remembered for the replica to quarantine; it is never handed out.
 */
import { equalBytes, toHex, toUtf8 } from './bytes.ts'
import { parseStored } from './entry.ts'
import { keyPathNibbles, leafDigest, pathOf, type Leaf, type MerkleTrie } from './merkle.ts'
import type { Hash, Row, Store } from './ports.ts'
import type { Incarnation, Sequence } from './units.ts'

/** A leaf whose row is damaged or gone. */
export interface Damage {
  readonly path: Uint8Array
  /** Digest of the leaf as it was: what a replacement is recognised by. */
  readonly leaf: Uint8Array
  readonly seq: Sequence
  /** Undefined where the damage took it. */
  readonly key: string | undefined
}

/** What the checks work with. */
export interface CheckedRowsParts {
  readonly store: Pick<Store, 'incarnation' | 'slots' | 'at' | 'after'>
  readonly hash: Hash
  readonly trie: MerkleTrie
  /** Newest sequence that the trie covers. */
  readonly committedSeq: () => Sequence
  /** Whether a batch is on its way to the disk: a row may then be gone because it has a successor. */
  readonly isCommitting: () => boolean
}

/** Reads rows, checked. */
export class CheckedRows {
  readonly #parts: CheckedRowsParts
  readonly #found = new Map<string, Damage>()

  constructor(parts: CheckedRowsParts) {
    this.#parts = parts
  }

  /** This life of the store. */
  get incarnation(): Incarnation {
    return this.#parts.store.incarnation
  }

  /** Whether damage waits to be taken. */
  get hasFound(): boolean {
    return this.#found.size > 0
  }

  /** Whether damage waits that lies under a path that starts with these hex digits. */
  hasFoundUnder(start: string): boolean {
    return [...this.#found.keys()].some(path => path.startsWith(start))
  }

  /** The damage found since the last call. */
  take(): Damage[] {
    const found = [...this.#found.values()]
    this.#found.clear()
    return found
  }

  /** The intact rows of one key, in no particular order. */
  slots(key: string): readonly Row[] {
    const { store, trie, hash, isCommitting } = this.#parts
    const rows = store.slots(key).filter(row => row.key === key && this.#isIntact(row))
    const keyPath = hash(toUtf8(key))
    if (isCommitting() || trie.countUnder(keyPath, keyPathNibbles) === rows.length) return rows
    const seen = new Set(rows.map(row => row.seq))
    const others = [...trie.leaves(keyPath, keyPathNibbles)].filter(leaf => !seen.has(leaf.seq))
    return [...rows, ...others.flatMap(leaf => this.at(leaf, key) ?? [])]
  }

  /** The row of a leaf; undefined if it is damaged, or has been superseded meanwhile. */
  at(leaf: Leaf, key?: string): Row | undefined {
    const { store, isCommitting } = this.#parts
    const row = store.at(leaf.seq)
    if (row !== undefined && this.#isIntact(row)) return row
    if (row !== undefined || !isCommitting()) this.#note(leaf, key ?? row?.key)
    return undefined
  }

  /** The row whose leaf has this path, in the same way. */
  under(path: Uint8Array): Row | undefined {
    const leaf = this.#parts.trie.get(path)
    return leaf && this.at(leaf)
  }

  /** Intact rows with a sequence > `seq`, ascending, at most `limit`; fewer only at the end. */
  after(seq: Sequence, limit: number): readonly Row[] {
    const { store } = this.#parts
    const intact: Row[] = []
    for (let from = seq; ;) {
      const wanted = limit - intact.length
      const page = store.after(from, wanted)
      for (const row of page) if (this.#isIntact(row)) intact.push(row)
      const last = page.at(-1)
      if (last === undefined || page.length < wanted || intact.length === limit) return intact
      from = last.seq
    }
  }

  #isIntact(row: Row): boolean {
    const { hash, trie, committedSeq } = this.#parts
    const digest = hash(row.bytes)
    // Durable, but not in the trie yet: it was written a moment ago.
    if (row.seq > committedSeq()) return equalBytes(digest, row.digest)
    const path = pathOf(row.key, row.slot, hash)
    const leaf = trie.get(path)
    if (leaf?.seq === row.seq) {
      if (equalBytes(digest, row.digest) && equalBytes(leaf.digest, leafDigest(path, digest, hash)))
        return true
      this.#note(leaf, row.key)
      return false
    }
    this.#noteByContent(row)
    return false
  }

  /** Key or slot of the row are not what they were: the bytes may still say whose row this is. */
  #noteByContent(row: Row): void {
    const { hash, trie } = this.#parts
    const content = parseStored(row.bytes, row.digest)
    const leaf = content === undefined ? undefined : trie.get(pathOf(content.key, content.slot, hash))
    if (leaf?.seq === row.seq) this.#note(leaf, content?.key)
  }

  #note({ path, digest, seq }: Leaf, key: string | undefined): void {
    const name = toHex(path)
    if (this.#found.has(name)) return
    const isKey = key !== undefined && equalBytes(this.#parts.hash(toUtf8(key)), path.subarray(0, 32))
    this.#found.set(name, { path, leaf: digest, seq, key: isKey ? key : undefined })
  }
}
