/**
 * What was acknowledged is found after SIGKILL and after a full disk (reliability S1, S3, S4), on real
 * processes.
 */
import * as fs from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { decodeValue, parseEntry, type Row } from '@lattice/core'
import { sha256 } from '../src/host/crypto.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { startChild, type Child } from './fixtures/child.ts'
import { rootOf, rootOfRows } from './fixtures/true-rows.ts'

/** KILL_ROUNDS raises it for soak runs. */
const killRounds = Number(process.env['KILL_ROUNDS'] ?? 10)

let directory = ''
const children: Child[] = []
const writer = async (...args: string[]): Promise<Child> => {
  const child = startChild('write-store.ts', [directory, ...args])
  children.push(child)
  await child.line(line => line.startsWith('opened'))
  return child
}
const acknowledged = (child: Child): number =>
  Math.max(0, ...child.lines.filter(line => line.startsWith('ack ')).map(line => Number(line.slice(4))))

const valueOf = ({ bytes }: Row): unknown => {
  const value = parseEntry(bytes, sha256)?.value
  return value && decodeValue(value)
}

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-crash-'))
})
afterEach(async () => {
  await Promise.all(children.splice(0).map(child => child.kill()))
  fs.rmSync(directory, { recursive: true, force: true })
})

describe('the store after SIGKILL', () => {
  it(
    `holds every acknowledged write, without holes, in ${killRounds} kills`,
    async () => {
      for (let round = 0, newest = 0; round < killRounds; round += 1) {
        const child = await writer()
        await child.line(line => line.startsWith('ack '))
        await new Promise(resolve => setTimeout(resolve, Math.random() * 150))
        await child.kill()
        const store = await openSqliteStore(directory)
        const rows = store.after(0, 1e7)
        expect(store.amnesia).toBe(false)
        expect(acknowledged(child)).toBeGreaterThan(newest)
        expect(store.lastSeq).toBeGreaterThanOrEqual(acknowledged(child))
        expect(rows.every((row, at) => row.seq === at + 1 && row.key === `${row.seq}`)).toBe(true)
        expect(rows.map(valueOf)).toEqual(rows.map(row => `value ${row.seq}`))
        expect(rootOf(store)).toBe(rootOfRows(rows))
        expect(store.keys('', '', 1e7)).toHaveLength(rows.length)
        expect(rows).toHaveLength(store.lastSeq)
        expect(Buffer.from(store.fact('newest') ?? []).toString()).toBe(`${store.lastSeq}`)
        newest = store.lastSeq
        await store.close()
      }
    },
    30_000 + killRounds * 12_000,
  )

  it('holds exactly the newest row of each key when writes replace each other', async () => {
    const child = await writer('10')
    await child.line(line => line.startsWith('ack ') && Number(line.slice(4)) > 300)
    await child.kill()
    const store = await openSqliteStore(directory)
    const { lastSeq } = store
    expect(lastSeq).toBeGreaterThanOrEqual(acknowledged(child))
    expect(store.after(0, 99).map(row => row.seq)).toEqual(
      Array.from({ length: 10 }, (_, at) => lastSeq - 9 + at),
    )
    expect(store.keys('', '', 99)).toHaveLength(10)
    expect(rootOf(store)).toBe(rootOfRows(store.after(0, 99)))
    await store.close()
  })
})

describe('the store on a full disk', () => {
  const limit = (pid: number, bytes: number): boolean =>
    spawnSync('prlimit', ['--pid', `${pid}`, `--fsize=${bytes}:unlimited`]).status === 0

  it('refuses the write, keeps what it acknowledged, and goes on once there is room', async () => {
    const child = await writer('1000000', 'big')
    await child.line(line => line === 'ack 3')
    expect(limit(child.pid, 3 * 1024 * 1024)).toBe(true)
    const refused = await child.line(line => line.startsWith('refused'))
    expect(refused).toMatch(/^refused STORE_UNAVAILABLE .*(full|I\/O)/)
    const before = acknowledged(child)
    expect(limit(child.pid, 1e12)).toBe(true)
    child.send('go on\n')
    await child.line(line => line === `ack ${before + 5}`)
    await child.kill()
    const store = await openSqliteStore(directory)
    const rows = store.after(0, 1e6)
    expect(rows).toHaveLength(store.lastSeq)
    expect(store.lastSeq).toBeGreaterThanOrEqual(before + 5)
    expect(rows.map(valueOf)).toEqual(rows.map(row => `${row.seq}`.repeat(10_000)))
    await store.close()
  })
})
