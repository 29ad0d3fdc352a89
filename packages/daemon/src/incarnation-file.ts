/**
 * The sentinel beside the database: which life of the store this directory knew last, and how far it had come
 * (reliability S9, S10).
 *
 * A database that is gone or empty while this file exists was lost, not new; one that ends before the
 * sequence noted here is an old copy. Written aside, flushed and renamed, so it is whole or absent.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { isIncarnation, type Incarnation, type Sequence } from '@lattice/core'
import { storeFiles } from './sqlite-schema.ts'

/** What the sentinel says. */
export type Sentinel =
  | { readonly state: 'missing' }
  | { readonly state: 'unreadable' }
  | {
      readonly state: 'present'
      readonly incarnation: Incarnation
      /** A commit that was durable when this was written; 0 where none was noted. */
      readonly seq: Sequence
    }

/** Reads the sentinel of `directory`. Throws the system's error when there is one that cannot be read. */
export function readSentinel(directory: string): Sentinel {
  let text
  try {
    text = fs.readFileSync(join(directory, storeFiles.incarnation), 'utf8')
  } catch (error) {
    if (Error.isError(error) && 'code' in error && error.code === 'ENOENT') return { state: 'missing' }
    throw error
  }
  const [incarnation = '', seq = '0'] = text.trimEnd().split('\n')
  return isIncarnation(incarnation) && /^\d{1,15}$/.test(seq)
    ? { state: 'present', incarnation, seq: Number(seq) }
    : { state: 'unreadable' }
}

/** Puts the sentinel in place, durable on return. Throws the system's error. */
export function writeSentinel(directory: string, incarnation: Incarnation, seq: Sequence): void {
  const path = join(directory, storeFiles.incarnation)
  const aside = `${path}.new`
  fs.rmSync(aside, { force: true })
  const file = fs.openSync(aside, 'wx', 0o600)
  try {
    fs.writeFileSync(file, `${incarnation}\n${seq}\n`)
    fs.fsyncSync(file)
  } finally {
    fs.closeSync(file)
  }
  fs.renameSync(aside, path)
  flushDirectory(directory)
}

/** Makes names created or renamed in `directory` durable. */
export function flushDirectory(directory: string): void {
  const opened = fs.openSync(directory, 'r')
  try {
    fs.fsyncSync(opened)
  } finally {
    fs.closeSync(opened)
  }
}
