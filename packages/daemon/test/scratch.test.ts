/** What an export or an import sets aside: in order and complete, and hardly any of it in memory. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { anyKey, compareUtf8, runsFromEnvironment } from '@lattice/core/testing'
import { NoScratchRoom, onScratch, openScratch } from '../src/scratch-database.ts'
import { SortedLines } from '../src/cli/sorted-lines.ts'

const { signal } = new AbortController()
const { seed, numRuns } = runsFromEnvironment(150)
const runs = { numRuns, ...(seed === undefined ? {} : { seed }) }

async function textOf(lines: SortedLines): Promise<string[]> {
  const texts: string[] = []
  for await (const text of lines.sorted(signal)) texts.push(text)
  return texts
}

const key = fc.oneof(
  anyKey,
  fc.constantFrom('a', 'b', '', '"\t"', '\uffff', '\u{10000}', '\u{1f600}', 'e\\n'),
)

describe('sorted lines', () => {
  it('are those that were added, by the bytes of their keys', async () => {
    const property = fc.asyncProperty(fc.uniqueArray(key, { maxLength: 60 }), async keys => {
      using lines = new SortedLines()
      for (const each of keys) lines.add(each, `${JSON.stringify(each)}\n`)
      const expected = keys.toSorted(compareUtf8).map(each => `${JSON.stringify(each)}\n`)
      expect(await textOf(lines)).toEqual(expected)
      expect(await textOf(lines)).toEqual(expected)
      expect(lines.count).toBe(keys.length)
    })
    await fc.assert(property, runs)
  })

  it('end with the command', async () => {
    using lines = new SortedLines()
    for (const each of ['b', 'a', 'c']) lines.add(each, each)
    const stop = new AbortController()
    const read: string[] = []
    const all = async (): Promise<void> => {
      for await (const text of lines.sorted(stop.signal)) {
        read.push(text)
        stop.abort()
      }
    }
    await expect(all()).rejects.toMatchObject({ name: 'AbortError' })
    expect(read).toEqual(['a'])
  })
})

describe('what is too much for memory', () => {
  it('lies in files that nobody finds, and that are gone once nobody needs them', async () => {
    const home = mkdtempSync(join(tmpdir(), 'lattice-scratch-'))
    try {
      const env = { ...process.env, SQLITE_TMPDIR: home }
      const script = fileURLToPath(new URL('./fixtures/set-aside.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(process.execPath, [script], { env })
      const { count, during, after, residentMiB } = JSON.parse(stdout) as Record<string, unknown>
      const isOurs = (name: string): boolean => name.startsWith(home)
      expect(count).toBe(6_400)
      expect((during as string[]).filter(isOurs)).toContainEqual(expect.stringMatching(/ \(deleted\)$/))
      expect((after as string[]).filter(isOurs)).toEqual([])
      expect(readdirSync(home)).toEqual([])
      expect(residentMiB).toBeGreaterThan(20)
      expect(residentMiB).toBeLessThan(250)
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  it('ends with what to do where there is no room for it', () => {
    using database = openScratch('CREATE TABLE line (line TEXT NOT NULL) STRICT')
    // As if there were no more pages to be had.
    database.exec('PRAGMA max_page_count = 2')
    const fill = (): unknown =>
      onScratch(() => database.prepare('INSERT INTO line VALUES (?)').run('x'.repeat(100_000)))
    expect(fill).toThrow(
      expect.objectContaining({
        message: 'no disk takes what is too much for memory: database or disk is full',
        hint: 'name a directory of a larger disk in TMPDIR',
      }),
    )
    expect(() => fill()).toThrow(NoScratchRoom)
    const bug = new Error('a bug')
    const fail = (): never =>
      onScratch(() => {
        throw bug
      })
    expect(fail).toThrow(bug)
  })
})
