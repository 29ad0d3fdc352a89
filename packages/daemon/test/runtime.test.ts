import { afterEach, describe, expect, it } from '@jest/globals'
import {
  defaultParams,
  LatticeError,
  uintToBytes,
  versionAt,
  type Instant,
  type NodeEvent,
} from '@lattice/core'
import { createMemoryNetwork, createMemoryStore, createVirtualClock } from '@lattice/core/testing'
import { identityFromSeed } from '../src/host/identity.ts'
import { createFederation, rootsEqual, type Federation } from './federation.ts'
import { openLoneRuntime } from './lone-runtime.ts'

let federation: Federation | undefined

afterEach(async () => {
  await federation?.stop()
  federation = undefined
})

async function start(count = 3, params = {}): Promise<Federation> {
  federation = await createFederation(count, params)
  return federation
}

const put = (key: string, value: number) => [{ op: 'put', key, value }] as const
const increment = (key: string, by: number) => [{ op: 'increment', key, by }] as const

const allOnP2p = (world: Federation) => () =>
  world.members.every(({ runtime }) => runtime.status().p2pPeerCount === world.members.length - 1)

describe('runtime over both lungs', () => {
  it('finds all peers over P2P within a second', async () => {
    const world = await start()
    const tookMs = await world.until(allOnP2p(world), 1_000)
    expect(tookMs).toBeLessThanOrEqual(1_000)
    expect(world.members.map(({ runtime }) => runtime.status().phase)).toEqual(['P2P', 'P2P', 'P2P'])
  })

  it('a write on one node is readable on the others at once, and is acknowledged', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    const [one, two, three] = world.members
    const changes: NodeEvent[] = []
    two?.runtime.subscribe(event => changes.push(event))
    await one?.runtime.write(put('a', 1))
    await world.settle()
    expect([two?.runtime.read('a')?.value, three?.runtime.read('a')?.value]).toEqual([1, 1])
    expect(changes).toMatchObject([{ kind: 'change', key: 'a', via: 'p2p' }])
    await world.until(() => one?.runtime.status().peers.every(peer => peer.ahead === 0) === true, 1_000)
    await world.until(
      () => world.members.every(({ runtime }) => runtime.status().peers.every(peer => peer.behind === 0)),
      1_000,
    )
    expect(rootsEqual(world)).toBe(true)
  })

  it('concurrent writers on all nodes end in equal roots, and counters add up', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    const writes = world.members.flatMap(({ runtime }) =>
      Array.from({ length: 50 }, () => runtime.write(increment('c', 1))),
    )
    await Promise.all(writes)
    await world.until(() => rootsEqual(world), 5_000)
    expect(world.members.map(({ runtime }) => runtime.read('c')?.value)).toEqual([150, 150, 150])
  })

  it('writes on all sides of a full partition meet again after the heal', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    for (const network of [world.p2p, world.http])
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ] as const)
        world.cut(network, a, b)
    for (const { runtime, name } of world.members)
      await Promise.all([runtime.write(put(name, 1)), runtime.write(increment('c', 7))])
    await world.pass(200_000)
    expect(rootsEqual(world)).toBe(false)
    expect(world.members.map(({ runtime }) => runtime.status().phase)).toEqual(['NONE', 'NONE', 'NONE'])
    for (const network of [world.p2p, world.http])
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ] as const)
        world.heal(network, a, b)
    await world.until(() => rootsEqual(world), 15_000)
    expect(world.members.map(({ runtime }) => runtime.read('c')?.value)).toEqual([21, 21, 21])
  })

  it('a write during a silent P2P cut arrives over HTTP within 1.5 s, before any verdict', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    await world.pass(20_000)
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      world.cut(world.p2p, a, b)
    const [one, two, three] = world.members
    await one?.runtime.write(put('during', 1))
    const arrived = () =>
      two?.runtime.read('during') !== undefined && three?.runtime.read('during') !== undefined
    expect(await world.until(arrived, 5_000)).toBeLessThanOrEqual(1_500)
    expect(one?.runtime.status().phase).toBe('P2P')
    await world.until(() => world.members.every(({ runtime }) => runtime.status().phase === 'HTTP'), 61_000)
    const transitions = one?.runtime.transitions().map(({ from, to }) => `${from}>${to}`)
    expect(transitions).toEqual(['NONE>P2P', 'P2P>GRACE', 'GRACE>HTTP'])
  })

  it('in HTTP mode a write arrives at once through the held poll, and P2P returns by itself after the heal', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      world.cut(world.p2p, a, b)
    await world.until(() => world.members.every(({ runtime }) => runtime.status().phase === 'HTTP'), 120_000)
    const [one, two, three] = world.members
    await world.pass(30_000)
    await one?.runtime.write(put('pushed', 1))
    await world.settle()
    expect([two?.runtime.read('pushed')?.value, three?.runtime.read('pushed')?.value]).toEqual([1, 1])
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      world.heal(world.p2p, a, b)
    const tookMs = await world.until(
      () => world.members.every(({ runtime }) => runtime.status().phase === 'P2P'),
      120_000,
    )
    expect(tookMs).toBeLessThanOrEqual(45_000)
    expect(rootsEqual(world)).toBe(true)
  })

  it('a peer that falls silent on both paths at once is never declared reached over HTTP', async () => {
    const world = await start(2, { heartbeatMs: 500, peerlessTimeoutMs: 3_000 })
    await world.until(allOnP2p(world), 1_000)
    const http = (): boolean =>
      world.members.every(({ runtime }) =>
        runtime.status().peers.every(peer => peer.links.http.state === 'up'),
      )
    await world.until(http, 90_000)
    for (const network of [world.p2p, world.http]) world.cut(network, 0, 1)
    await world.pass(60_000)
    for (const { runtime } of world.members) {
      const steps = runtime.transitions().map(({ from, to }) => `${from}>${to}`)
      expect(steps).toEqual(['NONE>P2P', 'P2P>GRACE', 'GRACE>NONE'])
    }
    for (const network of [world.p2p, world.http]) world.heal(network, 0, 1)
    await world.until(allOnP2p(world), 15_000)
  })

  it('forced to HTTP a node sends over HTTP only, still takes P2P in, and returns to auto', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    const [one, two, three] = world.members
    await one?.runtime.switchMode('http', { reason: 'test' })
    const via: string[] = []
    two?.runtime.subscribe(event => event.kind === 'change' && via.push(`${event.key} ${event.via}`))
    one?.runtime.subscribe(
      event => event.kind === 'change' && event.via !== 'local' && via.push(`${event.key} ${event.via}`),
    )
    await world.pass(2_000)
    await one?.runtime.write(put('x', 1))
    await world.settle()
    await three?.runtime.write(put('y', 2))
    await world.settle()
    expect(via.sort()).toEqual(['x http', 'y p2p', 'y p2p'])
    await one?.runtime.switchMode('auto')
    expect(one?.runtime.status()).toMatchObject({ requested: 'auto', phase: 'P2P' })
    await world.until(() => rootsEqual(world), 1_000)
  })

  it('HTTP only: the triangle works without P2P, declared at once', async () => {
    const world = await start(3, { p2pEnabled: false })
    await world.until(() => world.members.every(({ runtime }) => runtime.status().phase === 'HTTP'), 1_000)
    await world.members[0]?.runtime.write(put('a', 1))
    await world.until(() => rootsEqual(world), 500)
    expect(world.members[2]?.runtime.read('a')?.value).toBe(1)
  })

  it('HTTP only: who writes again and again is heard each time, because news sets the pace of polls', async () => {
    const world = await start(2, { p2pEnabled: false })
    await world.until(() => world.members.every(({ runtime }) => runtime.status().phase === 'HTTP'), 1_000)
    await world.pass(1_000)
    const [one, two] = world.members
    let tookMs = 0
    for (let value = 1; value <= 20; value++) {
      await one?.runtime.write(put('a', value))
      tookMs += await world.until(() => two?.runtime.read('a')?.value === value, 1_000)
    }
    expect(tookMs).toBeLessThanOrEqual(20)
  })

  it('an idle federation stays quiet: no exchange beyond heartbeats, no mode change', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    await world.members[0]?.runtime.write(put('a', 1))
    await world.pass(3_600_000)
    expect(world.members.map(({ runtime }) => runtime.transitions().length)).toEqual([1, 1, 1])
    expect(world.members.map(({ runtime }) => runtime.status().warnings)).toEqual([[], [], []])
  })

  it('a refused commit tells the writer, changes nothing, and later writes work', async () => {
    const world = await start()
    await world.until(allOnP2p(world), 1_000)
    const [one] = world.members
    one?.store.failNext()
    await expect(one?.runtime.write(put('a', 1))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(one?.runtime.read('a')).toBeUndefined()
    await one?.runtime.write(put('a', 2))
    await world.until(() => rootsEqual(world), 2_000)
    expect(world.members[1]?.runtime.read('a')?.value).toBe(2)
  })

  it('an Idempotency-Key answers the same and applies once', async () => {
    const world = await start(1)
    const [one] = world.members
    const first = one?.runtime.write(increment('c', 5), { idempotencyKey: 'k' })
    const second = one?.runtime.write(increment('c', 5), { idempotencyKey: 'k' })
    expect((await first)?.version).toBe((await second)?.version)
    const third = await one?.runtime.write(increment('c', 5), { idempotencyKey: 'k' })
    expect(third?.version).toBe((await first)?.version)
    expect(one?.runtime.read('c')?.value).toBe(5)
    await expect(one?.runtime.write(increment('c', 6), { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
    })
  })

  it('whoever looks at rest sees rows and root that belong together, also while commits follow each other', async () => {
    const world = await start(1)
    const [one] = world.members
    const seen: [number, unknown][] = []
    let writing = true
    const look = async () => {
      while (writing) {
        seen.push(
          (await one?.runtime.atRest(() => [
            one.runtime.status().seq,
            one.runtime.read('n')?.value,
          ])) as never,
        )
        await Promise.resolve()
      }
    }
    const looking = look()
    for (let n = 1; n <= 20; n++) await one?.runtime.write(put('n', n))
    writing = false
    await looking
    expect(seen.length).toBeGreaterThan(20)
    expect(seen.filter(([seq, value]) => seq !== (value ?? 0))).toEqual([])
  })

  it('switching to the same mode again sets a new time limit, also for a restart', async () => {
    const world = await start(1)
    const [one] = world.members
    await one?.runtime.switchMode('p2p')
    await world.pass(3_600_000)
    const status = await one?.runtime.switchMode('p2p', { forMs: 60_000, reason: 'again' })
    const { wall } = world.clock.now()
    expect(status).toMatchObject({ phase: 'FORCED', reason: 'again', forcedUntilWall: wall + 60_000 })
    const kept: unknown = JSON.parse(Buffer.from(one?.store.fact('mode') ?? []).toString())
    expect(kept).toEqual({ mode: 'p2p', reason: 'again', untilWall: wall + 60_000 })
    await world.pass(61_000)
    expect(one?.runtime.status().requested).toBe('auto')
  })

  it('a switch that has run out is forgotten on the disk too', async () => {
    const world = await start(1)
    const [one] = world.members
    await one?.runtime.switchMode('http', { forMs: 60_000 })
    expect(one?.store.fact('mode')).toBeDefined()
    await world.pass(120_000)
    expect([one?.runtime.status().requested, one?.store.fact('mode')]).toEqual(['auto', undefined])
  })

  it('forgets the answer to an Idempotency-Key after a day, not before', async () => {
    const world = await start(1)
    const [one] = world.members
    const remembered = () => one?.store.facts('idempotency/', 10).length
    await one?.runtime.write(put('a', 1), { idempotencyKey: 'k' })
    await world.pass(23 * 3_600_000)
    expect(remembered()).toBe(1)
    await world.pass(2 * 3_600_000)
    expect(remembered()).toBe(0)
  })
})

