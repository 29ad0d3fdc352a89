/**
 * Power losses (reliability S2): whatever of the unflushed comes to the disk, the store opens, holds every
 * batch that it has called durable, and each batch whole or not at all.
 *
 * POWER_LOSSES says how many (S2: 10,000), SEED which. The calls are those of a real process on a real disk.
 */
import * as fs from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { leafDigest, MerkleTrie, toHex, type Row, type Store } from '@lattice/core'
import { createSeededRandom } from '@lattice/core/testing'
import { openSqliteStore, sha256 } from '@lattice/daemon'
import { readCalls, tracing, type DiskCall } from '../disk-calls.ts'
import { ledger, ledgerLag, ledgerStates, type LedgerState } from '../ledger.ts'
import { LossyDisk } from '../power-loss.ts'
import { syscallFaultsMissing } from '../syscall-faults.ts'

const losses = Number(process.env['POWER_LOSSES'] ?? 300)
const seed = Number(process.env['SEED'] ?? 1)
/** So many losses are followed by more writing and another start. */
const goOnEvery = 8

const random = createSeededRandom(seed)
const states = ledgerStates(seed)
const batches = [...ledger(seed)]
const byLastSeq = new Map(states.map((state, number) => [state.lastSeq, number]))
const root = fs.mkdtempSync(join(tmpdir(), 'lattice-power-'))
let calls: readonly DiskCall[] = []

const missing = syscallFaultsMissing()
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)
if (missing !== undefined) process.stderr.write(`power losses are not tested: ${missing}\n`)
const rows = missing === undefined ? describe : describe.skip

beforeAll(async () => {
  if (missing !== undefined) return
  const [directory, trace] = [join(root, 'written'), join(root, 'calls')]
  fs.mkdirSync(directory)
  const script = fileURLToPath(new URL('../ledger-writer.ts', import.meta.url))
  const [tracer = '', ...flags] = tracing(trace)
  const line = [...flags, process.execPath, script, directory, String(seed)]
  const { status, stderr } = spawnSync(tracer, line, { encoding: 'utf8', timeout: 120_000 })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  calls = await readCalls(trace, directory)
}, 240_000)
afterAll(() => fs.rmSync(root, { recursive: true, force: true }))

/** Everything that a store says of itself, held against what it must hold. */
function compare(store: Store, { rows, facts }: LedgerState): void {
  expect(store.after(0, 1e6).map(({ seq }) => seq)).toEqual(rows.map(({ seq }) => seq))
  const wrong = store.after(0, 1e6).filter((row, at) => {
    const { key, slot, bytes, digest } = rows[at] as (typeof rows)[number]
    const isSame = row.key === key && row.slot === slot && Buffer.compare(row.bytes, bytes) === 0
    return !isSame || Buffer.compare(row.digest, digest) !== 0
  })
  expect(wrong).toEqual([])
  const inHex = (all: Iterable<readonly [string, Uint8Array]>): ReadonlyMap<string, string> =>
    new Map([...all].map(([name, value]) => [name, toHex(value)]))
  expect(inHex(store.facts('', 1e6))).toEqual(inHex(facts))
  const keys = [...new Set(rows.map(({ key }) => key))].sort()
  expect(store.keys('', '', 1e6)).toEqual(keys)
  const key = keys[Math.floor(random.unit() * keys.length)] ?? 'none'
  const seqsOf = (all: readonly Row[]): number[] => all.map(({ seq }) => seq).sort((a, b) => a - b)
  expect(seqsOf(store.slots(key))).toEqual(seqsOf(rows.filter(row => row.key === key)))
  expect(toHex(new MerkleTrie(sha256, store.leaves()).root())).toBe(rootOf(rows))
}

function rootOf(rows: LedgerState['rows']): string {
  const trie = new MerkleTrie(sha256, [])
  for (const { seq, path, digest } of rows) trie.setLeaf(path, leafDigest(path, digest, sha256), seq)
  return toHex(trie.root())
}

/** Starts from what is left; the number of batches that are there. */
async function startFrom(found: ReadonlyMap<string, Buffer>, goOn: boolean): Promise<number> {
  const directory = join(root, 'found')
  fs.rmSync(directory, { recursive: true, force: true })
  fs.mkdirSync(directory)
  for (const [name, bytes] of found) fs.writeFileSync(join(directory, name), bytes)
  let store = await openSqliteStore(directory, { lag: ledgerLag })
  try {
    expect(store.amnesia).toBe(false)
    const number = byLastSeq.get(store.lastSeq) ?? Number.NaN
    compare(store, states[number] as LedgerState)
    const next = batches[number]
    if (!goOn || next === undefined) return number
    await store.commit(next)
    await store.close()
    store = await openSqliteStore(directory, { lag: ledgerLag })
    compare(store, states[number + 1] as LedgerState)
    return number
  } finally {
    await store.close()
  }
}

rows('the power goes', () => {
  it('the calls are those of commits, checkpoints and starts', () => {
    const count = (call: DiskCall['call'], name: string): number =>
      calls.filter(each => each.call === call && 'name' in each && each.name === name).length
    expect(calls.filter(({ call }) => call === 'say')).toHaveLength(batches.length + 1)
    expect(count('sync', 'store.db')).toBeGreaterThan(5)
    expect(count('sync', 'store.db-wal')).toBeGreaterThan(batches.length / 2)
    expect(count('rename', 'incarnation.new')).toBeGreaterThan(0)
    // The log has begun anew, over what it held before.
    const atStart = calls.filter(
      each => each.call === 'write' && each.name === 'store.db-wal' && each.at === 0,
    )
    expect(atStart.length).toBeGreaterThan(2)
  })

  it(
    `what was called durable is there, whole, after ${losses} losses`,
    async () => {
      const moments = Array.from({ length: losses }, () => Math.floor(random.unit() * (calls.length + 1)))
      const disk = new LossyDisk(random)
      const seen = { asTold: 0, ahead: 0 }
      let [taken, durable] = [0, 0]
      for (const [loss, moment] of moments.sort((a, b) => a - b).entries()) {
        for (; taken < moment; taken++) {
          const call = calls[taken] as DiskCall
          disk.take(call)
          const [, seq] = (call.call === 'say' && /^durable (\d+)$/.exec(call.line)) || []
          durable = Math.max(durable, byLastSeq.get(Number(seq ?? 0)) ?? 0)
        }
        try {
          const found = await startFrom(disk.lose(), loss % goOnEvery === 0)
          expect(found).toBeGreaterThanOrEqual(durable)
          seen[found > durable ? 'ahead' : 'asTold']++
        } catch (error) {
          throw new Error(`loss ${loss} of seed ${seed}, after call ${moment} of ${calls.length}`, {
            cause: error,
          })
        }
      }
      console.info(JSON.stringify({ calls: calls.length, ...seen }))
      expect(seen.asTold).toBeGreaterThan(0)
    },
    60_000 + losses * 2_000,
  )
})
