/**
 * What is damaged, lost, old, foreign or newer is recognised, and nothing of it is ever thrown away
 * (reliability S8, S9, S10, S14).
 */
import * as fs from 'node:fs'
import { amnesiaFact, type StoreRemedy } from '@lattice/core'
import { hash, randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { testBatch, testRow } from '@lattice/core/testing'
import { openSqliteStore, type SqliteStore } from '../src/sqlite-store.ts'

let directory = ''
let database = ''
const opened: SqliteStore[] = []
let log: string[] = []

const open = async (): Promise<SqliteStore> => {
  log = []
  const store = await openSqliteStore(directory, { log: (level, text) => log.push(`${level}: ${text}`) })
  opened.push(store)
  return store
}

/** A closed store with enough rows for several levels of pages. */
const filled = async (): Promise<string> => {
  const store = await open()
  const rows = Array.from({ length: 3000 }, (_, at) =>
    testRow(at + 1, `key-${(at * 7919) % 3000}`.padEnd(60, '.')),
  )
  await store.commit(testBatch(rows, { fact: 'value' }))
  await store.close()
  return store.incarnation
}

const refusal = (code: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(directory) })
const sentinelNow = (): string | undefined =>
  fs.readFileSync(join(directory, 'incarnation'), 'utf8').split('\n')[0]
const asideNow = (): readonly string[] =>
  fs.readdirSync(directory).filter(name => /^store\.db\.damaged-\d{8}T\d{6}Z-[0-9a-f]{4}$/.test(name))
const filesNow = (): unknown =>
  fs.readdirSync(directory).map(name => `${name} ${hash('sha256', fs.readFileSync(join(directory, name)))}`)

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-damage-'))
  database = join(directory, 'store.db')
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map(store => store.close()))
  fs.rmSync(directory, { recursive: true, force: true })
})

it('what a log holds after a crash is flushed anew with the next start: it may only seem to be on the disk', async () => {
  const crashed = await open()
  await crashed.commit(testBatch([testRow(1, 'a')]))
  const files = ['incarnation', 'store.db', 'store.db-wal'].map(
    name => [name, fs.readFileSync(join(directory, name))] as const,
  )
  await crashed.close()
  fs.rmSync(`${database}-shm`, { force: true })
  for (const [name, bytes] of files) fs.writeFileSync(join(directory, name), bytes)
  await open()
  const alone = `${database}.alone`
  fs.copyFileSync(database, alone)
  const copy = new DatabaseSync(alone)
  expect(copy.prepare('SELECT key FROM row').all()).toEqual([{ key: 'a' }])
  copy.close()
})

