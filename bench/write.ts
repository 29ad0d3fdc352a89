/**
 * Durable writes per second beside bare SQLite: one at a time, in batches of 1,000, 64 at once; and over
 * REST.
 *
 * Both sides take turns within each round and write the same random 100 B keys and 100 B values to the same
 * disk; the ratio of a round is one sample, the median of all rounds the result.
 *
 *   npm run bench:write -- [--rounds 9] [--fill 20k] [--rest-ms 6000] [--skip-rest] [--json]
 */
import { join } from 'node:path'
import type { Runtime } from '@lattice/daemon'
import { BareSqlite, type Pair } from './bare-sqlite.ts'
import { createDirectory, openAlone } from './bench-node.ts'
import { freePorts, startDaemon } from './daemon-process.ts'
import {
  print,
  progress,
  readNumbers,
  readOptions,
  round,
  verdict,
  type Cell,
  type Report,
} from './report.ts'
import { runWriters } from './rest-writers.ts'
import { cpuTimed, median, percentile, timed } from './statistics.ts'
import { randomPuts } from './workload.ts'

const options = readOptions({
  rounds: { type: 'string', default: '9' },
  fill: { type: 'string', default: '20k' },
  'rest-ms': { type: 'string', default: '6000' },
  'skip-rest': { type: 'boolean', default: false },
})

/** Bytes of a key: the worst case for an index that is not in insertion order. */
const keyLength = 100
/** Writes per round, by shape: long enough for a dozen flushes of a slow disk. */
const perRound = { single: 200, batch: 4_000, concurrent: 1_280 } as const
const batchSize = 1_000
const writers = 64

interface Sample {
  readonly ours: number
  readonly bare: number
  /** CPU ms of our side for each write, all threads. */
  readonly cpu: number
}

type Shape = keyof typeof perRound

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

function writeBare(bare: BareSqlite, shape: Shape, pairs: readonly Pair[]): void {
  const size = { single: 1, batch: batchSize, concurrent: writers }[shape]
  for (let at = 0; at < pairs.length; at += size) bare.write(pairs.slice(at, at + size))
}

async function measureRound(runtime: Runtime, bare: BareSqlite, shape: Shape): Promise<Sample> {
  const puts = randomPuts(perRound[shape], keyLength)
  const pairs = puts.map(({ key, value }) => ({ key, value: value as string }))
  const bareMs = await timed(() => writeBare(bare, shape, pairs))
  let oursMs = 0
  const cpuMs = await cpuTimed(async () => {
    oursMs = await timed(() => writeOurs(runtime, shape, puts))
  })
  const rate = (ms: number): number => (1000 * puts.length) / ms
  return { ours: rate(oursMs), bare: rate(bareMs), cpu: cpuMs / puts.length }
}

async function measureInProcess(rounds: number, fill: number): Promise<Cell[][]> {
  using directory = createDirectory()
  const { runtime, close } = await openAlone(directory.path)
  const bare = new BareSqlite(join(directory.path, 'bare.db'))
  const samples = { single: [] as Sample[], batch: [] as Sample[], concurrent: [] as Sample[] }
  try {
    for (let done = 0; done < fill; done += batchSize) {
      const puts = randomPuts(batchSize, keyLength)
      await runtime.write(puts)
      bare.write(puts.map(({ key, value }) => ({ key, value: value as string })))
    }
    for (let at = 0; at < rounds; at++) {
      for (const shape of ['single', 'batch', 'concurrent'] as const) {
        progress(`write: round ${at + 1} of ${rounds}, ${shape}`)
        samples[shape].push(await measureRound(runtime, bare, shape))
      }
    }
  } finally {
    await close()
    bare.close()
    progress('')
  }
  const names = { single: 'one at a time', batch: 'batches of 1,000', concurrent: '64 at once' }
  return (['single', 'batch', 'concurrent'] as const).map(shape => {
    const own = samples[shape]
    const ratio = median(own.map(({ ours, bare: other }) => ours / other))
    return [
      names[shape],
      round(median(own.map(({ ours }) => ours))),
      round(median(own.map(({ bare: other }) => other))),
      round(ratio),
      shape === 'concurrent' ? 'shares commits' : verdict(ratio, { atLeast: 0.6 }),
      round(1000 * median(own.map(({ cpu }) => cpu))),
    ]
  })
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

const inProcess = await measureInProcess(Number(options.rounds), readNumbers(options.fill)[0] ?? 0)
const tables = [
  {
    title: `Durable writes per second, in process (100 B keys, 100 B values, ${options.fill} entries before)`,
    columns: ['', 'ours/s', 'bare SQLite/s', 'ratio', 'goal', 'CPU µs each'],
    rows: inProcess,
    notes: [
      'Ratio: median over rounds of ours ÷ bare within the round. "64 at once": bare commits 64 at a time.',
    ],
  },
  ...(options['skip-rest']
    ? []
    : [
        {
          title: 'Durable writes per second over REST',
          columns: ['', 'writes/s', 'goal', 'p50 ms', 'p99 ms', 'daemon CPU µs each', 'client CPU µs each'],
          rows: await measureRest(Number(options['rest-ms'])),
        },
      ]),
]
print({ bench: 'write', tables } satisfies Report, options.json)
