/** Damaged rows that nobody waits for any more leave the disk, whatever of them is damaged. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Replica, type NodeId, type Operation } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { writeBackup } from '../src/backup/index.ts'
import { sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import type { IndexLag } from '../src/sqlite-index.ts'
import { openSqliteStore, type SqliteStore } from '../src/sqlite-store.ts'

const identity = identityFromSeed(Buffer.alloc(32, 7), 'file')
const { signer } = identity
const bob = 'b'.repeat(64) as NodeId
const put = (key: string): Operation => ({ op: 'put', key, value: key })

let directory = ''
let store: SqliteStore
let replica: Replica

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-spent-'))
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

async function start(lag: IndexLag): Promise<void> {
  store = await openSqliteStore(directory, { lag })
  replica = new Replica({ store, hash: sha256, signer, trusted: new Set() })
}

async function write(...operations: readonly Operation[]): Promise<void> {
  replica.write(operations, testWall)
  await commit()
}

async function commit(): Promise<void> {
  await store.commit(replica.seal())
  replica.committed()
}

function change(sql: string): void {
  const database = new DatabaseSync(join(directory, 'store.db'))
  database.exec(sql)
  database.close()
}

/** Rows, places and leaves by sequence. */
function tables(): unknown {
  const database = new DatabaseSync(join(directory, 'store.db'), { readOnly: true })
  const seqs = ['row', 'place', 'leaf'].map(table =>
    database
      .prepare(`SELECT seq FROM ${table} ORDER BY seq`)
      .all()
      .map(({ seq }) => Number(seq)),
  )
  database.close()
  return seqs
}

const lags: Record<string, IndexLag> = {
  indexed: { list: 1, slice: 1 },
  'not indexed': { list: 1e6, slice: 1e6 },
}
const damages: Record<string, string> = {
  bytes: 'UPDATE row SET bytes = zeroblob(length(bytes)) WHERE seq = 3',
  'the key, which is now that of another': "UPDATE row SET key = 'a' WHERE seq = 3",
  'all of it': 'DROP TRIGGER leafless; DELETE FROM row WHERE seq = 3',
}
const trigger =
  'CREATE TRIGGER IF NOT EXISTS leafless AFTER DELETE ON row BEGIN DELETE FROM leaf WHERE seq = old.seq; END'

it.each(Object.keys(lags).flatMap(lag => Object.keys(damages).map(damage => [lag, damage] as const)))(
  'the row was %s, damaged is %s: the state starts again with its root, and a backup can be made',
  async (lag, damage) => {
    await start(lags[lag] as IndexLag)
    await write(put('a'))
    await write(put('b'))
    await write(put('c'))
    await write(put('d'))
    await write(put('e'))
    change(damages[damage] as string)
    if (damage === 'all of it') change(trigger)
    replica.rows.scan(0, 99)
    replica.read('c')
    replica.quarantine.take(() => [bob])
    expect(replica.quarantine.places.map(({ seq }) => seq)).toEqual([3])
    await commit()
    expect(replica.quarantine.agreed([bob])).toBe(true)
    await commit()
    const root = Buffer.from(replica.trie.root()).toString('hex')
    await store.close()
    await start(lags[lag] as IndexLag)
    expect(Buffer.from(replica.trie.root()).toString('hex')).toBe(root)
    expect(replica.read('a')?.value).toBe('a')
    expect(store.keys('', '', 9).filter(key => replica.read(key) !== undefined)).toEqual(['a', 'b', 'd', 'e'])
    expect([replica.rows.scan(0, 99).damaged, replica.quarantine.damagedKeys]).toEqual([[], []])
    const seqs = [1, 2, 4, 5]
    expect(tables()).toEqual([seqs, expect.arrayContaining(seqs), seqs])
    const { entries } = await writeBackup(join(directory, 'backup.tar'), {
      stateDir: directory,
      identity,
      name: 'one',
      version: '1',
      settings: '',
      signal: new AbortController().signal,
      tell: () => undefined,
    })
    expect(entries).toBe(4)
  },
)
