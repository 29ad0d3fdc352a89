/** Whoever moves a store away may be killed at any moment: it is still in place, or lies elsewhere, whole. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { amnesiaFact } from '@lattice/core'
import { testBatch } from '@lattice/core/testing'
import { putInPlace } from '../src/backup/restore-backup.ts'
import { moveDatabase } from '../src/move-database.ts'
import { salvage } from '../src/salvage.ts'
import { openDatabase } from '../src/sqlite-open.ts'
import { newestSeqSql } from '../src/sqlite-schema.ts'
import { StorePlaces } from './fixtures/store-places.ts'
import { trueRow } from './fixtures/true-rows.ts'

const lag = { list: 50, slice: 8 }
const logOf = { 'store.db': 'store.db-wal', 'history.db': 'history.db-wal' } as const
const log = { info: () => undefined, warn: () => undefined } as unknown as Parameters<
  typeof salvage
>[0]['log']
const limitMs = 60_000

const places = new StorePlaces()
let old = ''
let other = ''

beforeAll(async () => {
  const [left, right] = [places.newDirectory(), places.newDirectory()]
  const [one, two] = [await places.open(left, lag), await places.open(right, lag)]
  for (const seq of [1, 2, 3]) await one.commit(testBatch([trueRow(seq, `${seq}`, 'old')]))
  await two.commit(testBatch([trueRow(1, '1', 'new')]))
  ;[old, other] = [places.crashCopy(left), places.crashCopy(right)]
  for (const directory of [old, other])
    for (const [database, log] of Object.entries(logOf)) {
      if (database === 'history.db')
        for (const name of [database, log]) fs.writeFileSync(join(directory, name), directory + name)
      expect(fs.statSync(join(directory, log)).size).toBeGreaterThan(0)
    }
})
afterAll(() => places.clear())

/** The directory of the old store as each moment of `deed` leaves it to whoever comes after a kill. */
function momentsOf(deed: 'rebuild' | 'exchange', change: (directory: string) => void = () => undefined) {
  const [into, directory] = [places.newDirectory(), places.crashCopy(old)]
  change(directory)
  const script = fileURLToPath(new URL('./fixtures/moments.ts', import.meta.url))
  execFileSync(process.execPath, [script, into, deed, directory, places.crashCopy(other)])
  const moments = fs.readdirSync(into).map(moment => join(into, moment))
  expect(moments.length).toBeGreaterThan(8)
  return moments
}

/** Where in the directory a database of the old store lies, with its log. */
function wholeAt(directory: string, name: keyof typeof logOf = 'store.db'): string[] {
  const isAs = (path: string, original: string): boolean =>
    fs.existsSync(path) && fs.readFileSync(path).equals(fs.readFileSync(join(old, original)))
  const entries = fs.readdirSync(directory, { recursive: true, withFileTypes: true })
  const paths = entries.filter(each => each.isFile()).map(({ parentPath, name }) => join(parentPath, name))
  const whole = paths.filter(path => isAs(path, name) && isAs(`${path}-wal`, logOf[name]))
  return whole.map(path => relative(directory, path))
}

/** What the next start finds: the newest sequence, and whether it knows that something was lost. */
function startAt(directory: string): readonly [lastSeq: unknown, amnesia: boolean] {
  const { database } = openDatabase(directory)
  const amnesia = database.prepare('SELECT 1 FROM fact WHERE name = ?').get(amnesiaFact) !== undefined
  const lastSeq = database.prepare(newestSeqSql).get()?.['seq']
  database.close()
  return [lastSeq, amnesia]
}

it(
  'a store that a restore replaces; and the restore done once more puts it aside',
  () => {
    for (const directory of momentsOf('exchange')) {
      for (const name of ['store.db', 'history.db'] as const)
        expect(wholeAt(directory, name)).toEqual([expect.any(String)])
      putInPlace(places.crashCopy(other), directory)
      for (const name of ['store.db', 'history.db'] as const)
        expect(wholeAt(directory, name)).toEqual([expect.stringMatching(/^replaced-/)])
      expect(startAt(directory)).toEqual([1, false])
    }
  },
  limitMs,
)

it.each([
  ['', () => undefined],
  [', also without its sentinel', (directory: string) => fs.rmSync(join(directory, 'incarnation'))],
])(
  'a database that is damaged: the next start goes on with it, or knows that it has lost it, and salvages it%s',
  async (_, change) => {
    for (const directory of momentsOf('rebuild', change)) {
      const [at, ...others] = wholeAt(directory)
      expect(others).toEqual([])
      const isInPlace = at === 'store.db'
      expect(startAt(directory)).toEqual(isInPlace ? [3, false] : [0, true])
      const salvaged = new Set<string>()
      const readmit = (rows: readonly Uint8Array[]): Promise<true> => {
        for (const bytes of rows) salvaged.add(Buffer.from(bytes).toString('hex'))
        return Promise.resolve(true)
      }
      await salvage({ directory, readmit, log, signal: new AbortController().signal })
      expect(salvaged.size).toBe(isInPlace ? 0 : 3)
    }
  },
  limitMs,
)

it('a log that cannot have two names is moved all the same', () => {
  const [from, to] = [join(places.newDirectory(), 'store.db'), join(places.newDirectory(), 'store.db')]
  // No directory can.
  fs.mkdirSync(join(`${from}-wal`, 'kept'), { recursive: true })
  fs.writeFileSync(from, '')
  moveDatabase(from, to)
  expect([fs.existsSync(`${from}-wal`), fs.readdirSync(`${to}-wal`)]).toEqual([false, ['kept']])
})
