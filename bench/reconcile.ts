/**
 * Reconciling after a partition: exact bytes both ways and round trips, by cursor, by Merkle descent, and by
 * snapshot.
 *
 * n equal entries of 40 B key + 100 B value, d different ones spread at random, half missing on each side; by
 * snapshot one side has nothing. Meta is every byte both ways beyond the missing payload (key, value, author,
 * signature), from the moment the two can hear each other until both hold the same root and know it. Frames
 * are real: whole nodes over the in-memory transport. CPU is the least of some rounds after a warm-up.
 *
 *   npm run bench:reconcile -- [--n 10k,100k] [--d 0,1,100,1000] [--ways cursor,descent,snapshot]
 *   [--kind p2p|http] [--rounds 3] [--peers] [--only okra,yjs] [--trace] [--json]
 *
 * `npm run bench:peers` installs other libraries into bench/peers and puts them beside. A million entries
 * need `NODE_OPTIONS=--max-old-space-size=12000`.
 */
import type { Identity } from '@lattice/daemon'
import { describe, sumFrames, type FrameSums } from './frame-counter.ts'
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
import { emptyNursery } from './nursery.ts'
import { measurePeers } from './reconcile-beside.ts'
import { print, progress, readNumbers, readOptions, round, type Cell } from './report.ts'
import { randomPuts } from './workload.ts'

const options = readOptions({
  n: { type: 'string', default: '10k,100k' },
  d: { type: 'string', default: '0,1,100,1000' },
  ways: { type: 'string', default: 'cursor,descent' },
  kind: { type: 'string', default: 'p2p' },
  rounds: { type: 'string', default: '3' },
  peers: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  trace: { type: 'boolean', default: false },
})

/** Silence of a partition in virtual time: long enough for every time-out of the engine. */
const partitionMs = 90_000
/** When libp2p gives up a connection over which nothing comes any more (measured: 10–14 s). */
const noticedMs = 14_000
/** Virtual time within which any pair must be equal again. */
const equalWithinMs = 600_000
/** Bytes of a frame: what goes beyond takes further trips. */
const frameBytesMax = 256 * 1024
/** Enough for the compiler to have seen every path: entries, differences, and rounds of each way. */
const warmUp = { n: 2_000, d: 1_000, rounds: 4 }

type Way = 'cursor' | 'descent' | 'snapshot'

/** What one size is measured with. */
interface Bench {
  readonly n: number
  readonly ids: [Identity, Identity]
  readonly base: readonly SignedRow[]
  readonly twin: Twin
}

interface Sample {
  /** Both ways, without the missing payload. */
  readonly meta: number
  readonly sums: FrameSums
  readonly virtualMs: number
  readonly cpuMs: number
  readonly applyMs: number
}

/** Goals: meta bytes per difference and round trips, by way and number of differences. */
function goalOf(way: Way, d: number): readonly [bytes: number, roundTrips: number] | undefined {
  if (way === 'snapshot') return undefined
  if (d === 0) return [100, 1]
  const frames = Math.ceil(((d / 2) * payloadBytes) / frameBytesMax)
  if (way === 'cursor') return d === 1 ? [100, 1] : [10, d < 1000 ? 1 : Math.max(1.5, frames)]
  if (d === 1) return [700, 4]
  // As by cursor: what does not fit one frame takes further trips (docs/decisions/0014).
  return [d < 1000 ? 300 : d < 10_000 ? 250 : 160, 4.5 + Math.max(0, frames - 1)]
}

async function measure(pair: MemoryPair, d: number, twin: Twin): Promise<Sample> {
  pair.resetVerification()
  emptyNursery()
  const before = process.cpuUsage()
  const virtualMs = d === 0 ? await pair.untilAnswered(equalWithinMs) : await pair.untilEqual(equalWithinMs)
  const { user, system } = process.cpuUsage(before)
  const cpuMs = (user + system) / 1000 - pair.verificationMs()
  if (options.trace === true)
    for (const { as, bytes, greetingBytes, sections } of pair.log.map(describe))
      console.error(`${as} ${bytes} (${greetingBytes}) ${sections}`)
  const sums = sumFrames(pair.log)
  return { meta: sums.bytes - d * payloadBytes, sums, virtualMs, cpuMs, applyMs: await twin.applyMs(d) }
}

