/**
 * Links that are slow, narrow, stalled, repeating, corrupting or too small (reliability N15–N20), on both
 * lungs.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { corrupted, startChaosProxy } from '../chaos-proxy.ts'
import type { ChaosProxy } from '../chaos-proxy.ts'
import { startChaosWire } from '../chaos-wire.ts'
import type { ChaosWire } from '../chaos-wire.ts'
import type { Settings } from '../command.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, metOverP2p, put, statusOf, valueOf } from '../federation.ts'
import { worldForTests } from '../http-world.ts'

const { world, open, start } = worldForTests()

interface Linked {
  readonly caller: Daemon
  readonly server: Daemon
  readonly wire: ChaosWire
  readonly proxy: ChaosProxy
}

/**
 * Two nodes; the first dials the second, P2P through a wire and HTTP through a proxy, and is dialled by
 * nobody.
 */
async function linked(settings: Settings = {}): Promise<Linked> {
  const [caller, server] = await world.federation(2, { start: 0, settings })
  if (caller === undefined || server === undefined) throw new Error('two nodes')
  const wire = await startChaosWire(Number(server.plan.p2pAddress.split('/').at(-1)))
  const proxy = await startChaosProxy(server.url)
  const address = `/ip4/127.0.0.1/tcp/${wire.port}`
  open.push({ close: () => Promise.all([caller.kill(), server.kill()]) }, wire, proxy)
  await server.start({ LATTICE_NODES: '', LATTICE_P2P_BOOTSTRAP: '', LATTICE_P2P_ANNOUNCE: address })
  await caller.start({
    LATTICE_NODES: proxy.url,
    LATTICE_P2P_LISTEN: '',
    LATTICE_P2P_BOOTSTRAP: `${address}/p2p/${server.plan.identity.peerId}`,
  })
  await metOverP2p([caller, server])
  return { caller, server, wire, proxy }
}