describe('a lost database', () => {
  it.each(['missing', 'zero-length'])('is amnesia, never healthy and empty, when it is %s', async kind => {
    const before = await filled()
    fs.rmSync(database)
    if (kind === 'zero-length') fs.writeFileSync(database, '')
    const store = await open()
    expect(store.amnesia).toBe(true)
    expect(store.incarnation).not.toBe(before)
    expect(log.join()).toMatch(/^warn: the database was lost/)
    expect(sentinelNow()).toBe(store.incarnation)
  })

  it('stays amnesia over restarts until the node says that it has recovered', async () => {
    await filled()
    fs.rmSync(database)
    await (await open()).close()
    const store = await open()
    expect(store.amnesia).toBe(true)
    await store.commit({ rows: [], facts: new Map([[amnesiaFact, undefined]]) })
    await store.close()
    expect((await open()).amnesia).toBe(false)
  })

  it('keeps the log it left behind for a rescue', async () => {
    const store = await open()
    await store.commit(testBatch([testRow(1, 'a')]))
    const logged = fs.readFileSync(`${database}-wal`)
    await store.close()
    fs.rmSync(database)
    fs.rmSync(join(directory, 'incarnation'))
    fs.writeFileSync(`${database}-wal`, logged)
    expect((await open()).amnesia).toBe(true)
    const kept = fs.readdirSync(directory).filter(name => name.includes('-wal.lost-'))
    expect(kept.map(name => fs.readFileSync(join(directory, name)).equals(logged))).toEqual([true])
  })

  it('is not claimed of a new store, nor of one whose creation was cut short', async () => {
    fs.writeFileSync(database, '')
    expect((await open()).amnesia).toBe(false)
    await opened.pop()?.close()
    fs.rmSync(directory, { recursive: true })
    fs.mkdirSync(directory)
    const unfinished = new DatabaseSync(database)
    unfinished.exec('PRAGMA application_id = 0x4c415454; PRAGMA journal_mode = WAL')
    unfinished.close()
    expect((await open()).amnesia).toBe(false)
  })

  it('takes a new incarnation when the database is not the one last used here', async () => {
    const before = await filled()
    fs.writeFileSync(join(directory, 'incarnation'), 'f'.repeat(16))
    const store = await open()
    expect([store.amnesia, store.lastSeq]).toEqual([true, 3000])
    expect([before, 'f'.repeat(16)]).not.toContain(store.incarnation)
  })

  it.each(['copied while it was closed', 'copied while it ran'])(
    'takes a new incarnation when it is an old copy, %s',
    async kind => {
      const before = await filled()
      const old = new Map(
        fs.readdirSync(directory).map(name => [name, fs.readFileSync(join(directory, name))]),
      )
      const store = await open()
      if (kind.endsWith('ran'))
        for (const name of ['store.db', 'store.db-wal']) old.set(name, fs.readFileSync(join(directory, name)))
      await store.commit(testBatch([testRow(3001, 'one more')]))
      await store.close()
      for (const name of ['store.db', 'store.db-wal']) {
        const copy = old.get(name)
        if (copy) fs.writeFileSync(join(directory, name), copy)
      }
      const again = await open()
      expect([again.amnesia, again.lastSeq]).toEqual([true, 3000])
      expect(again.incarnation).not.toBe(before)
      expect(log.join()).toMatch(
        /^warn: the database is an old copy: it ends before commit 3001; incarnation/,
      )
      await again.close()
      expect((await open()).incarnation).toBe(again.incarnation)
    },
  )

  it('takes a new incarnation when its peers hold more of it', async () => {
    const before = await filled()
    const store = await openSqliteStore(directory, { remedy: 'new-life' })
    opened.push(store)
    expect([store.amnesia, store.lastSeq]).toEqual([true, 3000])
    expect(store.incarnation).not.toBe(before)
  })

  it.each([
    ['a value', "value = CAST(substr(value, 1, 9) || x'00' || substr(value, 11) AS BLOB)"],
    ['a name', "name = 'fict'"],
    ['a name that is no text any more', "name = CAST(x'66e16374' AS TEXT)"],
  ])('forgets a damaged fact and takes a new incarnation, once: %s', async (_, change) => {
    const before = await filled()
    const other = new DatabaseSync(database)
    other.exec(`UPDATE fact SET ${change} WHERE name = 'fact'`)
    other.close()
    const store = await open()
    expect([store.amnesia, store.lastSeq, store.fact('fact'), store.fact('fict')]).toEqual([
      true,
      3000,
      undefined,
      undefined,
    ])
    expect(store.incarnation).not.toBe(before)
    expect(log.join()).toContain('1 facts in the database were damaged and are forgotten')
    await store.close()
    expect((await open()).incarnation).toBe(store.incarnation)
  })

  it('does not believe a fact that is damaged while it is open', async () => {
    await filled()
    const store = await open()
    const other = new DatabaseSync(database)
    other.exec("UPDATE fact SET value = x'00' WHERE name = 'fact'")
    other.close()
    expect([store.fact('fact'), store.facts('', 9)]).toEqual([undefined, []])
  })

  it('goes on behind facts that are damaged while it is open: fewer than asked for are all there are', async () => {
    const store = await open()
    const names = ['a', 'b', 'c', 'd', 'e']
    await store.commit(testBatch([testRow(1, 'key')], Object.fromEntries(names.map(name => [name, name]))))
    const other = new DatabaseSync(database)
    other.exec("UPDATE fact SET value = x'00' WHERE name IN ('a', 'd')")
    other.exec("UPDATE fact SET name = CAST(x'61ff' AS TEXT) WHERE name = 'b'")
    other.close()
    const found = [0, 1, 2, 3].map(limit => store.facts('', limit).map(([name]) => name))
    expect(found).toEqual([[], ['c'], ['c', 'e'], ['c', 'e']])
  })

  it('is told as damage by every read that meets it, while it is open', async () => {
    await filled()
    const store = await open()
    const bytes = fs.readFileSync(database)
    fs.writeFileSync(database, bytes.fill(0xa5, 4096 * 12), { flag: 'r+' })
    const codes = new Set<unknown>()
    for (let seq = 1; seq <= 3000; seq += 7) {
      for (const read of [() => store.slots(`key-${seq}`.padEnd(60, '.')), () => store.at(seq)])
        try {
          read()
        } catch (error) {
          codes.add((error as { code?: unknown }).code)
        }
    }
    expect([...codes]).toEqual(['STORE_CORRUPT'])
  })

  it('mends a sentinel that is missing or torn from the database', async () => {
    const before = await filled()
    for (const damage of [
      () => fs.rmSync(join(directory, 'incarnation')),
      () => fs.writeFileSync(join(directory, 'incarnation'), 'to'),
    ]) {
      damage()
      const store = await open()
      expect([store.incarnation, store.amnesia]).toEqual([before, false])
      await store.close()
      expect(sentinelNow()).toBe(before)
    }
  })
})

