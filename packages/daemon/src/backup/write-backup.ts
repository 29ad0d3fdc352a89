/**
 * Makes a backup: one moment of the store, read beside a running daemon, with what a node is made of besides.
 *
 * The state is a snapshot (docs/snapshots.md) whose rows have all been compared with their digests and with
 * the leaves that give the root: a damaged store makes no backup that looks whole. The file is complete or
 * absent.
 */
import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { leafDigest, LatticeError, MerkleTrie, parseEntry, pathOf } from '@lattice/core'
import type { Entry, NodeId, Row } from '@lattice/core'

import { sha256 } from '../host/crypto.ts'
import type { Identity } from '../host/identity.ts'
import { flushDirectory } from '../incarnation-file.ts'
import { writeSnapshot } from '../snapshot/index.ts'
import { inspectStore } from '../sqlite-inspect.ts'
import { SqliteReader } from '../sqlite-reader.ts'
import { storeFiles } from '../sqlite-schema.ts'
import { unreadAsides } from '../store-aside.ts'
import { copyHistory, type HistoryCopy } from './history-copy.ts'
import { digestOf, memberNames, signManifest, type Manifest } from './manifest.ts'
import { sealSeed } from './sealed-identity.ts'
import { tarOf, type TarSource } from './tar.ts'

/** What a backup is made from. */
export interface BackupInput {
  readonly stateDir: string
  readonly identity: Identity
  readonly name: string
  readonly version: string
  /** The settings as an env file, without secrets. */
  readonly settings: string
  /** Puts the key of the node in, under this. */
  readonly passphrase?: string | undefined
  readonly signal: AbortSignal
  /** Entries read so far, and about how many there are. */
  readonly tell: (read: number, about: number) => void
}

/**
 * Writes the backup to `path`, which must not be there; rejects with a `LatticeError` or the system's error.
 */
export async function writeBackup(path: string, input: BackupInput): Promise<Manifest> {
  const database = join(input.stateDir, storeFiles.database)
  const incarnation = inspectStore(database)
  if (incarnation === undefined) throw new LatticeError('STORE_UNAVAILABLE', `${database} holds nothing yet`)
  const [unread] = unreadAsides(input.stateDir)
  if (unread !== undefined)
    throw damaged(`${unread} has not been read to its end yet, and its rows are missing`)
  const reader = new SqliteReader(database)
  const parts = await mkdtemp(join(dirname(path), `.${basename(path)}-`))
  const aside = join(parts, 'whole')
  try {
    const seq = reader.freeze()
    reader.load()
    const trie = new MerkleTrie(sha256, reader.leaves())
    const read = watched(reader, trie, seq, input.tell)
    const root = Buffer.from(trie.root()).toString('hex')
    const header = { node: input.identity.nodeId, incarnation, seq, root, wall: Date.now() }
    const state = await writeSnapshot(parts, header, read, input.signal)
    if (read.entries() !== trie.count)
      throw damaged(`it has ${read.entries()} rows, and leaves of ${trie.count}`)
    const history = await copyHistory(input.stateDir, parts)
    const { members, digests } = membersOf(input, history)
    const manifest: Manifest = {
      format: 'lattice-backup/1',
      version: input.version,
      node: input.identity.nodeId,
      name: input.name,
      made: header.wall,
      incarnation,
      root,
      entries: read.entries(),
      authors: read.authors(),
      state: state.name,
      members: digests,
    }
    const first = { name: memberNames.manifest, from: signManifest(manifest, input.identity.signer) }
    await writeWhole(aside, [first, ...members, { name: state.name, from: { file: state.part } }])
    await rename(aside, path)
    flushDirectory(dirname(path))
    return manifest
  } finally {
    reader.close()
    await rm(parts, { recursive: true, force: true })
  }
}

/** The rows in commit order; counts them, notes their authors, and refuses damaged ones. */
function watched(reader: SqliteReader, trie: MerkleTrie, newest: number, tell: BackupInput['tell']) {
  const authors = new Set<NodeId>()
  let entries = 0
  const check = ({ seq, key, digest, bytes }: Row): void => {
    const entry = Buffer.compare(sha256(bytes), digest) === 0 ? parseEntry(bytes, sha256) : undefined
    if (entry === undefined || !isVouchedFor(entry, trie))
      throw damaged(`row ${seq} (key ${JSON.stringify(key)}) is damaged`)
    authors.add(entry.author)
    entries += 1
  }
  const after = (seq: number, limit: number): readonly Row[] => {
    const rows = reader.after(seq, limit)
    for (const row of rows) check(row)
    tell(rows.at(-1)?.seq ?? newest, newest)
    return rows
  }
  return { after, entries: () => entries, authors: () => [...authors].sort() }
}

/** Whether the root tells of this very entry. */
function isVouchedFor({ key, slot, digest }: Entry, trie: MerkleTrie): boolean {
  const path = pathOf(key, slot, sha256)
  const leaf = trie.get(path)
  return leaf !== undefined && Buffer.compare(leaf.digest, leafDigest(path, digest, sha256)) === 0
}

function damaged(what: string): LatticeError {
  return new LatticeError(
    'STORE_CORRUPT',
    `${what}; a running daemon mends it, or fetches it from the others`,
  )
}

function membersOf(
  { settings, identity, passphrase }: BackupInput,
  history: HistoryCopy | undefined,
): {
  readonly members: readonly TarSource[]
  readonly digests: Record<string, string>
} {
  const contents: Array<readonly [string, Uint8Array]> = [[memberNames.settings, Buffer.from(settings)]]
  if (passphrase !== undefined) contents.push([memberNames.identity, sealSeed(identity.seed, passphrase)])
  const members: TarSource[] = contents.map(([name, from]) => ({ name, from }))
  const digests = Object.fromEntries(contents.map(([name, bytes]) => [name, digestOf(bytes)]))
  if (history !== undefined) {
    members.push({ name: memberNames.history, from: { file: history.file } })
    digests[memberNames.history] = history.digest
  }
  return { members, digests }
}

async function writeWhole(path: string, members: readonly TarSource[]): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const block of tarOf(members, Math.floor(Date.now() / 1000))) await file.writeFile(block)
    await file.sync()
  } finally {
    await file.close()
  }
}
