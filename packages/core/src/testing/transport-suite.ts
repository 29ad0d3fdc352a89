/**
 * What every transport promises, as tests: run on libp2p, on HTTP and on the in-memory network.
 *
 * The jest functions are taken from the global object, so that importing this module outside jest does
 * nothing.
 */
import type * as Jest from '@jest/globals'
import { LatticeError, isLatticeError, type ErrorCode } from '../errors.ts'
import { frameBytesMax } from '../limits.ts'
import type { Inbox, Transport } from '../ports.ts'
import type { NodeId } from '../units.ts'

const { afterEach, describe, expect, it } = globalThis as unknown as typeof Jest

/** One node of a federation under test. */
export interface FederationMember {
  readonly nodeId: NodeId
  /** Not started yet: the suite starts it with an inbox of its own. */
  readonly transport: Transport
}

/** Nodes that trust each other, and what is needed to test the edges. */
export interface Federation {
  /** Each knows, or can learn, how to reach every other. */
  readonly members: readonly FederationMember[]
  /** Trusted by the members and with a known address, but nothing answers there. */
  readonly unreachable: NodeId
  /** Trusts and can reach the members, but they do not trust it. */
  readonly outsider: FederationMember
  /** Releases everything, also transports that were never started or are stopped already. */
  close(): Promise<void>
}

/** Neither trusted nor reachable: nobody has an address for it. */
const strangerId = 'e7'.repeat(32) as NodeId
/** Polling steps of 20 ms: short against the 1 s heartbeat a gossip mesh may need to form. */
const pollMs = 20
/** A mesh that has not formed by then will not form: gossip heartbeats are 1 s apart. */
const patienceMs = 8000

/** Registers the promises of `Transport` as tests on federations made by `makeFederation(members)`. */
export function transportSuite(name: string, makeFederation: (count: number) => Promise<Federation>): void {
  describe(`transport: ${name}`, () => {
    const opened: Federation[] = []
    const open = async (count: number): Promise<Opened> => {
      const federation = await makeFederation(count)
      opened.push(federation)
      return { federation, nodes: await Promise.all(federation.members.map(startNode)) }
    }
    afterEach(async () => {
      await Promise.all(opened.splice(0).map(federation => federation.close()))
    })
    linkTests(open)
    requestTests(open)
    concurrencyTests(open)
    failureTests(open)
    announceTests(open)
    stopTests(open)
    trustTests(open)
  })
}

type Open = (count: number) => Promise<Opened>

interface Opened {
  readonly federation: Federation
  readonly nodes: readonly Node[]
}

/** A started member with an inbox that records everything; `serve` may be replaced, it echoes by default. */
interface Node extends FederationMember {
  readonly calls: {
    up: NodeId[]
    announced: Array<{ from: NodeId; frame: Uint8Array }>
    served: Served[]
    total: number
  }
  serve: (request: Served) => Promise<Uint8Array>
}

interface Served {
  readonly from: NodeId
  readonly frame: Uint8Array
  readonly signal: AbortSignal
}

async function startNode(member: FederationMember): Promise<Node> {
  const node: Node = {
    ...member,
    calls: { up: [], announced: [], served: [], total: 0 },
    serve: async request => request.frame,
  }
  const inbox: Inbox = {
    peerUp: peer => void (node.calls.up.push(peer), node.calls.total++),
    peerDown: () => void node.calls.total++,
    announced: (from, frame) => void (node.calls.announced.push({ from, frame }), node.calls.total++),
    serve: (from, frame, signal) => {
      const request = { from, frame, signal }
      node.calls.served.push(request)
      node.calls.total++
      return node.serve(request)
    },
  }
  await member.transport.start(inbox)
  return node
}

function linkTests(open: Open): void {
  it('connect makes the peer known to the caller, again and again', async () => {
    const [a, b] = pair(await open(2))
    await a.transport.connect(b.nodeId, patience())
    await until('peerUp', () => a.calls.up.includes(b.nodeId))
    await a.transport.connect(b.nodeId, patience())
    expect(a.calls.up.every(peer => peer === b.nodeId)).toBe(true)
    expect(a.transport.addresses(b.nodeId).length).toBeGreaterThan(0)
  })

  it('a peer nobody knows is PEER_UNKNOWN', async () => {
    const [a] = pair(await open(2))
    await expectCode(a.transport.connect(strangerId, patience()), 'PEER_UNKNOWN')
    await expectCode(a.transport.request(strangerId, bytes(1), patience()), 'PEER_UNKNOWN')
    expect(a.transport.addresses(strangerId)).toEqual([])
  })

  it('a peer that does not answer at its address is PEER_UNREACHABLE', async () => {
    const { federation, nodes } = await open(2)
    const transport = at(nodes, 0).transport
    await expectCode(transport.connect(federation.unreachable, patience()), 'PEER_UNREACHABLE')
    await expectCode(transport.request(federation.unreachable, bytes(1), patience()), 'PEER_UNREACHABLE')
  })
}

