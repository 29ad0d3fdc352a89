/**
 * Rows of the store, and only those that the trie vouches for.
 *
 * No embedded store tells of silent corruption: a flipped bit comes back as data. The trie holds for each
 * leaf a digest over key, slot and signed bytes, made when the signature had been checked; a row that does
 * not hash to the leaf of its place is damaged, whichever of its columns is (docs/decisions/0008). What is
 * found is remembered for the replica to quarantine; it is never handed out.
 */
import { concatBytes, equalBytes, toHex, toUtf8 } from './bytes.ts'
import { parseStored } from './entry.ts'
import { keyPathNibbles, leafDigest, pathNibbles, pathOf, type Leaf, type MerkleTrie } from './merkle.ts'
import type { Hash, Row, Store } from './ports.ts'
import { bytesInFrame } from './rows.ts'
import type { Incarnation, Sequence, Version } from './units.ts'

/** A leaf whose row is damaged or gone. */
export interface Damage {
  readonly path: Uint8Array
  /** Digest of the leaf as it was: what a replacement is recognised by. */
  readonly leaf: Uint8Array
  readonly seq: Sequence
  /** Greatest version seen when it was found: what was lost is not later, what is was written after it. */
  readonly clock: Version
  /** Undefined where the damage took it. */
  readonly key: string | undefined
  /** The leaf alone is damaged: it stands where no entry belongs, and nothing is lost there. */
  readonly isStray?: true
}

/** What a look at a run of rows and at the leaves beside them has found. */
export interface Scan {
  readonly rowCount: number
  /** Signed bytes read. */
  readonly bytes: number
  /** Entries whose row is damaged or gone, or whose leaf on the disk is. */
  readonly damaged: readonly { readonly seq: Sequence; readonly key: string }[]
  /** Signed bytes of the damaged rows: they may be sound although nothing vouches for them any more. */
  readonly unvouched: readonly Uint8Array[]
  /** Where to go on; undefined at the end. */
  readonly next: Sequence | undefined
  /** The newest row as it is now: more may come while a walk goes on. */
  readonly newest: Sequence
}

/** What the checks work with. */
export interface CheckedRowsParts {
  readonly store: Pick<Store, 'incarnation' | 'slots' | 'at' | 'after' | 'leaves'>
  readonly hash: Hash
  readonly trie: MerkleTrie
  /** Newest sequence that the trie covers. */
  readonly committedSeq: () => Sequence
  /** Whether the batch on its way to the disk takes the row of this leaf away: it may have gone already. */
  readonly isLeaving: (leaf: Pick<Leaf, 'path' | 'seq'>) => boolean
  /** Greatest version given out or seen. */
  readonly clock: () => Version
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

