/**
 * Opens a backup and checks it before anything of it is used: the manifest by its signature, every member by
 * its hash.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdtemp, open, readdir, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

import type { Verifier } from '@lattice/core'

import { snapshotSeq } from '../snapshot/index.ts'
import { historyFile } from '../sqlite-schema.ts'
import { digestOf, memberNames, readManifest, type Manifest } from './manifest.ts'
import { tarContent, tarIndex, type TarMember } from './tar.ts'

/** A backup whose manifest and small members have been checked. */
export interface OpenedBackup extends AsyncDisposable {
  readonly manifest: Manifest
  /** The settings as they were. */
  readonly settings: string
  /** The encrypted key, where there is one. */
  readonly identity: Uint8Array | undefined
  /**
   * Copies the state into `directory` and answers its path; `readSnapshot` then checks it against its name,
   * which the manifest vouches for.
   */
  extractState(directory: string, signal: AbortSignal): Promise<string>
  /** Copies the history of the charts into `directory`; whether there is one. */
  extractHistory(directory: string, signal: AbortSignal): Promise<boolean>
}

/** Why a file cannot be restored from. */
export class BackupDamage extends Error {
  override readonly name = 'BackupDamage'
}

/** A manifest with 64 authors has some 5 KiB, settings a few more; a sealed key 76 bytes. */
const smallBytesMax = 256 * 1024

/** First bytes of what gzip, zstd and xz write. */
const compressed = ['1f8b', '28b52ffd', 'fd377a585a00']

/** Opens a backup. Rejects with `BackupDamage` and the reason, or the system's error. */
export async function openBackup(path: string, verifier: Verifier): Promise<OpenedBackup> {
  // A pipe in its place must not hang the command.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw new BackupDamage('it is no regular file')
    const index = await tarIndex(file)
    if (index === undefined) throw new BackupDamage(await whyNoArchive(file))
    const manifest = await readManifest(await small(file, index, memberNames.manifest), verifier)
    if (typeof manifest === 'string') throw new BackupDamage(manifest)
    const checked = (name: string): Promise<Uint8Array> => checkedMember(file, index, manifest, name)
    const settings = Buffer.from(await checked(memberNames.settings)).toString('utf8')
    const holdsIdentity = manifest.members[memberNames.identity] !== undefined
    return {
      manifest,
      settings,
      identity: holdsIdentity ? await checked(memberNames.identity) : undefined,
      extractState: async (directory, signal) => {
        if (snapshotSeq(manifest.state) === undefined) throw new BackupDamage('the state is missing from it')
        const path = join(directory, manifest.state)
        await extract(file, index, manifest.state, path, signal)
        return path
      },
      extractHistory: async (directory, signal) => {
        const digest = manifest.members[memberNames.history]
        if (digest === undefined) return false
        const path = join(directory, historyFile)
        const found = await extract(file, index, memberNames.history, path, signal)
        if (found !== digest) throw new BackupDamage(`${memberNames.history} was changed`)
        return true
      },
      [Symbol.asyncDispose]: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

const scratchStart = '.restore-'

/** A directory below `parent`, which nobody else uses, for the time of `body`. */
export async function withScratch<T>(parent: string, body: (path: string) => Promise<T>): Promise<T> {
  const left = (await readdir(parent)).filter(name => name.startsWith(scratchStart))
  for (const name of left) await rm(join(parent, name), { recursive: true, force: true })
  const path = await mkdtemp(join(parent, scratchStart))
  try {
    return await body(path)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

async function whyNoArchive(file: FileHandle): Promise<string> {
  const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0)
  const start = buffer.toString('hex')
  return compressed.some(magic => start.startsWith(magic))
    ? 'it is compressed; unpack it first'
    : 'it is no backup, or was cut short'
}

async function checkedMember(
  file: FileHandle,
  index: readonly TarMember[],
  manifest: Manifest,
  name: string,
): Promise<Uint8Array> {
  const bytes = await small(file, index, name)
  if (digestOf(bytes) !== manifest.members[name]) throw new BackupDamage(`${name} was changed`)
  return bytes
}

async function small(file: FileHandle, index: readonly TarMember[], name: string): Promise<Uint8Array> {
  const member = index.find(each => each.name === name)
  if (member === undefined) throw new BackupDamage(`${name} is missing`)
  if (member.bytes > smallBytesMax) throw new BackupDamage(`${name} is longer than any can be`)
  const pieces: Uint8Array[] = []
  for await (const piece of tarContent(file, member)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** Copies a member to a new file; its SHA-256. */
async function extract(
  file: FileHandle,
  index: readonly TarMember[],
  name: string,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const member = index.find(each => each.name === name)
  if (member === undefined) throw new BackupDamage(`${name} is missing`)
  const hash = createHash('sha256')
  const copy = await open(path, 'wx', 0o600)
  try {
    for await (const piece of tarContent(file, member)) {
      signal.throwIfAborted()
      hash.update(piece)
      await copy.writeFile(piece)
    }
  } finally {
    await copy.close()
  }
  return hash.digest('hex')
}
