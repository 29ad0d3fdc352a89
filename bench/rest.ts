/**
 * What callers of REST wait for: reads of single keys at a fixed rate from a daemon that holds n entries, and
 * `/health` of two daemons while the empty one of them is filled from the other over HTTP.
 *
 * Real daemons with entries truly signed. Times run from the moment a request was due, to the millisecond of
 * the client's own timer, which shares two cores with the daemons.
 *
 *   npm run bench:rest -- [--n 100k] [--rate 1000] [--for-s 10] [--json]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createDirectory, createIdentity } from './bench-node.ts'
import { freePorts, startDaemon } from './daemon-process.ts'
import { print, progress, readNumbers, readOptions, round, verdict, type Cell } from './report.ts'
import { RestConnection } from './rest-connection.ts'
import { askAtRate } from './rest-rate.ts'
import { fillSigned } from './signed-store.ts'
import { percentile } from './statistics.ts'

const options = readOptions({
  n: { type: 'string', default: '100k' },
  rate: { type: 'string', default: '1000' },
  'for-s': { type: 'string', default: '10' },
})

/** As many as a busy page and its scripts hold open, far fewer than would hide a queue. */
const connections = 32
/** A dozen supervisors that ask twice a second. */
const healthPerSecond = 25
/** Before the figures count: the daemon has just started. */
const warmUpMs = 2000
/** How often it is asked whether all has arrived. */
const lookEveryMs = 250
/** Longest wait for one transfer. */
const patienceMs = 600_000

function rowOf(what: string, latencies: readonly number[], p99Max: number): Cell[] {
  const p99 = percentile(latencies, 0.99)
  return [
    what,
    latencies.length,
    round(percentile(latencies, 0.5)),
    round(p99),
    round(percentile(latencies, 1)),
    `p99 ${verdict(p99, { atMost: p99Max })}`,
  ]
}

async function measureReads(port: number, keys: readonly string[]): Promise<Cell[]> {
  const path = (): string =>
    `/api/lattice/state/${encodeURIComponent(keys[Math.floor(Math.random() * keys.length)] as string)}`
  const [perSecond = 0] = readNumbers(options.rate)
  const during = async (forMs: number): Promise<number[]> => {
    const end = performance.now() + forMs
    return askAtRate(port, { perSecond, connections, path }, () => performance.now() < end)
  }
  await during(warmUpMs)
  return rowOf(`reads of a key, ${perSecond}/s`, await during(1000 * Number(options['for-s'])), 10)
}

async function untilFilled(port: number, count: number): Promise<void> {
  const connection = await RestConnection.open(port)
  const end = performance.now() + patienceMs
  for (;;) {
    const summary = await connection.ask('GET', '/api/lattice/state?summary=true')
    const { entry_count: held } = JSON.parse(summary) as { entry_count: number }
    progress(`rest: filling, ${held} of ${count}`)
    if (held >= count) break
    if (performance.now() > end) throw new Error(`not filled within ${patienceMs / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, lookEveryMs))
  }
  connection.close()
}

async function measure(n: number): Promise<Cell[][]> {
  using directory = createDirectory()
  const [source, taker] = [createIdentity(), createIdentity()]
  const state = join(directory.path, 'source', 'state')
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const { keys } = await fillSigned(state, source, n)
  const [port = 0, takerPort = 0] = await freePorts(2)
  const TRUSTED_KEYS = [source, taker].map(({ peerId }) => peerId).join(',')
  const seedOf = (seed: Uint8Array): string => Buffer.from(seed).toString('hex')
  const first = await startDaemon(join(directory.path, 'source'), port, {
    NODE_PRIVKEY_HEX: seedOf(source.seed),
    TRUSTED_KEYS,
  })
  try {
    progress(`rest: reading from ${n}`)
    const reads = await measureReads(port, keys)
    const second = await startDaemon(join(directory.path, 'taker'), takerPort, {
      NODE_PRIVKEY_HEX: seedOf(taker.seed),
      TRUSTED_KEYS,
      NODES: first.url,
    })
    try {
      let isFilling = true
      const asked = [takerPort, port].map(each =>
        askAtRate(
          each,
          { perSecond: healthPerSecond, connections: 4, path: () => '/health' },
          () => isFilling,
        ),
      )
      await untilFilled(takerPort, n).finally(() => (isFilling = false))
      const [taken = [], given = []] = await Promise.all(asked)
      return [
        [n, ...reads],
        [n, ...rowOf('/health of the node being filled', taken, 5)],
        [n, ...rowOf('/health of the node it is filled from', given, 5)],
      ]
    } finally {
      await second.stop()
    }
  } finally {
    await first.stop()
    progress('')
  }
}

const rows: Cell[][] = []
for (const n of readNumbers(options.n)) rows.push(...(await measure(n)))
print(
  {
    bench: 'rest',
    tables: [
      {
        title: 'What callers of REST wait for',
        columns: ['n', '', 'requests', 'p50 ms', 'p99 ms', 'max ms', 'goal'],
        rows,
        notes: ['From when a request was due; the clock of the clients ticks by the millisecond.'],
      },
    ],
  },
  options.json,
)
