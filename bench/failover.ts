/**
 * Silent loss of P2P between two real daemons: how late a write arrives, when HTTP is declared, when P2P is
 * back; and how fast and how talkative each mode is by itself.
 *
 * All P2P traffic passes TCP proxies that stop carrying and tell nobody, as a firewall that drops does. HTTP
 * passes proxies that only count. Writes go out over REST all the time; they arrive when the other daemon
 * says so in its event stream.
 *
 *   npm run bench:failover -- [--rounds 3] [--peerless 60] [--stable 15] [--heartbeat 5]
 *                             [--idle 30] [--json]
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from '@lattice/api'
import { createDirectory, createIdentity } from './bench-node.ts'
import { freePorts, startDaemon, type DaemonProcess } from './daemon-process.ts'
import { print, progress, readOptions, round, verdict } from './report.ts'
import { multiaddrOf } from './socket-node.ts'
import { percentile } from './statistics.ts'
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { randomKeys, randomValue } from './workload.ts'

const options = readOptions({
  rounds: { type: 'string', default: '3' },
  peerless: { type: 'string', default: '60' },
  stable: { type: 'string', default: '15' },
  heartbeat: { type: 'string', default: '5' },
  idle: { type: 'string', default: '30' },
})

/** A write this often during a cut; the first one right after it. */
const writeEveryMs = 250
/** Writes per mode and round, one at a time, to see how fast the mode carries when nothing is wrong. */
const calmWrites = 20
/** How often the status is asked for. */
const watchEveryMs = 50
/** What may be added to the configured times before a round counts as stuck. */
const graceMs = 60_000

interface Duo {
  readonly daemons: readonly [DaemonProcess, DaemonProcess]
  readonly clients: readonly [Client, Client]
  readonly proxies: readonly TcpProxy[]
  readonly httpProxies: readonly TcpProxy[]
}

async function startDuo(directory: string): Promise<Duo> {
  const identities = [createIdentity(), createIdentity()] as const
  const [httpA = 0, httpB = 0, p2pA = 0, p2pB = 0] = await freePorts(4)
  const proxies = await Promise.all([p2pA, p2pB].map(port => openTcpProxy(() => port)))
  const [toA, toB] = proxies as [TcpProxy, TcpProxy]
  const httpProxies = await Promise.all([httpA, httpB].map(port => openTcpProxy(() => port)))
  const [webA, webB] = httpProxies as [TcpProxy, TcpProxy]
  const start = (
    self: 0 | 1,
    own: { http: number; p2p: number; proxy: number },
    other: { web: number; proxy: number },
  ) =>
    startDaemon(join(directory, `node${self + 1}`), own.http, {
      NODE_PRIVKEY_HEX: Buffer.from(identities[self].seed).toString('hex'),
      TRUSTED_KEYS: identities.map(({ peerId }) => peerId).join(','),
      P2P_ENABLED: 'true',
      P2P_LISTEN: `/ip4/127.0.0.1/tcp/${own.p2p}`,
      P2P_ANNOUNCE: `/ip4/127.0.0.1/tcp/${own.proxy}`,
      P2P_BOOTSTRAP: multiaddrOf(identities[1 - self] as (typeof identities)[0], other.proxy),
      NODES: `http://127.0.0.1:${other.web}`,
      PEERLESS_TIMEOUT: `${options.peerless}s`,
      P2P_STABLE_AFTER: `${options.stable}s`,
      HEARTBEAT_INTERVAL: `${options.heartbeat}s`,
      // Rounds follow each other faster than real failures: the latch against flapping would end the bench.
      FLAP_LIMIT: '1000/10m',
      LOG_LEVEL: 'error',
    })
  const a = { http: httpA, web: webA.port, p2p: p2pA, proxy: toA.port }
  const b = { http: httpB, web: webB.port, p2p: p2pB, proxy: toB.port }
  const daemons = await Promise.all([start(0, a, b), start(1, b, a)])
  const clients = daemons.map(({ url }) => createClient({ baseUrl: url })) as [Client, Client]
  return { daemons, clients, proxies, httpProxies }
}