/** Memory of a daemon in MiB. */
function rssMiB(node: Daemon): number {
  const text = readFileSync(`/proc/${node.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024
}

async function epochs(nodes: readonly Daemon[]): Promise<number[]> {
  return Promise.all(
    nodes.map(async node => (await node.client.getTransitions()).transitions.at(-1)?.epoch ?? 0),
  )
}

/** `count` keys of `bytes` each, in transactions that fit. */
async function fill(node: Daemon, prefix: string, count: number, bytes: number): Promise<void> {
  for (let from = 0; from < count; from += 20) {
    const operations = Array.from({ length: Math.min(20, count - from) }, (_, index) => ({
      op: 'put' as const,
      key: `${prefix}/${from + index}`,
      value: `${from + index}`.padEnd(bytes, 'x'),
    }))
    await node.client.transact({ body: { operations } })
  }
}

const patient: Settings = { LATTICE_HEARTBEAT_INTERVAL: '2s', LATTICE_PEERLESS_TIMEOUT: '8s' }

describe('N15: a round trip of 600 ms to 1 s with jitter', () => {
  it('causes no failover: the mode does not move, and writes arrive in both directions', async () => {
    const { caller, server, wire, proxy } = await linked(patient)
    const latencyMs = (): number => 300 + Math.random() * 200
    wire.weather = { latencyMs }
    proxy.weather = { latencyMs }
    const before = await epochs([caller, server])
    for (let turn = 0; turn < 8; turn++) {
      await put(caller, 'there', turn)
      await put(server, 'back', turn)
      expect(await arrives([server], 'there', turn)).toBeLessThan(5000)
      expect(await arrives([caller], 'back', turn)).toBeLessThan(5000)
      await delay(1000)
    }
    expect(await epochs([caller, server])).toEqual(before)
    expect((await statusOf(caller)).phase).toBe('P2P')
  }, 90_000)

  it('of 3 s is survived: what is written arrives', async () => {
    const { caller, server, wire, proxy } = await linked(patient)
    wire.weather = { latencyMs: () => 1500 }
    proxy.weather = { latencyMs: () => 1500 }
    await put(caller, 'far', 1)
    await put(server, 'away', 2)
    await arrives([server], 'far', 1, 30_000)
    await arrives([caller], 'away', 2, 30_000)
    await equalRoots([caller, server], 30_000)
    expect([await valueOf(server, 'far'), await valueOf(caller, 'away')]).toEqual([1, 2])
  }, 90_000)
})

describe('N16: 20 kB/s', () => {
  it('brings a backlog of 400 kB across with bounded memory', async () => {
    const { caller, server, wire, proxy } = await linked()
    wire.weather = { bytesPerSecond: 20_000 }
    proxy.weather = { bytesPerSecond: 20_000 }
    const before = rssMiB(server)
    await fill(server, 'bulk', 80, 5000)
    let peak = 0
    await eventually(
      'the roots are equal',
      async () => {
        peak = Math.max(peak, rssMiB(server))
        return (await statusOf(caller)).merkle_root === (await statusOf(server)).merkle_root
      },
      100_000,
    )
    expect(peak - before).toBeLessThan(64)
  }, 130_000)

  it.each(['p2p', 'http'] as const)(
    'full frames arrive over %s, though each takes 13 s',
    async mode => {
      const { caller, server, wire, proxy } = await linked()
      await fill(server, 'small', 200, 10)
      await equalRoots([caller, server])
      await caller.client.switchMode({ query: { mode } })
      await caller.kill()
      wire.weather = { bytesPerSecond: 20_000 }
      proxy.weather = { bytesPerSecond: 20_000 }
      // Too few for a bulk transfer, whose frames are smaller.
      for (let from = 0; from < 90; from += 10) {
        const operations = Array.from({ length: 10 }, (_, at) => ({
          op: 'put' as const,
          key: `random/${from + at}`,
          value: randomBytes(4500).toString('base64'),
        }))
        await server.client.transact({ body: { operations } })
      }
      await caller.start()
      expect(await equalRoots([caller, server], 150_000)).toBe((await statusOf(server)).merkle_root)
    },
    200_000,
  )
})

describe('N17: a peer that reads nothing', () => {
  it('costs the writer bounded memory, delays nobody else, and catches up', async () => {
    const [writer, reader, stuck] = await world.federation(3)
    if (writer === undefined || reader === undefined || stuck === undefined) throw new Error('three nodes')
    open.push({ close: () => Promise.all([writer.kill(), reader.kill(), stuck.kill()]) })
    await metOverP2p([writer, reader, stuck])
    // The same load on a healthy link first: what a node needs at work is not what a stuck peer costs it.
    await fill(writer, 'warm', 400, 10_000)
    await equalRoots([writer, reader, stuck], 30_000)
    const before = rssMiB(writer)
    stuck.signal('SIGSTOP')
    try {
      const times: number[] = []
      for (let turn = 0; turn < 40; turn++) {
        await fill(writer, `round${turn}`, 20, 10_000)
        times.push(await arrives([reader], `round${turn}/19`, '19'.padEnd(10_000, 'x'), 5000))
      }
      expect(times.sort((a, b) => a - b)[36]).toBeLessThan(2500)
      expect(rssMiB(writer) - before).toBeLessThan(64)
    } finally {
      stuck.signal('SIGCONT')
    }
    await equalRoots([writer, reader, stuck], 30_000)
  }, 120_000)
})

describe('N18: requests that come twice, late and in another order', () => {
  it('end in one state on both sides; nothing counts twice', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = { replays: 2, latencyMs: () => Math.random() * 400 }
    const increment = { operations: [{ op: 'increment' as const, key: 'sum', by: 1 }] }
    for (let turn = 0; turn < 30; turn++) {
      await Promise.all([caller, server].map(node => node.client.transact({ body: increment })))
      await put(turn % 2 === 0 ? caller : server, 'last', turn)
      await delay(50)
    }
    await equalRoots([caller, server], 30_000)
    expect([await valueOf(caller, 'sum'), await valueOf(server, 'sum')]).toEqual([60, 60])
    expect([await valueOf(caller, 'last'), await valueOf(server, 'last')]).toEqual([29, 29])
  }, 90_000)
})

describe('N19: corrupt bytes on both lungs', () => {
  it('are never accepted, and the state is whole once the link is', async () => {
    const { caller, server, wire, proxy } = await linked()
    let hits = 0
    const sometimes = (piece: Buffer): Buffer => (Math.random() < 0.3 ? (hits++, corrupted(piece)) : piece)
    wire.weather = { corrupt: sometimes }
    proxy.weather = {
      editRequest: asked => ({ ...asked, body: sometimes(asked.body) }),
      editAnswer: answer => ({ ...answer, body: sometimes(answer.body) }),
    }
    const written = new Map<string, number>()
    for (let turn = 0; turn < 40; turn++) {
      for (const [node, name] of [
        [caller, 'caller'],
        [server, 'server'],
      ] as const) {
        await put(node, `${name}/${turn}`, turn)
        written.set(`${name}/${turn}`, turn)
      }
      await delay(100)
    }
    expect(hits).toBeGreaterThan(5)
    wire.weather = {}
    proxy.weather = {}
    await equalRoots([caller, server], 45_000)
    for (const node of [caller, server]) {
      const state = await node.client.getState()
      expect('state' in state ? state.state : {}).toEqual(Object.fromEntries(written))
    }
  }, 120_000)
})

describe('N20: a path that swallows what is larger than 600 bytes', () => {
  it('on P2P: the sync finishes over HTTP', async () => {
    const { caller, server, wire } = await linked()
    wire.weather = { pieceBytesMax: 600 }
    await fill(server, 'large', 20, 2000)
    await fill(caller, 'larger', 20, 2000)
    await equalRoots([caller, server], 20_000)
    expect(await valueOf(server, 'larger/19')).toBe('19'.padEnd(2000, 'x'))
  }, 60_000)
})
