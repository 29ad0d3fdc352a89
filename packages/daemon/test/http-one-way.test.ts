/**
 * HTTP that only one side can dial: a node behind NAT, and a peer whose host says that it sleeps (reliability
 * H1, H3), which is left in peace, never called down, and met on waking.
 */
import { sign } from 'node:crypto'
import { afterEach, describe, expect, it } from '@jest/globals'
import { defaultParams, LatticeError, type Incarnation, type Transport } from '@lattice/core'
import {
  createMemoryImage,
  createMemoryNetwork,
  createMemoryStore,
  createVirtualClock,
  type VirtualClock,
} from '@lattice/core/testing'
import { Runtime, type RuntimeParts } from '@lattice/daemon/runtime'
import { createKeys, seededRandom, sha256, type Keys } from './federation.ts'

const running: Runtime[] = []
afterEach(async () => {
  for (const runtime of running.splice(0)) await runtime.stop()
})

interface World {
  /** Dials the other. */
  readonly awake: Runtime
  readonly sleeper: Runtime
  readonly clock: VirtualClock
  readonly logs: readonly string[]
  /** When the sleeper's host was asked. */
  readonly asked: readonly number[]
  /** From now on its host answers 503, with this Retry-After. */
  sleep(retryAfterMs?: number): void
  wake(): void
  /** Another machine takes the place of the awake one, with an empty disk. */
  replaceAwake(): Promise<void>
  pass(ms: number): Promise<void>
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** A transport as a plain object, so that parts of it can be replaced. */
function partsOf(inner: Transport): Transport {
  return {
    kind: inner.kind,
    start: inbox => inner.start(inbox),
    stop: () => inner.stop(),
    connect: (peer, signal) => inner.connect(peer, signal),
    request: (peer, frame, signal) => inner.request(peer, frame, signal),
    announce: frame => inner.announce(frame),
    addresses: peer => inner.addresses(peer),
  }
}

/** The host in front of a node: notes when it was asked, and lets nobody through while the node sleeps. */
class Host {
  readonly asked: number[] = []
  readonly #clock: VirtualClock
  #refusal: { retryAfterMs?: number } | undefined

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  sleep(retryAfterMs?: number): void {
    this.#refusal = retryAfterMs === undefined ? {} : { retryAfterMs }
  }

  wake(): void {
    this.#refusal = undefined
  }

  /** The way of others to the node behind this host. */
  guard(inner: Transport): Transport {
    return {
      ...partsOf(inner),
      connect: (peer, signal) => this.#admit(() => inner.connect(peer, signal)),
      request: (peer, frame, signal) => this.#admit(() => inner.request(peer, frame, signal)),
    }
  }

