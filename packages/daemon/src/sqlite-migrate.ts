/**
 * Brings a store of an earlier version up to this one, in one transaction: a crash leaves the old or the new,
 * never something between.
 */
import type { DatabaseSync } from 'node:sqlite'
import { leafDigest, pathOf, type Hash } from '@lattice/core'
import { sealFact } from './fact-check.ts'
import { sha256 } from './host/crypto.ts'
import { leafTables, markerTable, newestSeqSql, schemaVersion } from './sqlite-schema.ts'
import { setMarker } from './sqlite-unindexed.ts'

/** Rows read at a time: some hundred KiB. */
const pageRows = 1_000

/** Brings a store of `version` up to this one; what was done, as a phrase. */
export function migrateStore(database: DatabaseSync, version: number): string {
  database.exec('BEGIN IMMEDIATE')
  try {
    const done: string[] = []
    if (version < 2) {
      for (const sql of Object.values(leafTables)) database.exec(sql)
      done.push(`${fillLeaves(database, sha256)} rows got their leaf`)
    }
    if (version < 3) done.push(`${sealFacts(database)} facts got their check`)
    if (version < 4) done.push(`row ${markIndexed(database)} is the last that is indexed`)
    database.exec(`PRAGMA user_version = ${schemaVersion}`)
    database.exec('COMMIT')
    return done.join(', ')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Puts its check before the value of every fact. */
function sealFacts(database: DatabaseSync): number {
  const facts = database.prepare('SELECT name, value FROM fact').all()
  const update = database.prepare('UPDATE fact SET value = ? WHERE name = ?')
  for (const { name, value } of facts)
    update.run(sealFact(Buffer.from(String(name)), value as Uint8Array), name ?? null)
  return facts.length
}

/** An earlier version indexed each row as it wrote it. Returns the marker. */
function markIndexed(database: DatabaseSync): number {
  for (const sql of Object.values(markerTable)) database.exec(sql)
  const newest = Number(database.prepare(newestSeqSql).get()?.['seq'])
  setMarker(database, newest)
  return newest
}

/** Derives the leaf of every row from its key, slot and digest. */
function fillLeaves(database: DatabaseSync, hash: Hash): number {
  const read = database.prepare(
    'SELECT seq, key, lower(hex(slot)), digest FROM row WHERE seq > ? ORDER BY seq LIMIT ?',
  )
  read.setReturnArrays(true)
  const insert = database.prepare('INSERT INTO leaf VALUES (?, ?, ?, ?)')
  let count = 0
  for (let seq = 0; ;) {
    const page = read.all(seq, pageRows) as unknown as Array<[number, string, string, Uint8Array]>
    for (const [rowSeq, key, slot, digest] of page) {
      const path = pathOf(key, slot, hash)
      const slotPath = slot === '' ? null : path.subarray(32)
      insert.run(rowSeq, path.subarray(0, 32), slotPath, leafDigest(path, digest, hash))
      seq = rowSeq
    }
    count += page.length
    if (page.length < pageRows) return count
  }
}
