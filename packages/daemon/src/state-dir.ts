/**
 * The directory that holds everything a node must not lose, for one daemon at a time.
 *
 * An existing directory is never changed, only checked: STATE_DIR may point at something that is not ours.
 */
import * as fs from 'node:fs'
import { resolve } from 'node:path'
import { LatticeError, isLatticeError } from '@lattice/core'
import { makeDirectory } from './host/directory.ts'
import { acquireStateDirLock, type StateDirLock } from './state-dir-lock.ts'

/** An exclusive hold on a state directory. */
export interface StateDir extends AsyncDisposable {
  /** Absolute, symbolic links resolved. */
  readonly path: string
  /** Lets the next daemon in. Repetition is harmless. Everything in the directory must be closed before. */
  release(): void
}

/**
 * Creates `path` (0700) where it is missing, checks that it is ours alone to write, and locks it.
 *
 * @throws LatticeError STATE_DIR_UNUSABLE, STORE_LOCKED
 */
export function openStateDir(path: string): StateDir {
  const directory = prepare(path)
  const lock: StateDirLock = acquireStateDirLock(directory)
  return {
    path: directory,
    release: () => lock.release(),
    [Symbol.asyncDispose]: () => {
      lock.release()
      return Promise.resolve()
    },
  }
}

function prepare(path: string): string {
  try {
    makeDirectory(resolve(path), 0o700)
    const directory = fs.realpathSync(path)
    const why = refusal(directory, fs.statSync(directory))
    if (why !== undefined) throw new LatticeError('STATE_DIR_UNUSABLE', why)
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    return directory
  } catch (error) {
    if (isLatticeError(error)) throw error
    const said = Error.isError(error) ? error.message : String(error)
    throw new LatticeError('STATE_DIR_UNUSABLE', `${path}: ${said}`, { cause: error })
  }
}

function refusal(directory: string, stats: fs.Stats): string | undefined {
  const { uid, mode } = stats
  if (!stats.isDirectory()) return `${directory} is not a directory`
  const user = process.geteuid?.()
  if (user !== undefined && uid !== user) {
    return `${directory} belongs to user ${uid}, this process runs as user ${user}; run it as that user, or chown it`
  }
  if ((mode & 0o022) !== 0) {
    const octal = (mode & 0o7777).toString(8).padStart(4, '0')
    return `${directory} has mode ${octal}, so others could replace the identity; run chmod 700 ${directory}`
  }
  return undefined
}