function requestTests(open: Open): void {
  it.each([0, 1, 1000, frameBytesMax])(
    'carries a request and an answer of %i bytes exactly',
    async length => {
      const [a, b] = await linked(open)
      const question = bytes(length, 3)
      const answer = bytes(length, 7)
      b.serve = async () => answer
      expect(same(await a.transport.request(b.nodeId, question, patience()), answer)).toBe(true)
      const served = at(b.calls.served, 0)
      expect(served.from).toBe(a.nodeId)
      expect(same(served.frame, question)).toBe(true)
    },
  )

  it('carries requests both ways at once', async () => {
    const [a, b] = await linked(open)
    await b.transport.connect(a.nodeId, patience())
    a.serve = async () => bytes(5, 1)
    b.serve = async () => bytes(6, 2)
    const [fromB, fromA] = await Promise.all([
      a.transport.request(b.nodeId, bytes(1), patience()),
      b.transport.request(a.nodeId, bytes(2), patience()),
    ])
    expect(same(fromB, bytes(6, 2)) && same(fromA, bytes(5, 1))).toBe(true)
  })
}

function concurrencyTests(open: Open): void {
  it('does not mix up concurrent requests that are answered in another order', async () => {
    const [a, b] = await linked(open)
    const count = 24
    const gates = Array.from({ length: count }, () => Promise.withResolvers<void>())
    b.serve = async ({ frame }) => {
      await at(gates, frame[0] ?? 0).promise
      return Uint8Array.of(frame[0] ?? 0, 99)
    }
    const asked = gates.map((_, i) => a.transport.request(b.nodeId, Uint8Array.of(i), patience()))
    const finished: number[] = []
    asked.forEach((answer, i) => void answer.then(() => finished.push(i)))
    await until('all requests arrived', () => b.calls.served.length === count)
    for (let i = count - 1; i >= 0; i--) {
      at(gates, i).resolve()
      expect([...(await at(asked, i))]).toEqual([i, 99])
    }
    expect(finished).toEqual([...finished].sort((x, y) => y - x))
  })

  it('a request that takes long does not hold up others', async () => {
    const [a, b] = await linked(open)
    const slow = Promise.withResolvers<Uint8Array>()
    b.serve = async ({ frame }) => (frame[0] === 1 ? slow.promise : frame)
    const held = a.transport.request(b.nodeId, Uint8Array.of(1), patience())
    for (let i = 2; i < 30; i++) {
      expect([...(await a.transport.request(b.nodeId, Uint8Array.of(i), patience()))]).toEqual([i])
    }
    slow.resolve(Uint8Array.of(42))
    expect([...(await held)]).toEqual([42])
  })

  it('the signal of the asker ends the request on both sides', async () => {
    const [a, b] = await linked(open)
    b.serve = () => new Promise(() => {})
    const asker = new AbortController()
    const asked = a.transport.request(b.nodeId, bytes(3), asker.signal)
    await until('the request arrived', () => b.calls.served.length === 1)
    expect(at(b.calls.served, 0).signal.aborted).toBe(false)
    asker.abort()
    await expectCode(asked, 'PEER_TIMEOUT')
    await until('the server noticed', () => at(b.calls.served, 0).signal.aborted)
    b.serve = async ({ frame }) => frame
    expect(same(await a.transport.request(b.nodeId, bytes(4), patience()), bytes(4))).toBe(true)
    await expectCode(a.transport.request(b.nodeId, bytes(3), AbortSignal.abort()), 'PEER_TIMEOUT')
  })
}

function failureTests(open: Open): void {
  it('an inbox that cannot serve gives the asker PEER_REFUSED, and goes on', async () => {
    const [a, b] = await linked(open)
    b.serve = async () => Promise.reject(new LatticeError('NOT_READY'))
    await expectCode(a.transport.request(b.nodeId, bytes(3), patience()), 'PEER_REFUSED')
    b.serve = async ({ frame }) => frame
    expect(same(await a.transport.request(b.nodeId, bytes(3), patience()), bytes(3))).toBe(true)
  })

  it('a request larger than a frame is refused and never served', async () => {
    const [a, b] = await linked(open)
    await expectCode(a.transport.request(b.nodeId, bytes(frameBytesMax + 1), patience()), /^PEER_/)
    expect(b.calls.served).toEqual([])
    expect(same(await a.transport.request(b.nodeId, bytes(3), patience()), bytes(3))).toBe(true)
  })

  it('an answer larger than a frame is refused, and the link stays usable', async () => {
    const [a, b] = await linked(open)
    b.serve = async () => bytes(frameBytesMax + 1)
    await expectCode(a.transport.request(b.nodeId, bytes(3), patience()), /^PEER_/)
    b.serve = async ({ frame }) => frame
    expect(same(await a.transport.request(b.nodeId, bytes(3), patience()), bytes(3))).toBe(true)
  })
}

