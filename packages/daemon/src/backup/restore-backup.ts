/**
 * Makes the store of a node from a backup: built aside, compared with the root that the manifest promises,
 * and only then put in place.
 *
 * It starts a new life: a new incarnation, so that commits are not counted twice and a counter begins a slot
 * of its own, and, where there are other members, it counts as a store that has lost something until it has
 * agreed with one of them. The clock goes on from the newest entry.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'

import { amnesiaFact } from '@lattice/core'
import type { NodeId, Signer, Verifier } from '@lattice/core'

import { sha256 } from '../host/crypto.ts'
import { flushDirectory } from '../incarnation-file.ts'
import { moveDatabase } from '../move-database.ts'
import { fillFromSnapshot, SnapshotDamage } from '../snapshot/index.ts'
import { historyFile, storeFiles } from '../sqlite-schema.ts'
import { openSqliteStore } from '../sqlite-store.ts'
import { BackupDamage, withScratch, type OpenedBackup } from './read-backup.ts'

/** What restoring needs. */
export interface RestoreInput {
  readonly signer: Signer
  readonly verifier: Verifier
  /** The other members, as configured where the node will run. */
  readonly members: ReadonlySet<NodeId>
  /** Gives up while the store is being built. */
  readonly signal: AbortSignal
  readonly tell: (read: number, about: number) => void
  /** Called once the whole backup has been found good, before anything else in the directory changes. */
  readonly onSound?: () => void
}

/** What came back. */
export interface RestoredStore {
  readonly incarnation: string
  readonly entries: number
  readonly root: string
  /** Where the store that was there before lies now. */
  readonly replaced: string | undefined
}

const filesOf = (database: string): readonly string[] => ['', '-wal', '-shm'].map(end => database + end)

/** The files of a store that lie in `directory`. */
export function storeFilesIn(directory: string): readonly string[] {
  return presentIn(directory, [...filesOf(storeFiles.database), storeFiles.incarnation])
}

function presentIn(directory: string, names: readonly string[]): readonly string[] {
  return names.filter(name => fs.existsSync(join(directory, name)))
}

/**
 * Builds the store in `stateDir`, whose lock the caller holds; a store that is there is moved aside. Rejects
 * with `BackupDamage`, a `LatticeError`, the system's error or the signal's reason; the directory is as it was
 * then.
 */
export async function restoreStore(
  backup: OpenedBackup,
  stateDir: string,
  input: RestoreInput,
): Promise<RestoredStore> {
  return withScratch(stateDir, async scratch => {
    const made = await build(backup, scratch, input)
    input.onSound?.()
    return { ...made, replaced: putInPlace(scratch, stateDir) }
  })
}

/** Reads the whole backup into a store that is thrown away: whether it could be restored. */
export async function tryRestore(backup: OpenedBackup, parent: string, input: RestoreInput): Promise<void> {
  await withScratch(parent, scratch => build(backup, scratch, input))
}

async function build(
  backup: OpenedBackup,
  directory: string,
  { signer, verifier, members, signal, tell }: RestoreInput,
): Promise<Omit<RestoredStore, 'replaced'>> {
  const { manifest } = backup
  await backup.extractHistory(directory, signal)
  const snapshot = await backup.extractState(directory, signal)
  const store = await openSqliteStore(directory)
  try {
    // The node that made it vouches for the authors; every entry is still checked against its own signature.
    const authors = new Set(manifest.authors)
    const parts = { store, hash: sha256, signer, verifier, members: authors }
    const filled = await fillFromSnapshot(snapshot, parts, read => {
      tell(read, manifest.entries)
      signal.throwIfAborted()
    })
    if (filled.root !== manifest.root) {
      const told = `${filled.entries} entries gave the root ${filled.root}, ${filled.refused} were refused`
      throw new BackupDamage(`its state is not what its manifest promises: ${told}`)
    }
    if (members.size > 0) await store.commit({ rows: [], facts: new Map([[amnesiaFact, new Uint8Array(0)]]) })
    return { incarnation: store.incarnation, entries: filled.entries, root: filled.root }
  } catch (error) {
    if (!(error instanceof SnapshotDamage)) throw error
    throw new BackupDamage(`${manifest.state}: ${error.message}`, { cause: error })
  } finally {
    await store.close()
    fs.rmSync(snapshot)
  }
}

/**
 * Exchanges the store in `stateDir` for the one in `from`; where the old one lies now. Cut off at any moment,
 * the old one is still in place or lies there, whole. Between the two moves the directory holds none, but
 * still what tells a store from none: a start then says that it was lost, and nothing mixes. The history of
 * the charts is exchanged with it where there is another.
 */
export function putInPlace(from: string, stateDir: string): string | undefined {
  const databases = [storeFiles.database, ...presentIn(from, [historyFile])]
  const sentinel = presentIn(stateDir, [storeFiles.incarnation])
  const old = databases.filter(name => presentIn(stateDir, filesOf(name)).length > 0)
  const aside = fs.mkdtempSync(join(stateDir, `replaced-${new Date().toISOString().slice(0, 10)}-`))
  for (const name of sentinel) fs.copyFileSync(join(stateDir, name), join(aside, name))
  for (const name of old) moveDatabase(join(stateDir, name), join(aside, name))
  for (const name of databases) moveDatabase(join(from, name), join(stateDir, name))
  for (const name of presentIn(from, [storeFiles.incarnation]))
    fs.renameSync(join(from, name), join(stateDir, name))
  flushDirectory(stateDir)
  if (old.length + sentinel.length > 0) return aside
  fs.rmdirSync(aside)
  return undefined
}
