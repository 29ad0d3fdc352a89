/**
 * The history of the charts as a member of a backup: one moment of it, read beside the daemon that writes it.
 * It is never a reason to have no backup, and a damaged one is made anew by the daemon anyway.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { historyFile } from '../sqlite-schema.ts'

/** Longest wait for the daemon to finish a write. */
const busyTimeoutMs = 5_000

/** A copy and its SHA-256. */
export interface HistoryCopy {
  readonly file: string
  readonly digest: string
}

/** Copies the history of `stateDir` into `directory`; undefined where there is none that can be read. */
export async function copyHistory(stateDir: string, directory: string): Promise<HistoryCopy | undefined> {
  const path = join(stateDir, historyFile)
  if (!existsSync(path)) return undefined
  const file = join(directory, historyFile)
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs })
    try {
      database.prepare('VACUUM INTO ?').run(file)
    } finally {
      database.close()
    }
    const hash = createHash('sha256')
    for await (const piece of createReadStream(file)) hash.update(piece as Uint8Array)
    return { file, digest: hash.digest('hex') }
  } catch {
    rmSync(file, { force: true })
    return undefined
  }
}
