/**
 * Reconciling after a partition: exact bytes both ways and round trips, by cursor and by Merkle descent.
 *
 * n equal entries of 40 B key + 100 B value, d different ones spread at random, half missing on each side.
 * Meta is every byte both ways beyond the missing payload (key, value, author, signature), from the moment
 * the two can hear each other until both hold the same root and know it. Frames are real: whole nodes over
 * the in-memory transport.
 *
 *   npm run bench:reconcile -- [--n 10k,100k] [--d 0,1,100,1000] [--ways cursor,descent] [--kind p2p|http]
 *   [--peers] [--json]
 *
 * `npm run bench:peers` installs other libraries into bench/peers and puts them beside.
 */
import type { Identity } from '@lattice/daemon'
import { randomBytes } from 'node:crypto'
import { describe, sumFrames } from './frame-counter.ts'
import {
  keyBytes,
  payloadBytes,
  signRows,
  startPair,
  startTwin,
  type Twin,
  twoIdentities,
  type MemoryPair,
  type SignedRow,
} from './memory-pair.ts'
import { openOkra } from './peers/okra.ts'
import type { KeyValue, PeerBench } from './peers/peer.ts'
import { openRiblt } from './peers/riblt.ts'
import { openYjs } from './peers/yjs.ts'
import { print, progress, readNumbers, readOptions, round, type Cell, type Table } from './report.ts'
import { randomKeys, randomPuts, valueBytes } from './workload.ts'

const options = readOptions({
  n: { type: 'string', default: '10k,100k' },
  d: { type: 'string', default: '0,1,100,1000' },
  ways: { type: 'string', default: 'cursor,descent' },
  kind: { type: 'string', default: 'p2p' },
  peers: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
})

/** Silence of a partition in virtual time: long enough for every time-out of the engine. */
const partitionMs = 90_000
/** When libp2p gives up a connection over which nothing comes any more (measured: 10–14 s). */
const noticedMs = 14_000
/** Virtual time within which any pair must be equal again. */
const equalWithinMs = 600_000

type Way = 'cursor' | 'descent'

/** Goals: meta bytes per difference and round trips, by way and number of differences. */
function goalOf(way: Way, d: number): readonly [bytes: number, roundTrips: number] {
  if (d === 0) return [100, 1]
  if (way === 'cursor') return d === 1 ? [100, 1] : d < 1000 ? [10, 1] : [10, 1.5]
  if (d === 1) return [700, 4]
  return d < 1000 ? [300, 4.5] : d < 10_000 ? [250, 4.5] : [160, 4.5]
}

async function measure(pair: MemoryPair, n: number, d: number, way: Way, twin: Twin): Promise<Cell[]> {
  pair.resetVerification()
  const before = process.cpuUsage()
  const elapsed = d === 0 ? await pair.untilAnswered(equalWithinMs) : await pair.untilEqual(equalWithinMs)
  const { user, system } = process.cpuUsage(before)
  const cpuMs = (user + system) / 1000 - pair.verificationMs()
  if (options.trace === true)
    pair.log
      .map(describe)
      .forEach(frame =>
        console.error(`${frame.as} ${frame.bytes} (${frame.greetingBytes}) ${frame.sections}`),
      )
  const sums = sumFrames(pair.log)
  const meta = sums.bytes - d * payloadBytes
  const each = meta / Math.max(1, d)
  const [bytesGoal, tripsGoal] = goalOf(way, d)
  const met = each <= bytesGoal && sums.roundTrips <= tripsGoal
  return [
    n,
    d,
    way,
    round(each, 4),
    sums.roundTrips,
    `${bytesGoal} / ${tripsGoal}: ${met ? 'met' : 'MISSED'}`,
    meta,
    round((sums.bytes - sums.greetingBytes - d * payloadBytes) / Math.max(1, d), 4),
    sums.greetingBytes,
    sums.beats,
    round(elapsed),
    round(cpuMs),
    round(await twin.applyMs(d)),
  ]
}