/** Two that hold the same and know each other, cut until d writes and every time-out have passed. */
async function byCursor({ ids, base, twin }: Bench, d: number): Promise<Sample> {
  await using pair = await startPair(ids, [base, base], kind)
  await pair.untilEqual(equalWithinMs)
  await pair.pass(30_000)
  pair.cut()
  const [left, right] = pair.runtimes
  for (const [index, put] of randomPuts(d, keyBytes).entries())
    await (index % 2 === 0 ? left : right).write([put])
  await pair.pass(noticedMs)
  pair.part()
  await pair.pass(partitionMs)
  pair.log.length = 0
  pair.heal()
  return await measure(pair, d, twin)
}

/** Two that have never met. */
async function byDescent({ ids, base, twin }: Bench, d: number): Promise<Sample> {
  const [own, others] = [signRows(ids[0], Math.ceil(d / 2)), signRows(ids[1], Math.floor(d / 2))]
  const rows = [
    [...base, ...own],
    [...base, ...others],
  ] as const
  await using pair = await startPair(ids, rows, kind)
  return await measure(pair, d, twin)
}

/** One that holds everything, and one that holds nothing. */
async function bySnapshot({ n, ids, base, twin }: Bench): Promise<Sample> {
  await using pair = await startPair(ids, [base, []], kind)
  return await measure(pair, n, twin)
}

function run(bench: Bench, way: Way, d: number): Promise<Sample> {
  if (way === 'snapshot') return bySnapshot(bench)
  return way === 'cursor' ? byCursor(bench, d) : byDescent(bench, d)
}

async function prepare(n: number): Promise<Bench> {
  const ids = twoIdentities()
  const base = signRows(ids[0], n)
  return { n, ids, base, twin: await startTwin(ids, base) }
}

function rowOfTable(n: number, d: number, way: Way, samples: readonly Sample[]): Cell[] {
  const [{ meta, sums, virtualMs }] = samples as [Sample]
  const least = (of: (sample: Sample) => number): number => round(Math.min(...samples.map(of)))
  const each = meta / Math.max(1, d)
  const goal = goalOf(way, d)
  const met = goal && (each <= goal[0] && sums.roundTrips <= goal[1] ? 'met' : 'MISSED')
  return [
    n,
    d,
    way,
    round(each, 4),
    sums.roundTrips,
    goal && `${goal.join(' / ')}: ${met}`,
    meta,
    round((meta - sums.greetingBytes) / Math.max(1, d), 4),
    sums.greetingBytes,
    sums.beats,
    round(virtualMs),
    least(sample => sample.cpuMs),
    least(sample => sample.applyMs),
  ]
}

const kind = options.kind === 'http' ? 'http' : 'p2p'
const ways = options.ways.split(',').filter(way => way !== '') as Way[]
const rounds = readNumbers(options.rounds)[0] ?? 1

const rows: Cell[][] = []
for (const { n, differences, times, isShown } of [
  { n: warmUp.n, differences: [warmUp.d], times: warmUp.rounds, isShown: false },
  ...readNumbers(options.n).map(n => ({
    n,
    differences: readNumbers(options.d),
    times: rounds,
    isShown: true,
  })),
]) {
  if (ways.length === 0) break
  progress(`reconcile: signing ${n} entries`)
  const bench = await prepare(n)
  for (const way of ways)
    for (const d of way === 'snapshot' ? [n] : differences) {
      progress(`reconcile: n = ${n}, d = ${d}, by ${way}`)
      const samples: Sample[] = []
      for (let time = 0; time < times; time++) samples.push(await run(bench, way, d))
      if (isShown) rows.push(rowOfTable(n, d, way, samples))
    }
}
const peerTables =
  options.peers === true
    ? [
        await measurePeers({
          entries: readNumbers(options.n),
          differences: readNumbers(options.d),
          names: options.only.split(',').filter(name => name !== ''),
        }),
      ]
    : []
progress('')
print(
  {
    bench: 'reconcile',
    tables: [
      {
        title: `Reconciling over ${kind} frames (40 B keys, 100 B values)`,
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
          `CPU and applying: the least of ${rounds} rounds each, warmed up.`,
        ],
      },
      ...peerTables,
    ],
  },
  options.json,
)
