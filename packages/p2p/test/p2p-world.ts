/** Nodes of the P2P lung on loopback, for tests. */
import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach } from '@jest/globals'
import type { Inbox, NodeId } from '@lattice/core'
import { createP2pTransport, nodeIdFromPeerId, peerIdFromNodeId } from '@lattice/p2p'
import type { P2pOptions, P2pTransport } from '@lattice/p2p'

export const topic = 'test/lattice/v1'
/** What ends after each test, last first. */
export const cleanups: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Listens nowhere: can only be reached over connections it opened itself. */
export const unheard = -1

export interface Identity {
  readonly seed: Uint8Array
  readonly nodeId: NodeId
  readonly port: number
}

export interface TestNode {
  readonly nodeId: NodeId
  readonly transport: P2pTransport
  readonly inbox: Inbox
  /** `up <node>` and `down <node>`, in order. */
  readonly events: string[]
  /** Authors of the announces heard. */
  readonly heard: NodeId[]
  /** Resolves once `event` has happened after the last one that was waited for. */
  seen(event: string): Promise<void>
}

export function identity(number: number, port: number): Identity {
  const seed = createHash('sha256').update(`p2p test ${number}`).digest()
  return { seed, nodeId: nodeIdFromPeerId(createP2pTransport(bareOptions(seed)).peerId), port }
}

/** Of a node that trusts, dials and listens to nobody. */
export function bareOptions(privateKeySeed: Uint8Array): P2pOptions {
  return { privateKeySeed, trusted: new Set(), listen: [], announce: [], bootstrap: [], topic }
}

export function addressOf({ nodeId, port }: Identity): string {
  return `/ip4/127.0.0.1/tcp/${port}/p2p/${peerIdFromNodeId(nodeId)}`
}

export function makeNode(
  own: Identity,
  trusted: readonly Identity[],
  bootstrap: readonly string[],
  extra: Partial<P2pOptions> = {},
): TestNode {
  const transport = createP2pTransport({
    privateKeySeed: own.seed,
    trusted: new Set(trusted.map(({ nodeId }) => nodeId)),
    listen: own.port === unheard ? [] : [`/ip4/127.0.0.1/tcp/${own.port}`],
    announce: [],
    bootstrap,
    topic,
    ...extra,
  })
  cleanups.push(() => transport.stop())
  const events: string[] = []
  const heard: NodeId[] = []
  let looked = 0
  const inbox: Inbox = {
    peerUp: peer => void events.push(`up ${peer}`),
    peerDown: peer => void events.push(`down ${peer}`),
    announced: from => void heard.push(from),
    serve: async (_, frame) => frame,
  }
  const seen = async (event: string): Promise<void> => {
    await until(() => events.indexOf(event, looked) >= 0)
    looked = events.indexOf(event, looked) + 1
  }
  return { nodeId: own.nodeId, transport, inbox, events, heard, seen }
}

export async function startNode(
  own: Identity,
  trusted: readonly Identity[],
  bootstrap: readonly string[] = [],
  extra: Partial<P2pOptions> = {},
): Promise<TestNode> {
  const node = makeNode(own, trusted, bootstrap, extra)
  await node.transport.start(node.inbox)
  return node
}

export async function trustedPair(): Promise<readonly [TestNode, TestNode]> {
  const [first = 0, second = 0] = await freePorts(2)
  const [a, b] = [identity(1, first), identity(2, second)]
  return [await startNode(a, [b], [addressOf(b)]), await startNode(b, [a], [addressOf(a)])]
}

/** Ports that were free a moment ago: addresses must be known before the nodes that use them start. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createTcpServer()
      await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

export async function listen(server: Server): Promise<Server> {
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  return server
}

export function soon(): AbortSignal {
  return AbortSignal.timeout(8000)
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let polls = 0; !(await holds()); polls++) {
    if (polls > 400) throw new Error('not within 8 s')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