/** When each key arrived, by the clock of this process. */
async function followChanges(
  client: Client,
  arrivals: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const { event, data } of client.events({ signal })) {
      if (event !== 'change') continue
      const { key } = JSON.parse(data) as { key: string }
      arrivals.set(key, performance.now())
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Milliseconds until all daemons are in `phase`. */
async function untilPhase({ clients }: Duo, phases: readonly string[], withinMs: number): Promise<number> {
  const start = performance.now()
  for (;;) {
    const now = await Promise.all(clients.map(client => client.getP2pStatus()))
    if (now.every(status => phases.includes(status.phase))) return performance.now() - start
    if (performance.now() - start > withinMs)
      throw new Error(
        `phases are ${now.map(({ phase }) => phase).join(', ')} instead of ${phases.join(' or ')}`,
      )
    await delay(watchEveryMs)
  }
}

/** What a mode is like while nothing happens but what is measured. */
interface Calm {
  /** Per write: milliseconds until the other daemon had applied it. */
  readonly delaysMs: readonly number[]
  /** TCP payload between the two, both ways and on all paths. */
  readonly idleBytesPerSecond: number
}

async function measureCalm(duo: Duo, arrivals: Map<string, number>): Promise<Calm> {
  const delaysMs: number[] = []
  for (let at = 0; at < calmWrites; at++) {
    const [key = ''] = randomKeys(1, 40)
    const sentAt = performance.now()
    await duo.clients[0].putKey({ params: { key }, body: randomValue() })
    delaysMs.push((await arrivalOf(key, arrivals)) - sentAt)
  }
  const carried = (): number =>
    [...duo.proxies, ...duo.httpProxies].reduce((sum, proxy) => sum + proxy.bytes(), 0)
  const [before, seconds] = [carried(), Number(options.idle)]
  await delay(seconds * 1000)
  return { delaysMs, idleBytesPerSecond: (carried() - before) / seconds }
}

async function arrivalOf(key: string, arrivals: Map<string, number>): Promise<number> {
  for (const end = performance.now() + graceMs; performance.now() < end; await delay(1)) {
    const at = arrivals.get(key)
    if (at !== undefined) return at
  }
  throw new Error('a write has never arrived')
}

interface Round {
  readonly p2p: Calm
  readonly http: Calm
  /** Per write during the silence: milliseconds until the other daemon had applied it. */
  readonly delaysMs: readonly number[]
  readonly declaredMs: number
  readonly healedMs: number
}

async function playRound(duo: Duo, arrivals: Map<string, number>): Promise<Round> {
  const timeoutMs = 1000 * (Number(options.peerless) + Number(options.stable)) + graceMs
  await untilPhase(duo, ['P2P'], timeoutMs)
  const p2p = await measureCalm(duo, arrivals)
  // Not in step with the heartbeats.
  await delay(Math.random() * 1000 * Number(options.heartbeat))
  const sent = new Map<string, number>()
  for (const proxy of duo.proxies) proxy.silence()
  let declared = false
  const writing = (async () => {
    while (!declared) {
      const [key = ''] = randomKeys(1, 40)
      sent.set(key, performance.now())
      await duo.clients[0].putKey({ params: { key }, body: randomValue() })
      await delay(writeEveryMs)
    }
  })()
  const declaredMs = await untilPhase(duo, ['HTTP'], timeoutMs).finally(() => (declared = true))
  await writing
  const delaysMs: number[] = []
  for (const [key, at] of sent) delaysMs.push((await arrivalOf(key, arrivals)) - at)
  const http = await measureCalm(duo, arrivals)
  for (const proxy of duo.proxies) proxy.restore()
  const healedMs = await untilPhase(duo, ['P2P'], timeoutMs)
  return { p2p, http, delaysMs, declaredMs, healedMs }
}

async function run(rounds: number): Promise<Round[]> {
  using directory = createDirectory()
  const duo = await startDuo(directory.path)
  const stop = new AbortController()
  const arrivals = new Map<string, number>()
  const following = followChanges(duo.clients[1], arrivals, stop.signal)
  const results: Round[] = []
  try {
    for (let at = 0; at < rounds; at++) {
      progress(`failover: round ${at + 1} of ${rounds}`)
      results.push(await playRound(duo, arrivals))
    }
  } finally {
    stop.abort()
    await following
    await Promise.all(duo.daemons.map(daemon => daemon.stop()))
    await Promise.all([...duo.proxies, ...duo.httpProxies].map(proxy => proxy.close()))
  }
  return results
}

const results = await run(Number(options.rounds))
progress('')
const delays = results.flatMap(({ delaysMs }) => delaysMs)
const summary = (name: string, samples: readonly number[], goal: string) => [
  name,
  samples.length,
  ...[0.5, 0.99, 1].map(share => round(percentile(samples, share) / 1000)),
  goal,
]
const judge = (samples: readonly number[], share: number, seconds: number): string =>
  `p${100 * share} ${verdict(percentile(samples, share) / 1000, { atMost: seconds })}`
const peerlessS = Number(options.peerless)
const { declared, healed } = {
  declared: results.map(({ declaredMs }) => declaredMs),
  healed: results.map(({ healedMs }) => healedMs),
}
const median = (samples: readonly number[]): number => percentile(samples, 0.5)
const calmRow = (name: string, samples: readonly number[], goal: string) => [
  name,
  samples.length,
  ...[0.5, 0.99, 1].map(share => round(percentile(samples, share))),
  goal,
]
const [p2pMs, httpMs] = [
  results.flatMap(({ p2p }) => p2p.delaysMs),
  results.flatMap(({ http }) => http.delaysMs),
]
const p2pIdle = results.map(({ p2p }) => p2p.idleBytesPerSecond)
const httpIdle = results.map(({ http }) => http.idleBytesPerSecond)
print(
  {
    bench: 'failover',
    tables: [
      {
        title: `Silent loss of P2P, ${results.length} rounds (seconds; peerless timeout ${peerlessS} s)`,
        columns: ['', 'samples', 'p50', 'p99', 'max', 'goal'],
        rows: [
          summary(
            'write in the silence → applied',
            delays,
            [judge(delays, 0.5, 1.1), judge(delays, 0.99, 1.5)].join(', '),
          ),
          summary('cut → HTTP declared by both', declared, `about ${peerlessS} s after the last heartbeat`),
          summary('heal → P2P on both', healed, judge(healed, 0.99, 45)),
        ],
        notes: ['Every write made from the cut until HTTP was declared counts, one each 250 ms.'],
      },
      {
        title: 'Each mode by itself (milliseconds; bytes/s both ways, TCP payload, per pair of nodes)',
        columns: ['', 'samples', 'p50', 'p99', 'max', 'goal'],
        rows: [
          calmRow('propagation over P2P', p2pMs, 'p50 ≤ 10, p99 ≤ 50 on a quiet machine'),
          calmRow('propagation over HTTP', httpMs, `≤ 3 × P2P: ${round(median(httpMs) / median(p2pMs))} ×`),
          calmRow('idle bytes/s in P2P', p2pIdle, verdict(median(p2pIdle), { atMost: 300 })),
          calmRow('idle bytes/s in HTTP', httpIdle, verdict(median(httpIdle), { atMost: 150 })),
        ],
      },
    ],
  },
  options.json,
)
