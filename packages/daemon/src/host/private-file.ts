/**
 * Small files that hold a secret: created 0600 in one step, never through a symlink, and refused when
 * anybody else could read or replace them (reliability S18).
 */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { makeDirectory } from './directory.ts'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants
// Far beyond any key or token; keeps a wrong path (a database, a device) from being slurped.
const privateFileBytesMax = 4096

/** The text of a private file, why it cannot be used, or that it is not there. */
export type PrivateFile =
  | { readonly state: 'present'; readonly text: string }
  | { readonly state: 'missing' }
  | { readonly state: 'unusable'; readonly why: string }

/** Reads a private file, with every check on the opened file itself; never throws. */
export function readPrivateFile(path: string): PrivateFile {
  let descriptor: number | undefined
  try {
    // O_NONBLOCK: a FIFO in the file's place must not hang the start.
    descriptor = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    const why = refusal(path, fs.fstatSync(descriptor), dirname(path))
    if (why !== undefined) return { state: 'unusable', why }
    return { state: 'present', text: fs.readFileSync(descriptor, 'utf8') }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') return { state: 'missing' }
    const why =
      code === 'ELOOP' ? `${path} is a symbolic link; put the file itself there` : `${path}: ${code}`
    return { state: 'unusable', why }
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/**
 * Creates a private file that is complete or absent, also after a crash: written aside, flushed, then
 * linked into place. False when somebody else was faster. Throws the system's error when the directory
 * cannot be used.
 */
export function createPrivateFile(path: string, text: string): boolean {
  const directory = dirname(path)
  makeDirectory(directory, 0o700)
  const aside = join(directory, `.${randomBytes(8).toString('hex')}.new`)
  const descriptor = fs.openSync(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    fs.fchmodSync(descriptor, 0o600)
    // Made by root on behalf of the service's user, who could not read it otherwise. In a directory of its
    // own root needs no such right, and has none in some containers.
    const { uid, gid } = fs.statSync(directory)
    if (process.geteuid?.() === 0 && uid !== 0) fs.fchownSync(descriptor, uid, gid)
    fs.writeFileSync(descriptor, text)
    fs.fsyncSync(descriptor)
    fs.linkSync(aside, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    fs.closeSync(descriptor)
    fs.unlinkSync(aside)
  }
  const opened = fs.openSync(directory, O_RDONLY | O_DIRECTORY)
  try {
    fs.fsyncSync(opened)
  } finally {
    fs.closeSync(opened)
  }
  return true
}

/** The system's error code, or the message where there is none. */
export function codeOf(error: unknown): string {
  if (!Error.isError(error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

function refusal(path: string, stats: fs.Stats, directory: string): string | undefined {
  if (!stats.isFile()) return `${path} is not a regular file`
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
    const advice = `run chmod 600 ${path} (and think about a new key)`
    return `${path} has mode ${mode}, so others can read or change it; ${advice}`
  }
  const user = process.geteuid?.()
  // Root may look after a directory of the service's user; then the file must be that user's.
  const owner = user === 0 ? fs.statSync(directory).uid : user
  if (owner !== undefined && stats.uid !== owner && stats.uid !== user) {
    return `${path} belongs to user ${stats.uid}, not to user ${owner}; run chown ${owner} ${path}`
  }
  if (stats.size > privateFileBytesMax) return `${path} is larger than ${privateFileBytesMax} bytes`
  return undefined
}