describe('a damaged database is moved aside whole, and an empty one starts a new life', () => {
  const expectRebuilt = async (why: RegExp, remedy?: StoreRemedy): Promise<SqliteStore> => {
    const damaged = fs.readFileSync(database)
    const [before, asideBefore] = [sentinelNow(), asideNow()]
    log = []
    const store = await openSqliteStore(directory, {
      log: (level, text) => log.push(`${level}: ${text}`),
      ...(remedy === undefined ? {} : { remedy }),
    })
    opened.push(store)
    expect([store.lastSeq, store.amnesia]).toEqual([0, true])
    expect(store.incarnation).not.toBe(before)
    const [aside = '', ...more] = asideNow().filter(name => !asideBefore.includes(name))
    expect(more).toEqual([])
    expect(fs.readFileSync(join(directory, aside)).equals(damaged)).toBe(true)
    expect(log[0]).toMatch(why)
    expect(log[0]).toContain(`it was moved to ${join(directory, aside)}`)
    expect(log[1]).toBe(`warn: the database was lost; it starts empty; incarnation ${store.incarnation}`)
    return store
  }

  it.each([1, 99, 100, 4095, 4096, 8192, 100_000])('cut to %i bytes', async length => {
    await filled()
    fs.truncateSync(database, length)
    await expectRebuilt(/warn: .*store\.db/)
  })

  it('overwritten with random bytes', async () => {
    await filled()
    fs.writeFileSync(database, randomBytes(50_000))
    await expectRebuilt(/is not an SQLite database any more/)
  })

  it('with random bytes behind an intact header', async () => {
    await filled()
    const bytes = fs.readFileSync(database)
    randomBytes(bytes.length - 100).copy(bytes, 100)
    fs.writeFileSync(database, bytes)
    await expectRebuilt(/warn: .*store\.db/)
  })

  it('with garbage in one page, wherever it is (S8)', async () => {
    await filled()
    const whole = fs.readFileSync(database)
    const pages = whole.length / 4096
    for (let trial = 0; trial < 10; trial++) {
      const bytes = Buffer.from(whole)
      randomBytes(4096).copy(bytes, 4096 * Math.floor((trial * pages) / 10) + (trial === 0 ? 100 : 0))
      fs.writeFileSync(database, bytes)
      fs.rmSync(`${database}-wal`, { force: true })
      await (await expectRebuilt(/warn: .*store\.db/)).close()
    }
    expect(asideNow()).toHaveLength(10)
  })

  it('that another program put in the place of a store', async () => {
    await filled()
    fs.rmSync(database)
    const other = new DatabaseSync(database)
    other.exec('CREATE TABLE bookmarks (url)')
    other.close()
    await expectRebuilt(/database of another program/)
  })

  it('with its tables changed', async () => {
    await filled()
    const other = new DatabaseSync(database)
    other.exec('DROP TABLE place')
    other.close()
    await expectRebuilt(/its tables are not those of a Lattice store/)
  })

  it('with places that do not match the rows', async () => {
    await filled()
    const other = new DatabaseSync(database)
    other.exec('DELETE FROM place WHERE seq = (SELECT max(seq) FROM row)')
    other.close()
    await expectRebuilt(/row 3000 has no place/)
  })

  it('with a place out of order, of which no row tells', async () => {
    await filled()
    const whole = new DatabaseSync(database, { readOnly: true })
    const found = whole.prepare("SELECT pageno FROM dbstat WHERE name = 'place' AND pagetype = 'leaf'").all()
    whole.close()
    const from = 4096 * (Number(found[found.length >> 1]?.['pageno']) - 1)
    const bytes = fs.readFileSync(database)
    const names = bytes.toString('latin1', from, from + 4096).match(/key-\d+\.+/g) ?? []
    // Where it begins the page, so that most others are still found by their keys.
    bytes.write('z', bytes.indexOf(names.sort()[0] ?? '', from))
    fs.writeFileSync(database, bytes)
    await expectRebuilt(/not in PRIMARY KEY order/)
  })

  it('of which too much is damaged, row by row', async () => {
    await filled()
    await expectRebuilt(/too much of it is damaged/, 'rebuild')
  })

  it('but not one that a closer look finds sound', async () => {
    const before = await filled()
    const store = await openSqliteStore(directory, { remedy: 'check' })
    opened.push(store)
    expect([store.incarnation, store.amnesia, store.lastSeq]).toEqual([before, false, 3000])
    expect(asideNow()).toEqual([])
  })
})

