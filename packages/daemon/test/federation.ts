/** Real runtimes over memory networks and stores, in virtual time: the test moves the clock. */
import { createHash, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import {
  defaultParams,
  type EngineParams,
  type Hash,
  type Incarnation,
  type Instant,
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
  image: MemoryImage
  /** How far its wall clock is ahead of true time. */
  aheadMs: number
  /** Members that its configuration does not name; counts from its next start. */
  strangers: readonly NodeId[]
  /** Members that its configuration takes for members of the past; counts from its next start. */
  former: readonly NodeId[]
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
  /** Ends a member's process and starts it anew on another disk. */
  restart(index: number, image: MemoryImage): Promise<void>
  /** Lets everything that needs no time happen; for `runtime.write` and the like. */
  settle(): Promise<void>
  stop(): Promise<void>
}

/** Who a member is, and what proves it. */
export interface Keys {
  readonly id: NodeId
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Makes the keys of a new member. */
export function createKeys(): Keys {
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

interface Surroundings {
  readonly clock: VirtualClock
  readonly p2p: MemoryNetwork
  readonly http: MemoryNetwork
  readonly everybody: readonly Keys[]
  readonly params: Partial<EngineParams>
}

/** Checks signatures against the keys of everybody. */
function createVerifier(everybody: readonly Keys[]): Verifier {
  const keyOf = (author: NodeId): KeyObject => (everybody.find(({ id }) => id === author) as Keys).publicKey
  return {
    verify: async items =>
      items.map(({ author, message, signature }) => verify(null, message, keyOf(author), signature)),
  }
}

function createMember(index: number, surroundings: Surroundings): Member {
  const { id } = surroundings.everybody[index] as Keys
  const name = `node${index + 1}`
  const image = createMemoryImage(`00000000000000${(index + 16).toString(16)}` as Incarnation)
  const member = { id, name, image, aheadMs: 0, strangers: [], former: [], logs: [] }
  return Object.assign(member, boot(member, index, surroundings))
}

/** What runs on a member's disk from now on. */
function boot(
  member: Omit<Member, 'runtime' | 'store'>,
  index: number,
  surroundings: Surroundings,
): Pick<Member, 'runtime' | 'store'> {
  const { clock, p2p, http, everybody, params } = surroundings
  const { id, name, image, strangers, former, logs } = member
  const { privateKey } = everybody[index] as Keys
  const others = [...strangers, ...former]
  const trusted = new Set(everybody.map(keys => keys.id).filter(each => !others.includes(each)))
  const signer: Signer = { nodeId: id, sign: message => sign(null, message, privateKey) }
  const store = createMemoryStore({ image })
  const now = (): Instant => ({ ...clock.now(), wall: clock.now().wall + member.aheadMs })
  const runtime = new Runtime({
    info: { name, role: 'node', software: 'test' },
    store,
    hash: sha256,
    signer,
    verifier: createVerifier(everybody),
    random: seededRandom(index + 1),
    params: { ...defaultParams, ...params },
    members: trusted,
    former: new Set(former),
    clock: { now, alarm: (at, callback) => clock.alarm(at, callback) },
    transports: [p2p.join(id, trusted), http.join(id, trusted)],
    log: (level, message, fields) =>
      logs.push(`${clock.now().mono} ${level} ${message} ${JSON.stringify(fields)}`),
  })
  return { runtime, store }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Moves the clock past every alarm, with room between them for what needs no time. */
function createTimeline(clock: VirtualClock, members: readonly Member[]): Pick<Federation, 'pass' | 'until'> {
  return {
    async pass(ms) {
      const limit = clock.now().mono + ms
      do await settle()
      while (clock.ringNext(limit))
    },
    async until(condition, limitMs) {
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
    },
  }
}

/** Cuts and heals links, by the members' places. */
function createScissors(members: readonly Member[]): Pick<Federation, 'cut' | 'heal'> {
  const idAt = (index: number): NodeId => (members[index] as Member).id
  return {
    cut(network, a, b) {
      network.cut(idAt(a), idAt(b))
      network.cut(idAt(b), idAt(a))
    },
    heal(network, a, b) {
      network.heal(idAt(a), idAt(b))
      network.heal(idAt(b), idAt(a))
    },
  }
}

/** Starts `count` members that trust each other. */
export async function createFederation(
  count: number,
  params: Partial<EngineParams> = {},
): Promise<Federation> {
  const clock = createVirtualClock()
  const p2p = createMemoryNetwork('p2p')
  const http = createMemoryNetwork('http')
  const everybody = Array.from({ length: count }, createKeys).sort((a, b) => (a.id < b.id ? -1 : 1))
  const surroundings = { clock, p2p, http, everybody, params }
  const members = everybody.map((_, index) => createMember(index, surroundings))
  await Promise.all(members.map(({ runtime }) => runtime.start()))
  return {
    clock,
    p2p,
    http,
    members,
    ...createTimeline(clock, members),
    ...createScissors(members),
    async restart(index, image) {
      const member = members[index] as Member
      await member.runtime.stop()
      Object.assign(member, { image })
      Object.assign(member, boot(member, index, surroundings))
      await member.runtime.start()
    },
    settle,
    stop: async () => void (await Promise.all(members.map(({ runtime }) => runtime.stop()))),
  }
}

/** Whether all members hold the same root. */
export function rootsEqual(federation: Federation): boolean {
  return new Set(federation.members.map(({ runtime }) => runtime.status().root)).size === 1
}