  #admit<T>(pass: () => Promise<T>): Promise<T> {
    this.asked.push(this.#clock.now().mono)
    if (this.#refusal === undefined) return pass()
    const asleep = new LatticeError('PEER_ASLEEP', 'https://x.hf.space: its host says that it is asleep')
    return Promise.reject(Object.assign(asleep, this.#refusal))
  }
}

/** The transport of a node that knows nobody's address. */
function undialling(inner: Transport): Transport {
  const lost = (): Promise<never> => Promise.reject(new LatticeError('PEER_UNKNOWN'))
  return {
    ...partsOf(inner),
    // A memory network tells both ends of a connection; HTTP tells only the one that asked.
    start: inbox => inner.start({ ...inbox, peerUp: () => undefined }),
    connect: lost,
    request: lost,
  }
}

type Place = Pick<RuntimeParts, 'clock' | 'members' | 'transports' | 'log'>

function createNode(index: number, { id, privateKey }: Keys, place: Place): Runtime {
  const image = createMemoryImage(`00000000000000${running.length + 16}` as Incarnation)
  return new Runtime({
    info: { name: `node${index + 1}`, role: 'node', software: 'test' },
    store: createMemoryStore({ image }),
    hash: sha256,
    signer: { nodeId: id, sign: message => sign(null, message, privateKey) },
    verifier: { verify: async items => items.map(() => true) },
    random: seededRandom(index + 1),
    params: { ...defaultParams, p2pEnabled: false },
    ...place,
  })
}

/** Two nodes on HTTP; only the first knows where the other is. */
async function start(): Promise<World> {
  const clock = createVirtualClock()
  const network = createMemoryNetwork('http')
  const host = new Host(clock)
  const logs: string[] = []
  const first = createKeys()
  const second = createKeys()
  const members = new Set([first.id, second.id])
  const createAwake = (): Runtime =>
    createNode(0, first, {
      clock,
      members,
      transports: [host.guard(network.join(first.id, members))],
      log: (level, message) => logs.push(`${level} ${message}`),
    })
  let awake = createAwake()
  running.push(awake)
  const sleeper = createNode(1, second, {
    clock,
    members,
    transports: [undialling(network.join(second.id, members))],
    log: () => undefined,
  })
  running.push(sleeper)
  await Promise.all([awake.start(), sleeper.start()])
  await settle()
  return {
    get awake() {
      return awake
    },
    sleeper,
    clock,
    logs,
    asked: host.asked,
    sleep: retryAfterMs => host.sleep(retryAfterMs),
    wake: () => host.wake(),
    async replaceAwake() {
      await awake.stop()
      awake = createAwake()
      running.push(awake)
      await awake.start()
    },
    async pass(ms) {
      const limit = clock.now().mono + ms
      do await settle()
      while (clock.ringNext(limit))
    },
  }
}

describe('two nodes of which one only dials out', () => {
  it('stay on HTTP for ever without a doubt, on both sides, and exchange in both directions', async () => {
    const world = await start()
    await world.pass(1000)
    const both = [world.awake, world.sleeper]
    const seen = (): unknown[] =>
      both.map(runtime => [runtime.status().phase, runtime.status().peers[0]?.path])
    expect(seen()).toEqual([
      ['HTTP', 'http'],
      ['HTTP', 'http'],
    ])
    const epochs = both.map(runtime => runtime.status().epoch)
    await world.pass(600_000)
    expect(both.map(runtime => runtime.status().epoch)).toEqual(epochs)
    expect(both.map(runtime => runtime.status().warnings)).toEqual([[], []])
    await Promise.all([
      world.awake.write([{ op: 'put', key: 'a', value: 1 }]),
      world.sleeper.write([{ op: 'put', key: 'b', value: 2 }]),
      world.pass(10),
    ])
    await world.pass(1000)
    expect([world.sleeper.read('a')?.value, world.awake.read('b')?.value]).toEqual([1, 2])
  })

  it('are one again after the one that dials has lost its disk, though the other knew its former life', async () => {
    const world = await start()
    await world.pass(1000)
    await Promise.all([world.awake.write([{ op: 'put', key: 'a', value: 1 }]), world.pass(1000)])
    await Promise.all([world.sleeper.write([{ op: 'put', key: 'b', value: 2 }]), world.pass(60_000)])
    await world.replaceAwake()
    await world.pass(5_000)
    expect([world.awake.read('a')?.value, world.awake.read('b')?.value]).toEqual([1, 2])
    await Promise.all([world.awake.write([{ op: 'put', key: 'c', value: 3 }]), world.pass(1000)])
    expect(world.sleeper.read('c')?.value).toBe(3)
  })
})

describe('a peer that sleeps', () => {
  it('is asked at most once per 30 s, is called asleep, and alarms nobody', async () => {
    const world = await start()
    await world.pass(60_000)
    expect(world.awake.status().peers[0]).toMatchObject({ path: 'http' })
    world.sleep()
    await world.pass(60_000)
    const from = world.asked.length
    await world.pass(600_000)
    const times = world.asked.slice(from)
    expect(times.length).toBeGreaterThanOrEqual(17)
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(30_000)
    const { peers, warnings } = world.awake.status()
    expect(peers[0]).toMatchObject({ path: 'none', asleep: true, why: expect.stringContaining('asleep') })
    expect(warnings.map(({ code, severity }) => [code, severity])).toEqual([['peer-asleep', 'low']])
    expect(world.logs.filter(line => line.startsWith('warn'))).toEqual([])
  })

  it('is believed at the second word: one busy answer amid a talk costs a second, not thirty', async () => {
    const world = await start()
    await world.pass(60_000)
    world.sleep()
    const written = world.awake.write([{ op: 'put', key: 'k', value: 1 }])
    await world.pass(10)
    await written
    world.wake()
    await world.pass(1_500)
    expect(world.sleeper.read('k')?.value).toBe(1)
  })

  it('is met again within 35 s of waking, with all that was written meanwhile', async () => {
    const world = await start()
    world.sleep()
    await world.pass(300_000)
    const written = world.awake.write([{ op: 'put', key: 'k', value: 1 }])
    await world.pass(10)
    await written
    world.wake()
    await world.pass(35_000)
    expect(world.sleeper.read('k')?.value).toBe(1)
    const [peer] = world.awake.status().peers
    expect(peer).toMatchObject({ path: 'http' })
    expect(peer).not.toHaveProperty('asleep')
    expect(world.awake.status().warnings).toEqual([])
  })

  it('is left alone for as long as its host asks', async () => {
    const world = await start()
    world.sleep(120_000)
    await world.pass(130_000)
    const from = world.asked.length
    await world.pass(119_000)
    expect(world.asked.length - from).toBeLessThanOrEqual(1)
  })
})