describe('a database that is not ours to touch is refused and left as it is', () => {
  const expectRefused = async (code: string): Promise<void> => {
    const before = filesNow()
    await expect(open()).rejects.toEqual(refusal(code))
    expect(filesNow()).toEqual(before)
  }

  it.each([
    ['text', Buffer.from('my shopping list')],
    ['random bytes', randomBytes(9000)],
  ])('that is %s where no store ever was', async (_, bytes) => {
    fs.writeFileSync(database, bytes)
    await expectRefused('STORE_FOREIGN')
  })

  it('of another program', async () => {
    const other = new DatabaseSync(database)
    other.exec('CREATE TABLE bookmarks (url)')
    other.close()
    await expectRefused('STORE_FOREIGN')
  })

  it('of a newer version, naming both versions', async () => {
    await filled()
    const newer = new DatabaseSync(database)
    newer.exec('PRAGMA user_version = 7')
    newer.close()
    await expectRefused('STORE_NEWER')
    await expect(open()).rejects.toThrow(/format 7.*up to 4/)
  })
})

describe('a directory that cannot hold a store', () => {
  it('is refused when it is missing or below a file', async () => {
    for (const path of [join(directory, 'missing'), join(directory, 'file', 'below')]) {
      fs.writeFileSync(join(directory, 'file'), '')
      await expect(openSqliteStore(path)).rejects.toMatchObject({ code: 'STATE_DIR_UNUSABLE' })
    }
  })

  it('is refused when files cannot be created in it', async () => {
    await expect(openSqliteStore('/proc/self')).rejects.toMatchObject({ code: 'STATE_DIR_UNUSABLE' })
  })
})
