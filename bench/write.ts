/**
 * Durable writes per second beside a raw log, which is the limit of the disk, bare SQLite, the same in a
 * thread, the same signed and hashed there, and okra-lmdb: one at a time, in batches of 1,000, 64 at once;
 * and over REST.
 *
 * All sides take turns within each round and write the same random 100 B keys and 100 B values to the same
 * disk; the ratio of a round is one sample, the median of all rounds the result.
 *
 *   npm run bench:write -- [--rounds 9] [--fill 20k,200k] [--rest-ms 6000] [--skip-rest] [--json]
 */
import { join } from 'node:path'
import type { Runtime } from '@lattice/daemon'
import { BareSqlite } from './bare-sqlite.ts'
import { createDirectory, openAlone } from './bench-node.ts'
import { freePorts, startDaemon } from './daemon-process.ts'
import { openOkraLmdb, type DurableTree } from './peers/okra-lmdb.ts'
import { RawLog } from './raw-log.ts'
import {
  print,
  progress,
  readNumbers,
  readOptions,
  round,
  verdict,
  type Cell,
  type Report,
  type Table,
} from './report.ts'
import { runWriters } from './rest-writers.ts'
import { SignedSqlite } from './signed-sqlite.ts'
import { cpuTimed, median, percentile, timed } from './statistics.ts'
import { ThreadedSqlite } from './threaded-sqlite.ts'
import { randomPuts } from './workload.ts'

const options = readOptions({
  rounds: { type: 'string', default: '9' },
  fill: { type: 'string', default: '20k,200k' },
  'rest-ms': { type: 'string', default: '6000' },
  'skip-rest': { type: 'boolean', default: false },
})

/** Bytes of a key: the worst case for an index that is not in insertion order. */
const keyLength = 100
/** Writes per round, by shape: long enough for dozens of flushes of a slow disk. */
const perRound = { single: 500, batch: 4_000, concurrent: 3_840 } as const
/** The same for okra, which is that much slower. */
const okraPerRound = { single: 30, batch: 1_000, concurrent: 128 } as const
const batchSize = 1_000
const writers = 64

interface Sample {
  readonly ours: number
  readonly log: number
  readonly bare: number
  readonly tuned: number
  readonly threaded: number
  readonly signed: number
  readonly okra: number
  /** CPU ms of our side for each write, all threads. */
  readonly cpu: number
}

/** What we are compared with, on the same disk. */
interface Yardsticks {
  readonly log: RawLog
  readonly bare: BareSqlite
  readonly tuned: BareSqlite
  readonly threaded: ThreadedSqlite
  readonly signed: SignedSqlite
  readonly okra: DurableTree | undefined
}

type Shape = keyof typeof perRound

const shapes = ['single', 'batch', 'concurrent'] as const

async function writeOurs(runtime: Runtime, shape: Shape, puts: ReturnType<typeof randomPuts>): Promise<void> {
  switch (shape) {
    case 'single':
      for (const put of puts) await runtime.write([put])
      return
    case 'batch':
      for (let at = 0; at < puts.length; at += batchSize) await runtime.write(puts.slice(at, at + batchSize))
      return
    case 'concurrent': {
      const queue = puts.values()
      const writer = async (): Promise<void> => {
        for (const put of queue) await runtime.write([put])
      }
      await Promise.all(Array.from({ length: writers }, writer))
      return
    }
  }
}

/** `write` for each transaction of this shape. */
async function inTransactions<T>(
  shape: Shape,
  items: readonly T[],
  write: (part: readonly T[]) => Promise<void> | void,
): Promise<void> {
  const size = { single: 1, batch: batchSize, concurrent: writers }[shape]
  for (let at = 0; at < items.length; at += size) await write(items.slice(at, at + size))
}

async function measureRound(runtime: Runtime, yardsticks: Yardsticks, shape: Shape): Promise<Sample> {
  const puts = randomPuts(perRound[shape], keyLength)
  const pairs = puts.map(({ key, value }) => ({ key, value: value as string }))
  const { log, bare, tuned, threaded, signed, okra } = yardsticks
  const rate = (ms: number, count = puts.length): number => (1000 * count) / ms
  const logMs = await timed(() => inTransactions(shape, pairs, part => log.write(part)))
  const bareMs = await timed(() => inTransactions(shape, pairs, part => bare.write(part)))
  const tunedMs = await timed(() => inTransactions(shape, pairs, part => tuned.write(part)))
  const threadedMs = await timed(() => inTransactions(shape, pairs, part => threaded.write(part)))
  const signedMs = await timed(() => inTransactions(shape, pairs, part => signed.write(part)))
  const few = pairs.slice(0, okraPerRound[shape]).map(({ key, value }) => [key, Buffer.from(value)] as const)
  const okraMs = await timed(() => okra && inTransactions(shape, few, part => okra.write(part)))
  let oursMs = 0
  const cpuMs = await cpuTimed(async () => {
    oursMs = await timed(() => writeOurs(runtime, shape, puts))
  })
  return {
    ours: rate(oursMs),
    log: rate(logMs),
    bare: rate(bareMs),
    tuned: rate(tunedMs),
    threaded: rate(threadedMs),
    signed: rate(signedMs),
    okra: okra === undefined ? Number.NaN : rate(okraMs, few.length),
    cpu: cpuMs / puts.length,
  }
}

async function fillAll(
  runtime: Runtime,
  { bare, tuned, threaded, signed }: Yardsticks,
  fill: number,
): Promise<void> {
  for (let done = 0; done < fill; done += batchSize) {
    if (done % 20_000 === 0) progress(`write: ${done} of ${fill} entries before`)
    const puts = randomPuts(batchSize, keyLength)
    await runtime.write(puts)
    const pairs = puts.map(({ key, value }) => ({ key, value: value as string }))
    for (const each of [bare, tuned, threaded, signed]) await each.write(pairs)
  }
}