it('forgets answers to Idempotency-Keys that stand behind thousands of younger ones', async () => {
  const [store, clock] = [createMemoryStore(), createVirtualClock()]
  const nameOf = (at: number): string => `idempotency/ab${at.toString(16).padStart(30, '0')}`
  const factOf = (wall: number): Uint8Array => {
    const fact = new Uint8Array(48)
    new DataView(fact.buffer).setBigUint64(32, BigInt(wall))
    return fact
  }
  const { wall } = clock.now()
  const facts = new Map<string, Uint8Array>([['clock', uintToBytes(versionAt(wall))]])
  for (let at = 0; at < 3_000; at++) facts.set(nameOf(at), factOf(at < 2_000 ? wall : wall - 2 * 86_400_000))
  await store.commit({ rows: [], drops: [], facts })
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer, { store, clock })
  await runtime.start()
  const names = (): string[] => store.facts('idempotency/', 9_999).map(([name]) => name)
  for (let turn = 0; turn < 600 && names().length > 2_000; turn++) {
    clock.ringNext(clock.now().mono + 60_000)
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(names()).toEqual(Array.from({ length: 2_000 }, (_, at) => nameOf(at)))
  await runtime.stop()
})

it('a page ends where it is enough, behind keys that were deleted, and the next one goes on there', async () => {
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime } = openLoneRuntime(signer)
  await runtime.start()
  for (const key of ['a', 'b', 'c', 'd', 'e']) await runtime.write(put(key, 1))
  await runtime.write([{ op: 'delete', key: 'b' }])
  await runtime.write([{ op: 'delete', key: 'd' }])
  const isEnough = ({ key }: { readonly key: string }): boolean => key === 'c'
  const page = runtime.list({ prefix: '', from: '', limit: 10, isEnough })
  expect([page.items.map(({ key }) => key), page.next]).toEqual([['a', 'c'], 'd'])
  const rest = runtime.list({ prefix: '', from: 'd', limit: 10, isEnough })
  expect([rest.items.map(({ key }) => key), rest.next]).toEqual([['e'], undefined])
  await runtime.stop()
})