  /** The damage that waits to be taken. */
  get found(): readonly Damage[] {
    return [...this.#found.values()]
  }

  /** The damage found since the last call. */
  take(): readonly Damage[] {
    const { found } = this
    this.#found.clear()
    return found
  }

  /** How many rows a key should have. */
  countOf(key: string): number {
    const { hash, trie } = this.#parts
    return trie.countUnder(hash(toUtf8(key)), keyPathNibbles)
  }

  /** The intact rows of one key, in no particular order. */
  slots(key: string): readonly Row[] {
    const { store, trie, hash, committedSeq } = this.#parts
    const keyPath = hash(toUtf8(key))
    const isIntact = (row: Row): boolean => this.#isIntact(row, pathOf(key, row.slot, hash, keyPath))
    const rows = store.slots(key).filter(row => row.key === key && isIntact(row))
    // Those that are durable already, but not in the trie yet, stand in for none that is missing.
    const known = rows.reduce((count, { seq }) => count + Number(seq <= committedSeq()), 0)
    if (trie.countUnder(keyPath, keyPathNibbles) === known) return rows
    const seen = new Set(rows.map(row => row.seq))
    const others = [...trie.leaves(keyPath, keyPathNibbles)].filter(leaf => !seen.has(leaf.seq))
    return [...rows, ...others.flatMap(leaf => this.at(leaf, key) ?? [])]
  }

  /** The row of a leaf; undefined if it is damaged, or has been superseded meanwhile. */
  at(leaf: Leaf, key?: string): Row | undefined {
    const { store, trie, isLeaving } = this.#parts
    const row = store.at(leaf.seq)
    const path = row && this.#pathOf(row)
    const isItsRow = path !== undefined && equalBytes(path, leaf.path)
    if (row !== undefined && isItsRow && this.#isIntact(row, path)) return row
    // A descent keeps leaves from step to step: another one may stand there by now, and this row has gone.
    if (trie.get(leaf.path)?.seq !== leaf.seq) return undefined
    if (row !== undefined && !isItsRow && this.#isSound(row)) this.#noteStray(leaf, row)
    else if (row !== undefined || !isLeaving(leaf)) this.#note(leaf, key ?? row?.key)
    return undefined
  }

  /** The signed bytes of a leaf's row, in the same way: what stands beside them there does not matter. */
  bytesOf(leaf: Leaf): Uint8Array | undefined {
    const { store, hash } = this.#parts
    const bytes = store.at(leaf.seq)?.bytes
    const isWhole = bytes && equalBytes(leafDigest(leaf.path, hash(bytes), hash), leaf.digest)
    return isWhole === true ? bytes : this.at(leaf)?.bytes
  }

  /**
   * The same of the first ones of these leaves that fit a frame, without those superseded meanwhile; how many
   * leaves that were.
   */
  bytesOfAll(leaves: readonly Leaf[], bytesMax: number): { entries: Uint8Array[]; read: number } {
    const entries: Uint8Array[] = []
    let room = bytesMax
    for (const [read, leaf] of leaves.entries()) {
      const bytes = this.bytesOf(leaf)
      if (bytes === undefined) continue
      room -= bytesInFrame(bytes, entries.at(-1))
      if (room < 0) return { entries, read }
      entries.push(bytes)
    }
    return { entries, read: leaves.length }
  }

  /** The row whose leaf has this path, in the same way. */
  under(path: Uint8Array): Row | undefined {
    const leaf = this.#parts.trie.get(path)
    return leaf && this.at(leaf)
  }

  /**
   * Intact rows with a sequence > `seq`, ascending, at most `limit`; fewer only at the end.
   * @param isUsed rows of which nothing is used need no check
   */
  after(seq: Sequence, limit: number, isUsed: (row: Row) => boolean = () => true): readonly Row[] {
    const { store } = this.#parts
    const intact: Row[] = []
    for (let from = seq; ;) {
      const wanted = limit - intact.length
      const page = store.after(from, wanted)
      for (const row of page) if (!isUsed(row) || this.#isIntact(row)) intact.push(row)
      const last = page.at(-1)
      if (last === undefined || page.length < wanted || intact.length === limit) return intact
      from = last.seq
    }
  }

  /**
   * Checks the rows with a sequence > `seq`, at most `limit`, each against the trie and against the leaf
   * beside it, which the next start builds the trie from.
   */
  scan(seq: Sequence, limit: number): Scan {
    const { store, committedSeq } = this.#parts
    const rows = store.after(seq, limit)
    const next = rows.length < limit ? undefined : rows.at(-1)?.seq
    const beside = this.#leavesOnDisk(seq, next)
    const damaged: Pick<Row, 'seq' | 'key'>[] = []
    const unvouched: Uint8Array[] = []
    for (const row of rows) {
      const leaf = beside.get(row.seq)
      beside.delete(row.seq)
      if (this.#isIntact(row) && (row.seq > committedSeq() || this.#isLeafOf(row, leaf))) continue
      damaged.push({ seq: row.seq, key: row.key })
      unvouched.push(row.bytes)
      if (leaf !== undefined && this.#parts.trie.get(leaf.path)?.seq === row.seq) this.at(leaf)
    }
    const gone = [...beside.values()].filter(leaf => this.#isGone(leaf))
    return {
      rowCount: rows.length,
      bytes: rows.reduce((sum, row) => sum + row.bytes.length, 0),
      damaged: [...damaged, ...gone.map(leaf => ({ seq: leaf.seq, key: '?' }))],
      unvouched,
      next,
      newest: committedSeq(),
    }
  }

  /** Leaves as they lie on the disk, of sequences > `after` and ≤ `upTo`. */
  #leavesOnDisk(after: Sequence, upTo: Sequence | undefined): Map<Sequence, Leaf> {
    const { store, hash } = this.#parts
    const wholeKeyPath = hash(new Uint8Array(0))
    const found = new Map<Sequence, Leaf>()
    for (const { seqs, keys, slots, digests } of store.leaves(after, upTo))
      seqs.forEach((seq, index) => {
        const [from, to] = [32 * index, 32 * (index + 1)]
        const path = concatBytes(keys.subarray(from, to), slots.get(index) ?? wholeKeyPath)
        found.set(seq, { path, digest: digests.slice(from, to), seq })
      })
    return found
  }

  /** Whether the leaf on the disk is that of an intact row; one that is not makes the place doubtful. */
  #isLeafOf(row: Row, found: Leaf | undefined): boolean {
    const { hash, trie, store, isLeaving } = this.#parts
    const leaf = trie.get(pathOf(row.key, row.slot, hash))
    if (leaf === undefined) return false
    if (found && equalBytes(found.path, leaf.path) && equalBytes(found.digest, leaf.digest)) return true
    // A successor has come to the disk between the two reads.
    if (isLeaving(leaf) && store.at(row.seq) === undefined) return true
    this.#note(leaf, row.key)
    return false
  }

  /** Whether the row of a leaf on the disk is missing, although the trie counts on it. */
  #isGone({ path, seq }: Leaf): boolean {
    const leaf = this.#parts.trie.get(path)
    return leaf?.seq === seq && this.at(leaf) === undefined && !this.#parts.isLeaving(leaf)
  }

  /** Whether key, slot, digest and bytes of a row belong together: only what vouches for it is lost. */
  #isSound({ key, slot, digest, bytes }: Row): boolean {
    if (!equalBytes(this.#parts.hash(bytes), digest)) return false
    const content = parseStored(bytes, digest)
    return content?.key === key && content.slot === slot
  }

  #isIntact(row: Row, path = this.#pathOf(row)): boolean {
    const { hash, trie, committedSeq } = this.#parts
    const digest = hash(row.bytes)
    // Durable, but not in the trie yet: it was written a moment ago.
    if (row.seq > committedSeq()) return equalBytes(digest, row.digest)
    const place = trie.at(path, pathNibbles)
    if (place !== 0 && trie.seqAt(place) === row.seq) {
      const isWhole = equalBytes(digest, row.digest)
      if (isWhole && equalBytes(trie.digestAt(place), leafDigest(path, digest, hash))) return true
      const leaf = trie.leafAt(place)
      // A sound row is what was committed, and the leaf is what is damaged.
      this.#note(this.#isSound(row) ? { ...leaf, digest: leafDigest(path, digest, hash) } : leaf, row.key)
      return false
    }
    // A sound row without a leaf: the leaf was damaged and stands elsewhere. The key must not read as absent.
    if (place === 0 && this.#isSound(row))
      this.#note({ path, digest: leafDigest(path, digest, hash), seq: row.seq }, row.key)
    else this.#noteByContent(row)
    return false
  }

  /** Key or slot of the row are not what they were: the bytes may still say whose row this is. */
  #noteByContent(row: Row): void {
    const { hash, trie } = this.#parts
    const content = parseStored(row.bytes, row.digest)
    const leaf = content === undefined ? undefined : trie.get(pathOf(content.key, content.slot, hash))
    if (leaf?.seq === row.seq) this.#note(leaf, content?.key)
  }

  #pathOf({ key, slot }: Row): Uint8Array {
    return pathOf(key, slot, this.#parts.hash)
  }

  /** The leaf names the row of another place; where that one has no leaf, the key must not read as absent. */
  #noteStray({ path, digest, seq }: Leaf, row: Row): void {
    const clock = this.#parts.clock()
    this.#found.set(toHex(path), { path, leaf: digest, seq, clock, key: undefined, isStray: true })
    this.#isIntact(row)
  }

  #note({ path, digest, seq }: Leaf, key: string | undefined): void {
    const name = toHex(path)
    if (this.#found.has(name)) return
    const isKey = key !== undefined && equalBytes(this.#parts.hash(toUtf8(key)), path.subarray(0, 32))
    const clock = this.#parts.clock()
    this.#found.set(name, { path, leaf: digest, seq, clock, key: isKey ? key : undefined })
  }
}
