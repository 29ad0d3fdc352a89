/**
 * An empty node is filled from one that holds n entries: how fast beside the bare rate of verification in the
 * same run, how many bytes beside the raw entries, and how long the event loop of the taker was held up.
 *
 * Both nodes are durable and on real sockets, the source in a process of its own; every byte passes a proxy.
 * The clock runs from the start of the taker until both roots are equal and known to be.
 *
 *   npm run bench:bootstrap -- [--n 100k] [--kinds p2p,http] [--json]
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { NodeId } from '@lattice/core'
import type { Identity } from '@lattice/daemon'
import { createDirectory, createIdentity } from './bench-node.ts'
import type { SourceWord } from './bootstrap-source.ts'
import { freePorts } from './daemon-process.ts'
import { keyBytes } from './memory-pair.ts'
import { print, progress, readNumbers, readOptions, round, verdict, type Cell } from './report.ts'
import { fillSigned } from './signed-store.ts'
import { multiaddrOf, startSocketNode, type SocketNode } from './socket-node.ts'
import { bareVerifyRate } from './verify-rate.ts'
import { valueBytes } from './workload.ts'

const options = readOptions({
  n: { type: 'string', default: '100k' },
  kinds: { type: 'string', default: 'p2p,http' },
})

/** What a missing entry cannot do without, counted as the goal counts: key, value and signature. */
const payloadBytes = keyBytes + valueBytes + 64
/** Longest wait for one transfer. */
const patienceMs = 600_000
/** How often the roots are looked at. */
const lookEveryMs = 20

async function word(source: ChildProcess): Promise<SourceWord> {
  const [told] = (await once(source, 'message')) as [SourceWord]
  return told
}

async function startTaker(
  kind: string,
  port: number,
  directory: string,
  [taker, source]: readonly [Identity, Identity],
): Promise<SocketNode> {
  const [httpPort = 0] = await freePorts(1)
  return startSocketNode({
    identity: taker,
    trusted: new Set<NodeId>([taker.nodeId, source.nodeId]),
    directory,
    httpPort,
    ...(kind === 'p2p'
      ? { p2pBootstrap: [multiaddrOf(source, port)] }
      : { urls: [`http://127.0.0.1:${port}`] }),
  })
}

async function untilEqual({ runtime }: SocketNode, count: number, kind: string): Promise<void> {
  const end = performance.now() + patienceMs
  for (;;) {
    const { root, entryCount, peers } = runtime.status()
    progress(`bootstrap: ${kind}, ${entryCount} of ${count}`)
    if (entryCount === count && peers[0]?.root === root) return
    if (performance.now() > end) throw new Error(`not filled within ${patienceMs / 1000} s`)
    await delay(lookEveryMs)
  }
}

async function measure(
  kind: string,
  n: number,
  source: { path: string; identity: Identity; bytes: number },
  bareRate: number,
): Promise<Cell[]> {
  using directory = createDirectory()
  const taker = createIdentity()
  const script = fileURLToPath(new URL('./bootstrap-source.ts', import.meta.url))
  const seed = Buffer.from(source.identity.seed).toString('hex')
  const child = fork(script, [source.path, seed, taker.nodeId, kind])
  try {
    const { port = 0 } = await word(child)
    const lag = monitorEventLoopDelay({ resolution: 1 })
    lag.enable()
    const started = performance.now()
    const cpu = process.cpuUsage()
    const node = await startTaker(kind, port, directory.path, [taker, source.identity])
    await untilEqual(node, n, kind)
    const seconds = (performance.now() - started) / 1000
    lag.disable()
    const { user, system } = process.cpuUsage(cpu)
    child.send('bytes')
    const { bytes = 0 } = await word(child)
    await node.stop()
    const [rate, p99] = [n / seconds, lag.percentile(99) / 1e6]
    return [
      n,
      kind,
      round(rate),
      round(rate / bareRate),
      round(bytes / n),
      round(bytes / source.bytes),
      round(bytes / (n * payloadBytes)),
      round(lag.percentile(50) / 1e6),
      round(p99),
      round(lag.max / 1e6),
      round((user + system) / n),
      [
        `rate ${verdict(rate / bareRate, { atLeast: 0.4 })}`,
        `bytes ${verdict(bytes / (n * payloadBytes), { atMost: 1.15 })}`,
        `lag ${verdict(p99, { atMost: 50 })}`,
      ].join('; '),
    ]
  } finally {
    if (child.connected) child.disconnect()
    await once(child, 'exit')
  }
}

const rows: Cell[][] = []
let bareRate = 0
for (const n of readNumbers(options.n)) {
  using directory = createDirectory()
  const identity = createIdentity()
  const { bytes } = await fillSigned(directory.path, identity, n)
  bareRate = await bareVerifyRate(Math.round(bytes / n) - 64)
  for (const kind of options.kinds.split(','))
    rows.push(await measure(kind, n, { path: directory.path, identity, bytes }, bareRate))
}
progress('')
print(
  {
    bench: 'bootstrap',
    tables: [
      {
        title: 'An empty node is filled (40 B keys, 100 B values)',
        columns: [
          'n',
          'path',
          'entries/s',
          '× bare',
          'B/entry',
          '× entries',
          '× payload',
          'lag p50 ms',
          'p99',
          'max',
          'CPU µs/entry',
          'goals',
        ],
        rows,
        notes: [
          `Bare: ${round(bareRate)} signatures/s verified by all cores with nothing else to do.`,
          'Bytes: all TCP payload both ways, set-up included. Payload: key, value and signature.',
          'Lag: of the event loop of the taker. CPU: of the taker, all threads.',
        ],
      },
    ],
  },
  options.json,
)
