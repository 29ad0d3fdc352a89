/**
 * The store's database: names, numbers and tables, shared by the writer thread and the reading connection.
 *
 * `row` is the log: the big rows lie in insertion order, so that a commit appends and "after your cursor" is a
 * range scan. `place` and `leaf` are indexes of it that may lag behind: rows up to the marker in `indexed`
 * are in both, later ones may be in either (docs/decisions/0013). Only the narrow `place` is random; it also
 * gives the key order, and is brought up to date in slices of neighbours. What it says of a row that is gone
 * means nothing; but a key that it names has a row. Text compares by the bytes of UTF-8 (SQLite's BINARY
 * collation).
 */

/** "LATT": marks the file as ours (SQLite file format §1.3.15). */
export const applicationId = 0x4c415454

/**
 * Version of the tables below; a store of a later one is refused, one of an earlier one is brought up to it
 * (sqlite-migrate.ts). Version 2 added the leaves, version 3 the check of each fact (fact-check.ts), version
 * 4 the marker up to which the rows are indexed.
 */
export const schemaVersion = 4

/** Names within the state directory. */
export const storeFiles = { database: 'store.db', incarnation: 'incarnation' } as const

/** The file of the charts' history within the state directory; independent of the store. */
export const historyFile = 'history.db'

const firstTables: Readonly<Record<string, string>> = {
  life: 'CREATE TABLE life (one INTEGER PRIMARY KEY CHECK (one = 1), incarnation TEXT NOT NULL) STRICT',
  row:
    'CREATE TABLE row (seq INTEGER PRIMARY KEY, key TEXT NOT NULL, slot BLOB NOT NULL, ' +
    'digest BLOB NOT NULL, bytes BLOB NOT NULL) STRICT',
  place:
    'CREATE TABLE place (key TEXT NOT NULL, slot BLOB NOT NULL, seq INTEGER NOT NULL, ' +
    'PRIMARY KEY (key, slot)) STRICT, WITHOUT ROWID',
  fact: 'CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID',
}

/**
 * What version 2 adds: the trie's leaf of each row, narrow and in commit order, so that a start reads 80
 * bytes an entry and hashes none. `slot` is NULL for the whole-key slot. Whoever removes a row removes its
 * leaf.
 */
export const leafTables: Readonly<Record<string, string>> = {
  leaf:
    'CREATE TABLE leaf (seq INTEGER PRIMARY KEY, key BLOB NOT NULL CHECK (length(key) = 32), ' +
    'slot BLOB CHECK (length(slot) = 32), digest BLOB NOT NULL CHECK (length(digest) = 32)) STRICT',
  leafless: 'CREATE TRIGGER leafless AFTER DELETE ON row BEGIN DELETE FROM leaf WHERE seq = old.seq; END',
}

/** What version 4 adds: the marker, sealed like a fact (sqlite-unindexed.ts). */
export const markerTable: Readonly<Record<string, string>> = {
  indexed: 'CREATE TABLE indexed (one INTEGER PRIMARY KEY CHECK (one = 1), marker BLOB NOT NULL) STRICT',
}

/** The tables and triggers, by name, exactly as SQLite remembers them. */
export const tables: Readonly<Record<string, string>> = { ...firstTables, ...leafTables, ...markerTable }

/** Those of a store of `version`. */
export function tablesOf(version: number): Readonly<Record<string, string>> {
  return { ...firstTables, ...(version < 2 ? {} : leafTables), ...(version < 4 ? {} : markerTable) }
}

/**
 * Newest committed sequence. A row is only ever replaced by one with a greater sequence, and the newest is
 * never dropped, so the newest is live.
 */
export const newestSeqSql = 'SELECT coalesce(max(seq), 0) AS seq FROM row'