function announceTests(open: Open): void {
  it('announces to all connected peers, in the name of the author, and not to itself', async () => {
    const { nodes } = await open(3)
    const author = at(nodes, 0)
    const others = nodes.slice(1)
    for (const node of nodes) {
      for (const peer of nodes) if (peer !== node) await node.transport.connect(peer.nodeId, patience())
    }
    let nonce = 0
    const heardBy = (node: Node) => node.calls.announced.some(({ frame }) => frame.length === 300)
    await until(
      'everybody heard',
      () => others.every(heardBy),
      () => author.transport.announce(bytes(300, nonce++)),
    )
    for (const { from } of others.flatMap(node => node.calls.announced)) expect(from).toBe(author.nodeId)
    expect(author.calls.announced).toEqual([])
  })

  it('announcing with nobody in reach is no error', async () => {
    const [a] = pair(await open(2))
    await a.transport.announce(bytes(10))
  })
}

function stopTests(open: Open): void {
  it('stop ends what is open on both sides, and nothing is called back afterwards', async () => {
    const [a, b] = await linked(open)
    await b.transport.connect(a.nodeId, patience())
    a.serve = b.serve = () => new Promise(() => {})
    const endless = new AbortController().signal
    const asked = expectCode(a.transport.request(b.nodeId, bytes(3), endless), /^PEER_/)
    const served = expectCode(b.transport.request(a.nodeId, bytes(4), endless), /^PEER_/)
    await until('both arrived', () => a.calls.served.length + b.calls.served.length === 2)
    await a.transport.stop()
    await Promise.all([asked, served])
    expect(at(a.calls.served, 0).signal.aborted).toBe(true)
    const before = a.calls.total
    await expectCode(b.transport.request(a.nodeId, bytes(3), patience()), /^PEER_/)
    await b.transport.announce(bytes(20))
    await expectCode(a.transport.request(b.nodeId, bytes(3), patience()), /^PEER_/)
    expect(a.calls.total).toBe(before)
    await a.transport.stop()
  })

  it('a stopped transport can be started again', async () => {
    const [a, b] = await linked(open)
    await a.transport.stop()
    const again = await startNode(a)
    await again.transport.connect(b.nodeId, patience())
    expect(same(await again.transport.request(b.nodeId, bytes(9), patience()), bytes(9))).toBe(true)
  })
}

function trustTests(open: Open): void {
  it('an outsider reaches no handler', async () => {
    const { federation, nodes } = await open(2)
    const outsider = await startNode(federation.outsider)
    const member = at(nodes, 0)
    await outsider.transport.connect(member.nodeId, patience()).catch(expectPeerError)
    await expectCode(outsider.transport.request(member.nodeId, bytes(3), patience()), /^PEER_/)
    await outsider.transport.announce(bytes(30))
    await expectCode(member.transport.connect(outsider.nodeId, patience()), 'PEER_UNKNOWN')
    expect(member.calls).toEqual({ up: [], announced: [], served: [], total: 0 })
  })
}

async function linked(open: Open): Promise<readonly [Node, Node]> {
  const [a, b] = pair(await open(2))
  await a.transport.connect(b.nodeId, patience())
  return [a, b]
}

function pair({ nodes }: Opened): readonly [Node, Node] {
  return [at(nodes, 0), at(nodes, 1)]
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  if (item === undefined) throw new Error(`nothing at ${index}`)
  return item
}

/** `length` bytes that differ by place and by `seed`. */
function bytes(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 0xff)
}

/** Compares without jest's slow element-wise walk over 256 KiB. */
function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function patience(): AbortSignal {
  return AbortSignal.timeout(patienceMs)
}

function expectPeerError(error: unknown): void {
  expect(isLatticeError(error) ? error.code : error).toMatch(/^PEER_/)
}

/** Expects a rejection with this code. */
async function expectCode(work: Promise<unknown>, code: ErrorCode | RegExp): Promise<void> {
  const failure: unknown = await work.then(
    () => 'no rejection',
    (error: unknown) => (isLatticeError(error) ? error.code : error),
  )
  expect(failure).toEqual(typeof code === 'string' ? code : expect.stringMatching(code))
}

/** Polls until `holds`, calling `nudge` before each look; fails with `what` when patience ends. */
async function until(what: string, holds: () => boolean, nudge?: () => Promise<void>): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    await nudge?.()
    if (holds()) return
    if (waitedMs >= patienceMs) throw new Error(`not within ${patienceMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}
