/**
 * How fast a write on one node is applied on the other, over libp2p and over HTTP, beside a bare gossipsub
 * message over the same libp2p configuration in the same run; and what two nodes in sync say to each other
 * when nothing happens.
 *
 * All pairs live in this process, on real sockets on loopback, and take turns in blocks; a ratio is taken
 * within a round of blocks, the median of the rounds is the result. Idle bytes are counted on TCP proxies
 * meanwhile, on pairs of their own.
 *
 *   npm run bench:propagation -- [--rounds 6] [--writes 40] [--idle-s 60] [--json]
 */
import type { Inbox, NodeId } from '@lattice/core'
import type { Identity } from '@lattice/daemon'
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createDirectory, createIdentity } from './bench-node.ts'
import { freePorts } from './daemon-process.ts'
import { print, progress, readOptions, round, verdict, type Cell } from './report.ts'
import { createP2p, multiaddrOf, startSocketNode, type SocketNode } from './socket-node.ts'
import { median, percentile } from './statistics.ts'
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { randomPuts } from './workload.ts'

const options = readOptions({
  rounds: { type: 'string', default: '6' },
  writes: { type: 'string', default: '40' },
  'idle-s': { type: 'string', default: '60' },
})

/** Bytes of a bare message: what an announce of one entry takes. */
const messageBytes = 350
/** Longest wait for anything here. */
const patienceMs = 60_000
/** Two nodes that have just met still talk; idle begins after that. */
const quietMs = 8_000

type Measure = () => Promise<number>

interface Pair {
  readonly nodes: readonly [SocketNode, SocketNode]
  stop(): Promise<void>
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not happen within ${patienceMs / 1000} s`)
    await delay(20)
  }
}

interface PairOptions {
  readonly kind: 'p2p' | 'http'
  readonly durable: boolean
  /** Told of every proxy where all traffic is to be counted. */
  readonly proxies?: (http: readonly TcpProxy[], p2p: TcpProxy) => void
}

async function startPair({ kind, durable, proxies }: PairOptions): Promise<Pair> {
  const identities: [Identity, Identity] = [createIdentity(), createIdentity()]
  const trusted = new Set(identities.map(({ nodeId }) => nodeId))
  const [httpA = 0, httpB = 0, p2pA = 0, p2pB = 0] = await freePorts(4)
  const opened = await Promise.all([httpA, httpB, p2pB].map(port => openTcpProxy(() => port)))
  const [proxyA, proxyB, proxyP2p] = opened as [TcpProxy, TcpProxy, TcpProxy]
  proxies?.([proxyA, proxyB], proxyP2p)
  const counted = proxies !== undefined
  const seen = (direct: number, proxy: TcpProxy): number => (counted ? proxy.port : direct)
  const directories = [createDirectory(), createDirectory()] as const
  const common = (index: 0 | 1) => ({
    identity: identities[index],
    trusted,
    ...(durable ? { directory: directories[index].path } : {}),
  })
  const lungs = (bootstrap: readonly string[], port: number, announce?: number) =>
    kind === 'http'
      ? {}
      : {
          p2pPort: port,
          p2pBootstrap: bootstrap,
          ...(announce === undefined ? {} : { p2pAnnounce: [`/ip4/127.0.0.1/tcp/${announce}`] }),
        }
  const portB = seen(p2pB, proxyP2p)
  const nodes = await Promise.all([
    startSocketNode({
      ...common(0),
      httpPort: httpA,
      urls: [`http://127.0.0.1:${seen(httpB, proxyB)}`],
      ...lungs([multiaddrOf(identities[1], portB)], p2pA),
    }),
    startSocketNode({
      ...common(1),
      httpPort: httpB,
      urls: [`http://127.0.0.1:${seen(httpA, proxyA)}`],
      ...lungs([], p2pB, portB),
    }),
  ])
  const wanted = kind === 'p2p' ? 'P2P' : 'HTTP'
  await until(() => nodes.every(({ runtime }) => runtime.status().syncMode === wanted), `mode ${wanted}`)
  return {
    nodes,
    stop: async () => {
      await Promise.all(nodes.map(node => node.stop()))
      await Promise.all(opened.map(proxy => proxy.close()))
      for (const directory of directories) directory[Symbol.dispose]()
    },
  }
}

/** One write on the first node: milliseconds until the second tells its listeners. */
function writeAcross({ nodes: [from, to] }: Pair): Measure {
  return async () => {
    const [put] = randomPuts(1, 40) as [ReturnType<typeof randomPuts>[number]]
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = setTimeout(() => reject(new Error(`${put.key} did not arrive`)), patienceMs)
    const unsubscribe = to.runtime.subscribe(event => {
      if (event.kind === 'change' && event.key === put.key) resolve()
    })
    const start = performance.now()
    const written = from.runtime.write([put])
    await promise
    const took = performance.now() - start
    clearTimeout(late)
    unsubscribe()
    await written
    return took
  }
}

/** What the disk takes of it: one write on the second node alone. */
function writeHere({ nodes: [, to] }: Pair): Measure {
  return async () => {
    const start = performance.now()
    await to.runtime.write(randomPuts(1, 40))
    return performance.now() - start
  }
}

