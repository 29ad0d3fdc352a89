/** What a member that means harm cannot take from the others: memory, time, and their places. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { LatticeError, type NodeId } from '@lattice/core'
import { nodeIdFromPeerId } from '@lattice/p2p'
import { Dialer } from '../src/dialer.ts'
import { dhtProtocol } from '../src/discovery.ts'
import { createNode, type P2pNode } from '../src/node.ts'
import { addressOf, cleanups, freePorts, identity, soon, startNode, topic } from './p2p-world.ts'
import type { TestNode } from './p2p-world.ts'

describe('a member that floods the DHT', () => {
  it('has nothing stored, neither records nor addresses', async () => {
    const { raw, connection, victim } = await attack()
    const cid = Buffer.from([1, 0x55, 0x12, 32, ...createHash('sha256').update('any').digest()])
    const self = raw.peerId.toMultihash().bytes
    const addProvider = dhtMessage(kinds.addProvider, cid, bytesField(9, peerInfo(self, addresses(500))))
    await askDht(connection, addProvider, dhtMessage(kinds.ping, cid))
    const found = await askDht(connection, dhtMessage(kinds.getProviders, cid))
    const known = await askDht(connection, dhtMessage(kinds.findNode, self))
    const isFlooded = [found, known].map(answer => answer.includes(Buffer.from(addresses(500).at(-1) ?? [])))
    expect(isFlooded).toEqual([false, false])
    expect(victim.transport.addresses(nodeIdOf(raw))).toEqual([])
  })

  it('loses a stream on which it says more than there is to say', async () => {
    const { connection } = await attack()
    const long = dhtMessage(kinds.findNode, new Uint8Array(100_000))
    await expect(askDht(connection, long)).rejects.toThrow(/reset|closed/)
    const id = connection.remotePeer.toMultihash().bytes
    expect((await askDht(connection, dhtMessage(kinds.findNode, id))).length).toBeGreaterThan(0)
  })
})

describe('a member with hundreds of addresses', () => {
  it('is remembered with a few of them', async () => {
    const announce = addresses(100).map(bytes => multiaddr(bytes).toString())
    const { raw, connection, victim } = await attack(announce)
    const isKnown = (): boolean => victim.transport.addresses(nodeIdOf(raw)).length > 0
    for (let polls = 0; !isKnown() && polls < 400; polls++)
      await new Promise(resolve => setTimeout(resolve, 20))
    const told = await askDht(connection, dhtMessage(kinds.findNode, raw.peerId.toMultihash().bytes))
    const listed = addresses(100).filter(address => told.includes(Buffer.from(address)))
    expect(listed).toHaveLength(16)
  })
})

describe('a member that connects without end', () => {
  it('leaves the places of others alone', async () => {
    const [port = 0] = await freePorts(1)
    const [host, other] = [identity(1, port), identity(2, 0)]
    const { raw, victim } = await attack([], { host, trusted: [other] })
    for (let dials = 0; dials < 20; dials++)
      await raw.dial(multiaddr(addressOf(host)), { force: true }).catch(() => {})
    const member = await startNode(other, [host], [addressOf(host)])
    await member.transport.connect(victim.nodeId, soon())
    await victim.seen(`up ${member.nodeId}`)
  })
})

describe('a member that lies about the addresses of another', () => {
  it('cannot keep the configured one from its turn', async () => {
    const peer = identity(3, 1)
    const configured = addressOf(peer)
    const dialer = new Dialer(new Map([[peer.nodeId, [configured]]]))
    const tried: string[] = []
    // Each try takes all the time there is, as where nothing answers.
    const node = {
      dial: async (to: unknown) => {
        tried.push(String(to))
        throw new Error('timed out')
      },
    } as unknown as P2pNode
    for (let round = 0; round < 20; round++) {
      dialer.hear(
        peer.nodeId,
        addresses(30).map(bytes => multiaddr(`/ip4/192.0.2.${round}`).encapsulate(multiaddr(bytes.slice(5)))),
      )
      const ending = new AbortController()
      const dial = dialer.dial(node, peer.nodeId, ending.signal)
      ending.abort()
      await expect(dial).rejects.toThrow(LatticeError)
    }
    expect(tried.filter(address => address === configured).length).toBeGreaterThanOrEqual(4)
    expect(dialer.addresses(peer.nodeId)).toHaveLength(5)
  })
})

interface Attack {
  readonly raw: P2pNode
  readonly connection: Connection
  readonly victim: TestNode
}

/** A bare libp2p node that `host` trusts, connected to it. */
async function attack(
  announce: readonly string[] = [],
  { host = identity(1, 0), trusted = [] as Parameters<typeof startNode>[1] } = {},
): Promise<Attack> {
  const seed = createHash('sha256').update('hostile member').digest()
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)
  const raw = await createNode({
    privateKey,
    gater: {},
    listen: [],
    announce,
    advertised: () => true,
    heard: () => {},
    topic,
  })
  await raw.start()
  cleanups.push(async () => raw.stop())
  const victim = await startNode(host, [{ seed, nodeId: nodeIdOf(raw), port: 0 }, ...trusted])
  const connection = await raw.dial(multiaddr(victim.transport.listenAddrs()[0]))
  return { raw, connection, victim }
}

function nodeIdOf(raw: P2pNode): NodeId {
  return nodeIdFromPeerId(raw.peerId.toString())
}

function addresses(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => multiaddr(`/ip4/10.7.0.7/tcp/${10_000 + i}`).bytes)
}

/** Numbers of the kinds of messages (libp2p specs, kad-dht). */
const kinds = { addProvider: 2, getProviders: 3, findNode: 4, ping: 5 }

function dhtMessage(kind: number, key: Uint8Array, ...more: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(8, kind), bytesField(2, key), ...more])
}

function peerInfo(id: Uint8Array, addressesOfPeer: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([bytesField(1, id), ...addressesOfPeer.map(address => bytesField(2, address))])
}

/** A field of protobuf: number and type, length as LEB128, bytes. */
function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  const length: number[] = []
  let rest = bytes.length
  for (; rest > 127; rest >>= 7) length.push(128 | (rest & 127))
  return Buffer.concat([Uint8Array.of(8 * number + 2, ...length, rest), bytes])
}

/** Sends messages on a stream of their own; the first answer. */
async function askDht(connection: Connection, ...messages: readonly Uint8Array[]): Promise<Buffer> {
  const stream = await connection.newStream(dhtProtocol)
  const prefixed = lpStream(stream)
  for (const message of messages) await prefixed.write(message)
  const answer = await prefixed.read({ signal: soon() })
  stream.abort(new Error('done'))
  return Buffer.from(answer.subarray())
}
