/** A federation of real runtimes over memory networks and stores, in virtual time: the test moves the clock. */
import { createHash, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import {
  defaultParams,
  type EngineParams,
  type Hash,
  type Incarnation,
  type NodeId,
  type Random,
  type Signer,
  type Verifier,
} from '@lattice/core'
import {
  createMemoryImage,
  createMemoryNetwork,
  createMemoryStore,
  createVirtualClock,
  type MemoryImage,
  type MemoryNetwork,
  type MemoryStore,
  type VirtualClock,
} from '@lattice/core/testing'
import { Runtime } from '@lattice/daemon/runtime'

export const sha256: Hash = bytes => createHash('sha256').update(bytes).digest()

/** One member and its levers. */
export interface Member {
  readonly id: NodeId
  readonly name: string
  runtime: Runtime
  store: MemoryStore
  readonly image: MemoryImage
  readonly logs: string[]
}

/** Everything a test needs. */
export interface Federation {
  readonly clock: VirtualClock
  readonly p2p: MemoryNetwork
  readonly http: MemoryNetwork
  readonly members: readonly Member[]
  /** Lets `ms` pass, ringing every alarm on the way. */
  pass(ms: number): Promise<void>
  /** Lets time pass until `condition` holds; how long it took. Fails after `limitMs`. */
  until(condition: () => boolean, limitMs: number): Promise<number>
  /** Cuts or heals both directions between two members on one network. */
  cut(network: MemoryNetwork, a: number, b: number): void
  heal(network: MemoryNetwork, a: number, b: number): void
  /** Lets everything that needs no time happen; for `runtime.write` and the like. */
  settle(): Promise<void>
  stop(): Promise<void>
}

interface Keys {
  readonly id: NodeId
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

function createKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const id = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex') as NodeId
  return { id, privateKey, publicKey }
}

/** Deterministic randomness (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed
  const unit = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { unit, bytes: length => Uint8Array.from({ length }, () => Math.floor(unit() * 256)) }
}

/** Starts `count` members that trust each other. */
export async function createFederation(
  count: number,
  params: Partial<EngineParams> = {},
): Promise<Federation> {
  const clock = createVirtualClock()
  const p2p = createMemoryNetwork('p2p')
  const http = createMemoryNetwork('http')
  const keys = Array.from({ length: count }, createKeys).sort((a, b) => (a.id < b.id ? -1 : 1))
  const trusted = new Set(keys.map(({ id }) => id))
  const verifier: Verifier = {
    verify: async items =>
      items.map(({ author, message, signature }) =>
        verify(null, message, (keys.find(({ id }) => id === author) as Keys).publicKey, signature),
      ),
  }
  const members = keys.map(({ id, privateKey }, index): Member => {
    const signer: Signer = { nodeId: id, sign: message => sign(null, message, privateKey) }
    const image = createMemoryImage(`00000000000000${(index + 16).toString(16)}` as Incarnation)
    const store = createMemoryStore({ image })
    const logs: string[] = []
    const runtime = new Runtime({
      info: { name: `node${index + 1}`, role: 'node', software: 'test' },
      store,
      hash: sha256,
      signer,
      verifier,
      random: seededRandom(index + 1),
      params: { ...defaultParams, ...params },
      members: trusted,
      clock,
      transports: [p2p.join(id, trusted), http.join(id, trusted)],
      log: (level, message, fields) =>
        logs.push(`${clock.now().mono} ${level} ${message} ${JSON.stringify(fields)}`),
    })
    return { id, name: `node${index + 1}`, runtime, store, image, logs }
  })
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
  }
  const until = async (condition: () => boolean, limitMs: number): Promise<number> => {
    const start = clock.now().mono
    await settle()
    while (!condition()) {
      if (!clock.ringNext(start + limitMs)) {
        const status = members.map(
          ({ name, runtime }) => `${name} ${JSON.stringify(runtime.status(), null, 1)}`,
        )
        throw new Error(`condition not met within ${limitMs} ms of virtual time\n${status.join('\n')}`)
      }
      await settle()
    }
    return clock.now().mono - start
  }
  const pass = async (ms: number): Promise<void> => {
    const limit = clock.now().mono + ms
    do await settle()
    while (clock.ringNext(limit))
  }
  const pair = (a: number, b: number): [NodeId, NodeId] => [
    (members[a] as Member).id,
    (members[b] as Member).id,
  ]
  await Promise.all(members.map(({ runtime }) => runtime.start()))
  return {
    clock,
    p2p,
    http,
    members,
    pass,
    until,
    settle,
    cut(network, a, b) {
      const [x, y] = pair(a, b)
      network.cut(x, y)
      network.cut(y, x)
    },
    heal(network, a, b) {
      const [x, y] = pair(a, b)
      network.heal(x, y)
      network.heal(y, x)
    },
    stop: async () => void (await Promise.all(members.map(({ runtime }) => runtime.stop()))),
  }
}

/** Whether all members hold the same root. */
export function rootsEqual(federation: Federation): boolean {
  return new Set(federation.members.map(({ runtime }) => runtime.status().root)).size === 1
}