async function startBare(): Promise<{ measure: Measure; stop: () => Promise<void> }> {
  const identities = [createIdentity(), createIdentity()] as const
  const trusted = new Set<NodeId>(identities.map(({ nodeId }) => nodeId))
  const [port = 0] = await freePorts(1)
  const to = createP2p({ identity: identities[1], trusted, port, bootstrap: [] })
  const from = createP2p({ identity: identities[0], trusted, bootstrap: [multiaddrOf(identities[1], port)] })
  let heard: (() => void) | undefined
  const inbox: Inbox = {
    peerUp: () => {},
    peerDown: () => {},
    announced: () => heard?.(),
    serve: async (_from, frame) => frame,
  }
  await to.start(inbox)
  await from.start(inbox)
  await from.connect(identities[1].nodeId, AbortSignal.timeout(patienceMs))
  const measure = async (): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    heard = () => resolve(true)
    const start = performance.now()
    await from.announce(randomBytes(messageBytes))
    const lost = delay(2_000, false, { ref: false })
    return (await Promise.race([promise, lost])) ? performance.now() - start : Number.NaN
  }
  // The mesh forms with gossipsub's heartbeat, once a second.
  while (Number.isNaN(await measure())) progress('propagation: waiting for the gossip mesh')
  return { measure, stop: async () => void (await Promise.all([from.stop(), to.stop()])) }
}

async function block(measure: Measure, count: number): Promise<number[]> {
  const samples: number[] = []
  for (let at = 0; at < count; at++) {
    samples.push(await measure())
    // Off the beat of any timer.
    await delay(2 + 8 * Math.random())
  }
  return samples
}

async function measureLatencies(rounds: number, writes: number): Promise<Cell[][]> {
  progress('propagation: starting pairs')
  const bare = await startBare()
  const p2p = await startPair({ kind: 'p2p', durable: true })
  const http = await startPair({ kind: 'http', durable: true })
  const p2pMemory = await startPair({ kind: 'p2p', durable: false })
  const httpMemory = await startPair({ kind: 'http', durable: false })
  const subjects: Readonly<Record<string, Measure>> = {
    'bare gossipsub message': bare.measure,
    'one durable write, not sent': writeHere(p2p),
    'P2P, durable on both': writeAcross(p2p),
    'HTTP, durable on both': writeAcross(http),
    'P2P, stores in memory': writeAcross(p2pMemory),
    'HTTP, stores in memory': writeAcross(httpMemory),
  }
  const samples = new Map(Object.keys(subjects).map(name => [name, [] as number[][]]))
  for (const measure of Object.values(subjects)) await block(measure, 10)
  for (let at = 0; at < rounds; at++) {
    for (const [name, measure] of Object.entries(subjects)) {
      progress(`propagation: round ${at + 1} of ${rounds}, ${name}`)
      samples.get(name)?.push(await block(measure, writes))
    }
  }
  await Promise.all([bare, p2p, http, p2pMemory, httpMemory].map(each => each.stop()))
  const ratioTo = (name: string, base: string): number =>
    median((samples.get(name) ?? []).map((own, at) => median(own) / median(samples.get(base)?.[at] ?? [])))
  return Object.keys(subjects).map(name => {
    const all = (samples.get(name) ?? []).flat()
    const toBare = ratioTo(name, 'bare gossipsub message')
    const goals: Record<string, string> = {
      'P2P, durable on both': `p50 ≤ 10, p99 ≤ 50, ${verdict(toBare, { atMost: 3 })}`,
      'HTTP, durable on both': `÷ P2P ${verdict(ratioTo(name, 'P2P, durable on both'), { atMost: 3 })}`,
    }
    return [
      name,
      all.length,
      round(median(all)),
      round(percentile(all, 0.99)),
      round(toBare),
      round(ratioTo(name, 'P2P, durable on both')),
      goals[name],
    ]
  })
}

async function measureIdle(seconds: number): Promise<Cell[][]> {
  const counters: Array<{ name: string; goal: number; http: readonly TcpProxy[]; p2p: TcpProxy }> = []
  const pairs = await Promise.all(
    (['p2p', 'http'] as const).map(kind =>
      startPair({
        kind,
        durable: false,
        proxies: (http, p2p) =>
          counters.push(
            kind === 'p2p'
              ? { name: 'P2P mode', goal: 300, http, p2p }
              : { name: 'HTTP mode', goal: 150, http, p2p },
          ),
      }),
    ),
  )
  await Promise.all(pairs.map(pair => pair.nodes[0].runtime.write(randomPuts(1, 40))))
  await delay(quietMs)
  const read = () =>
    counters.map(
      ({ http, p2p }) => [p2p.bytes(), http.reduce((sum, proxy) => sum + proxy.bytes(), 0)] as const,
    )
  const before = read()
  await delay(1000 * seconds)
  const after = read()
  await Promise.all(pairs.map(pair => pair.stop()))
  return counters.map(({ name, goal }, at) => {
    const [p2pBytes, httpBytes] = [0, 1].map(
      index => ((after[at]?.[index] ?? 0) - (before[at]?.[index] ?? 0)) / seconds,
    ) as [number, number]
    const all = p2pBytes + httpBytes
    return [name, round(p2pBytes), round(httpBytes), round(all), verdict(all, { atMost: goal })]
  })
}

const idleSeconds = Number(options['idle-s'])
const [idle, latencies] = await Promise.all([
  idleSeconds > 0 ? measureIdle(idleSeconds) : [],
  measureLatencies(Number(options.rounds), Number(options.writes)),
])
progress('')
print(
  {
    bench: 'propagation',
    tables: [
      {
        title: 'A write on one node → applied on the other (ms, loopback)',
        columns: ['', 'samples', 'p50', 'p99', '÷ bare gossip', '÷ P2P', 'goal'],
        rows: latencies,
        notes: ['Ratios: median over rounds of the ratio of the medians within a round.'],
      },
      {
        title: `Idle traffic of two nodes in sync, bytes/s both ways over ${idleSeconds} s, TCP payload`,
        columns: ['', 'libp2p', 'HTTP', 'in all', 'goal'],
        rows: idle,
      },
    ],
  },
  options.json,
)
process.exit(0)