it('a node without P2P leaves without complaint', async () => {
  const { runtime, complaints } = openLoneRuntime(
    identityFromSeed(new Uint8Array(32).fill(1), 'configured').signer,
  )
  await runtime.start()
  await runtime.stop()
  expect(complaints).toEqual([])
})

it('a P2P that does not come back after a jump of the clock is reported, and tried again', async () => {
  const clock = createVirtualClock()
  let aheadMs = 0
  let hasGone = true
  const now = (): Instant => ({ ...clock.now(), wall: clock.now().wall + aheadMs })
  const { signer } = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
  const { runtime, complaints } = openLoneRuntime(signer, {
    params: defaultParams,
    clock: { now, alarm: (at, ring) => clock.alarm(at, ring) },
    transports: [createMemoryNetwork('p2p').join(signer.nodeId, new Set())],
    restartP2p: async () => {
      if (hasGone) throw new LatticeError('P2P_UNAVAILABLE', 'the address has gone')
    },
  })
  await runtime.start()
  expect(runtime.startFailure('p2p')).toBeUndefined()
  aheadMs = 60_000
  await runtime.write(put('a', 1))
  await new Promise(resolve => setImmediate(resolve))
  expect([runtime.startFailure('p2p'), runtime.read('a')?.value]).toEqual(['the address has gone', 1])
  const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
  const pass = (ms: number): void => {
    for (const end = clock.now().mono + ms; clock.ringNext(end););
  }
  for (let tries = 0; tries < 3; tries++) {
    pass(60_000)
    await settled()
  }
  expect(complaints).toEqual(['the wall clock jumped; P2P is restarted', 'p2p could not start'])
  hasGone = false
  pass(60_000)
  await settled()
  expect(runtime.startFailure('p2p')).toBeUndefined()
  await runtime.stop()
})