async function byCursor(pair: MemoryPair, n: number, d: number, twin: Twin): Promise<Cell[]> {
  await pair.untilEqual(equalWithinMs)
  await pair.pass(30_000)
  pair.cut()
  const [left, right] = pair.runtimes
  for (const [index, put] of randomPuts(d, keyBytes).entries()) {
    const writing = (index % 2 === 0 ? left : right).write([put])
    await writing
  }
  await pair.pass(noticedMs)
  pair.part()
  await pair.pass(partitionMs)
  pair.log.length = 0
  pair.heal()
  return measure(pair, n, d, 'cursor', twin)
}

async function run(
  n: number,
  d: number,
  way: Way,
  base: readonly SignedRow[],
  ids: [Identity, Identity],
  twin: Twin,
): Promise<Cell[]> {
  const kind = options.kind === 'http' ? 'http' : 'p2p'
  if (way === 'cursor') {
    const pair = await startPair(ids, [base, base], kind)
    try {
      return await byCursor(pair, n, d, twin)
    } finally {
      await pair.stop()
    }
  }
  const own = signRows(ids[0], Math.ceil(d / 2))
  const others = signRows(ids[1], Math.floor(d / 2))
  const pair = await startPair(
    ids,
    [
      [...base, ...own],
      [...base, ...others],
    ],
    kind,
  )
  try {
    return await measure(pair, n, d, 'descent', twin)
  } finally {
    await pair.stop()
  }
}

function randomEntries(count: number): KeyValue[] {
  return randomKeys(count, keyBytes).map(key => [key, new Uint8Array(randomBytes(valueBytes))])
}

async function beside(peer: PeerBench, n: number, d: number, common: readonly KeyValue[]): Promise<Cell[]> {
  const [left, right] = [randomEntries(Math.ceil(d / 2)), randomEntries(Math.floor(d / 2))]
  const { bytes, roundTrips, cpuMs } = await peer.reconcile({ common, left, right })
  const meta = bytes - d * (keyBytes + valueBytes)
  return [n, d, peer.name, round(meta / Math.max(1, d), 4), roundTrips, meta, round(cpuMs)]
}

async function measurePeers(): Promise<Table> {
  const opened = await Promise.all([openOkra(), openRiblt(), openYjs()])
  const peers = opened.filter(peer => peer !== undefined)
  const besides: Cell[][] = []
  for (const n of readNumbers(options.n)) {
    const common = randomEntries(n)
    for (const peer of peers)
      for (const d of readNumbers(options.d)) {
        progress(`reconcile: n = ${n}, d = ${d}, ${peer.name}`)
        besides.push(await beside(peer, n, d, common))
      }
  }
  return {
    title: 'Other libraries, same entries, unsigned',
    columns: ['n', 'd', 'library', 'meta B/diff', 'trips', 'meta B in all', 'CPU ms'],
    rows: besides,
    notes: [...peers.map(({ note }) => note), 'Meta: all bytes both ways minus missing keys and values.'],
  }
}

const rows: Cell[][] = []
for (const n of readNumbers(options.n)) {
  const ids = twoIdentities()
  progress(`reconcile: signing ${n} entries`)
  const base = signRows(ids[0], n)
  const twin = await startTwin(ids, base)
  for (const way of options.ways.split(',') as Way[]) {
    for (const d of readNumbers(options.d)) {
      progress(`reconcile: n = ${n}, d = ${d}, by ${way}`)
      rows.push(await run(n, d, way, base, ids, twin))
    }
  }
}
const peerTables = options.peers === true ? [await measurePeers()] : []
progress('')
print(
  {
    bench: 'reconcile',
    tables: [
      {
        title: `Reconciling over ${options.kind} frames (40 B keys, 100 B values)`,
        columns: [
          'n',
          'd',
          'way',
          'meta B/diff',
          'trips',
          'goal B/diff / trips',
          'meta B in all',
          'B/diff w/o greetings',
          'greetings B',
          'beats',
          'virtual ms',
          'CPU ms',
          'of it applying',
        ],
        rows,
        notes: [
          'Meta: all bytes both ways minus payload. Greetings: beat, acks, introduction in every frame.',
          'Beats: exchanges that only greet. CPU: both nodes, without verifying signatures.',
          'Applying: what a bare replica of n entries takes to parse, join, commit and hash as many entries.',
        ],
      },
      ...peerTables,
    ],
  },
  options.json,
)