async function measureInProcess(rounds: number, fill: number): Promise<Cell[][]> {
  using directory = createDirectory()
  const { runtime, close } = await openAlone(directory.path)
  const log = new RawLog(join(directory.path, 'raw.log'))
  const bare = new BareSqlite(join(directory.path, 'bare.db'), 'as it comes')
  const tuned = new BareSqlite(join(directory.path, 'tuned.db'), 'tuned')
  const threaded = new ThreadedSqlite(join(directory.path, 'threaded.db'))
  const signed = new SignedSqlite(join(directory.path, 'signed.db'))
  const okra = await openOkraLmdb(join(directory.path, 'okra'))
  const yardsticks = { log, bare, tuned, threaded, signed, okra }
  const samples = { single: [] as Sample[], batch: [] as Sample[], concurrent: [] as Sample[] }
  try {
    await fillAll(runtime, yardsticks, fill)
    // The first round is for the compiler.
    for (let at = 0; at <= rounds; at++) {
      for (const shape of shapes) {
        progress(`write: ${fill} before, round ${at} of ${rounds}, ${shape}`)
        const sample = await measureRound(runtime, yardsticks, shape)
        if (at > 0) samples[shape].push(sample)
      }
    }
  } finally {
    await close()
    await okra?.close()
    await threaded.close()
    await signed.close()
    log.close()
    bare.close()
    tuned.close()
    progress('')
  }
  return shapes.map(shape => rowOf(shape, samples[shape]))
}

function rowOf(shape: Shape, samples: readonly Sample[]): Cell[] {
  const middle = (figure: (sample: Sample) => number): number => median(samples.map(figure))
  const ratio = middle(({ ours, bare }) => ours / bare)
  const toOkra = middle(({ ours, okra }) => ours / okra)
  const toLeast = middle(({ ours, signed }) => ours / signed)
  const isAsked = shape !== 'concurrent'
  return [
    { single: 'one at a time', batch: 'batches of 1,000', concurrent: '64 at once' }[shape],
    round(middle(({ ours }) => ours)),
    round(middle(({ log }) => log)),
    round(middle(({ bare }) => bare)),
    round(ratio),
    isAsked ? verdict(ratio, { atLeast: 0.6 }) : '–',
    round(middle(({ tuned }) => tuned)),
    round(middle(({ ours, tuned }) => ours / tuned)),
    round(middle(({ threaded }) => threaded)),
    round(middle(({ ours, threaded }) => ours / threaded)),
    round(middle(({ signed }) => signed)),
    round(toLeast),
    ...(Number.isNaN(toOkra)
      ? ['–', '–', '–']
      : [
          round(middle(({ okra }) => okra)),
          round(toOkra),
          shape === 'batch' ? verdict(toOkra, { atLeast: 10 }) : '–',
        ]),
    round(1000 * middle(({ cpu }) => cpu)),
  ]
}

async function measureRest(forMs: number): Promise<Cell[][]> {
  using directory = createDirectory()
  const [port = 0] = await freePorts(1)
  const daemon = await startDaemon(directory.path, port)
  try {
    await runWriters(port, writers, forMs / 4)
    const [cpuBefore, own] = [daemon.cpuMs(), process.cpuUsage()]
    const { writes, elapsedMs, latenciesMs } = await runWriters(port, writers, forMs)
    const { user, system } = process.cpuUsage(own)
    const rate = (1000 * writes) / elapsedMs
    return [
      [
        '64 REST writers, real daemon',
        round(rate),
        verdict(rate, { atLeast: 5_000 }),
        round(percentile(latenciesMs, 0.5)),
        round(percentile(latenciesMs, 0.99)),
        round((1000 * (daemon.cpuMs() - cpuBefore)) / writes),
        round((user + system) / writes),
      ],
    ]
  } finally {
    await daemon.stop()
  }
}

const tables: Table[] = []
for (const fill of readNumbers(options.fill)) {
  tables.push({
    title: `Durable writes per second, in process (100 B keys, 100 B values, ${fill} entries before)`,
    columns: [
      ...['', 'ours/s', 'raw log/s', 'SQLite/s', 'ratio', 'goal', 'tuned/s', 'ratio'],
      ...['in a thread/s', 'ratio', 'signed in a thread/s', 'ratio'],
      ...['okra-lmdb/s', 'ratio', 'goal', 'CPU µs each'],
    ],
    rows: await measureInProcess(Number(options.rounds), fill),
    notes: [
      'Ratio: median over rounds of ours ÷ theirs within the round. Raw log: text and fdatasync, the limit of this',
      'disk. SQLite: WAL, synchronous=FULL, as it comes; tuned: with the cache and checkpoint settings of our store;',
      'in a thread: as it comes, but awaited, so that a slow flush stops nothing else; signed: that with a signature',
      'and nine hashes for each pair, the least that a lone write of ours can take (docs/decisions/0014). "64 at',
      'once": they commit 64 at a time.',
      'okra-lmdb (npm run bench:peers installs it) is unsigned and starts empty, which favours it.',
    ],
  })
}
if (!options['skip-rest'])
  tables.push({
    title: 'Durable writes per second over REST',
    columns: ['', 'writes/s', 'goal', 'p50 ms', 'p99 ms', 'daemon CPU µs each', 'client CPU µs each'],
    rows: await measureRest(Number(options['rest-ms'])),
  })
print({ bench: 'write', tables } satisfies Report, options.json)
