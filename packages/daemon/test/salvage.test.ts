/** Every row of a damaged database that SQLite can still reach is taken in, whatever cuts that off. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { salvage, Salvage } from '../src/salvage.ts'
import { setAside, unreadAsides } from '../src/store-aside.ts'

const rowCount = 2_000
const pageBytes = 4_096
const log = { info: () => undefined, warn: () => undefined } as unknown as Parameters<
  typeof salvage
>[0]['log']

let directory = ''
let path = ''

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-salvage-'))
  path = join(directory, 'store.db')
  const database = new DatabaseSync(path)
  database.exec(`PRAGMA page_size = ${pageBytes}; CREATE TABLE row (seq INTEGER PRIMARY KEY, bytes BLOB)`)
  const insert = database.prepare('INSERT INTO row VALUES (?, ?)')
  database.exec('BEGIN')
  for (let seq = 1; seq <= rowCount; seq++) insert.run(seq, Buffer.from(nameOf(seq).repeat(20)))
  database.exec('COMMIT')
  database.close()
})
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

const nameOf = (seq: number): string => `<${String(seq).padStart(6, '0')}>`

/** Overwrites the page that holds a row; the rows that lay there. */
function ruinPageOf(seq: number): ReadonlySet<string> {
  const bytes = fs.readFileSync(path)
  const start = Math.floor(bytes.indexOf(nameOf(seq)) / pageBytes) * pageBytes
  const page = bytes.subarray(start, start + pageBytes)
  const lost = new Set(page.toString('latin1').match(/<\d{6}>/g))
  page.fill(0xa5)
  fs.writeFileSync(path, bytes)
  return lost
}

/** Moves the database aside and salvages it; the rows that came. */
async function salvaged(signal = new AbortController().signal): Promise<Set<string>> {
  setAside(path, Date.now())
  const found = new Set<string>()
  await salvage({ directory, log, signal, readmit: async page => takeIn(page, found) })
  return found
}

function takeIn(page: readonly Uint8Array[], found: Set<string>): true {
  for (const bytes of page) found.add(Buffer.from(bytes).toString('latin1', 0, 8))
  return true
}

it.each([
  [[1]],
  [[1_000]],
  [[700, 1_400]],
  [[rowCount - 20]],
  [[rowCount]],
  [[1, 40, rowCount - 30, rowCount]],
])('only what lies on the damaged pages is missing: rows %j', async seqs => {
  const lost = new Set(seqs.flatMap(seq => [...ruinPageOf(seq)]))
  const found = await salvaged()
  const missing = Array.from({ length: rowCount }, (_, at) => nameOf(at + 1)).filter(name => !found.has(name))
  expect(missing.filter(name => !lost.has(name))).toEqual([])
  expect(missing.length).toBeGreaterThan(0)
})

it('goes on with the next start where a stop cut it off, and is over once all has been read', async () => {
  setAside(path, Date.now())
  const stop = new AbortController()
  const found = new Set<string>()
  const readmit = async (page: readonly Uint8Array[]): Promise<boolean> => {
    stop.abort()
    return takeIn(page, found)
  }
  await salvage({ directory, log, signal: stop.signal, readmit })
  expect(found.size).toBeLessThan(rowCount)
  expect(unreadAsides(directory)).toHaveLength(1)
  const { signal } = new AbortController()
  await salvage({ directory, log, signal, readmit: async page => takeIn(page, found) })
  expect([found.size, unreadAsides(directory)]).toEqual([rowCount, []])
})

it('is under way from before it begins until all has been read, by this start or a later one', async () => {
  const [before, mark] = [new Salvage({ directory, log }), () => unreadAsides(directory).length]
  setAside(path, Date.now())
  const told: unknown[] = [before.isUnderWay]
  for (const isTaken of [false, true]) {
    const under = new Salvage({ directory, log })
    told.push(under.isUnderWay)
    const done = Promise.withResolvers<void>()
    under.start(async page => {
      told.push(under.isUnderWay)
      if (!isTaken || page.length < 256) setImmediate(done.resolve)
      return isTaken || (await Promise.reject(new Error('a page is gone')))
    })
    await done.promise
    await under.stop()
    told.push([under.isUnderWay, mark()])
  }
  expect(told.map(each => JSON.stringify(each)).filter((each, at, all) => each !== all[at - 1])).toEqual([
    'false',
    'true',
    '[true,1]',
    'true',
    '[false,0]',
  ])
})

it('goes on with the next start where the store that takes the rows in fails', async () => {
  setAside(path, Date.now())
  const stop = new AbortController()
  const readmit = async (): Promise<boolean> => {
    setImmediate(() => stop.abort())
    throw new Error('a page is gone')
  }
  await salvage({ directory, log, signal: stop.signal, readmit })
  expect(unreadAsides(directory)).toHaveLength(1)
})

it('is tried again with the next start where somebody else has locked the database', async () => {
  const other = new DatabaseSync(setAside(path, Date.now()))
  const found = new Set<string>()
  const { signal } = new AbortController()
  const readmit = async (page: readonly Uint8Array[]): Promise<boolean> => {
    // Some hundred rows are read by then.
    other.exec('BEGIN EXCLUSIVE')
    return takeIn(page, found)
  }
  await salvage({ directory, log, signal, readmit })
  await salvage({ directory, log, signal, readmit })
  expect([found.size, unreadAsides(directory).length]).toEqual([256, 1])
  other.close()
  await salvage({ directory, log, signal, readmit: async page => takeIn(page, found) })
  expect([found.size, unreadAsides(directory)]).toEqual([rowCount, []])
})

it('is over where the database has gone, or was never moved', async () => {
  fs.rmSync(setAside(path, Date.now()))
  const { signal } = new AbortController()
  const warn = (text: string): never => {
    throw new Error(text)
  }
  await salvage({ directory, log: { ...log, warn }, signal, readmit: async () => true })
  expect(unreadAsides(directory)).toEqual([])
})

it('is tried again where the directory refuses to forget it', async () => {
  const mark = `${setAside(path, Date.now())}.unread`
  fs.rmSync(mark)
  fs.mkdirSync(mark)
  const found = new Set<string>()
  const { signal } = new AbortController()
  await salvage({ directory, log, signal, readmit: async page => takeIn(page, found) })
  expect([found.size, unreadAsides(directory).length]).toEqual([rowCount, 1])
})

it('offers again what the disk has refused', async () => {
  setAside(path, Date.now())
  const found = new Set<string>()
  let calls = 0
  const readmit = async (page: readonly Uint8Array[]): Promise<boolean> =>
    calls++ % 3 === 2 && takeIn(page, found)
  await salvage({ directory, log, signal: new AbortController().signal, readmit, retryMs: 1 })
  expect(found.size).toBe(rowCount)
})
