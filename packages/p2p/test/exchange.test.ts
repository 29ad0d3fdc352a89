import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from '@jest/globals'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { frameBytesMax, type Inbox, type NodeId } from '@lattice/core'
import { createP2pTransport, nodeIdFromPeerId, type P2pTransport } from '@lattice/p2p'
import fc from 'fast-check'
import { createNode, type P2pNode } from '../src/node.ts'
import { decodeMessage, encodeMessage, messageBytesMax } from '../src/message.ts'

const topic = 'test/exchange'
const cleanups: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe('exchange messages', () => {
  it('come back as they were', () => {
    const kind = fc.constantFrom('request', 'answer', 'refused', 'abort')
    fc.assert(
      fc.property(kind, fc.integer({ min: 0, max: 0xffff_ffff }), fc.uint8Array(), (name, id, body) => {
        expect(decodeMessage(encodeMessage(name, id, body))).toEqual({ kind: name, id, body })
      }),
    )
  })

  it('are undefined when malformed, whatever the bytes', () => {
    for (const bad of [[], [4, 0, 0, 0, 0], [0], [0, 1, 2, 3]]) {
      expect(decodeMessage(Uint8Array.from(bad))).toBeUndefined()
    }
    fc.assert(fc.property(fc.uint8Array(), bytes => void decodeMessage(bytes)))
  })
})

describe('a member that breaks the protocol', () => {
  it.each([
    ['an unknown kind', (stream: Stream) => write(stream, Uint8Array.of(9, 0, 0, 0, 1))],
    ['a message without header', (stream: Stream) => write(stream, new Uint8Array(0))],
    [
      'an answer nobody asked for',
      (stream: Stream) => write(stream, encodeMessage('answer', 1, new Uint8Array(1))),
    ],
    ['a message larger than a frame', (stream: Stream) => write(stream, new Uint8Array(messageBytesMax + 1))],
    ['the same request id twice', twice],
  ])('loses its stream after %s, and nothing else', async (_, misbehave) => {
    const { raw, stream, victim } = await rawPeer()
    const closed = new Promise(resolve => stream.addEventListener('close', resolve, { once: true }))
    await misbehave(stream).catch(() => {})
    await closed
    const again = await open(raw)
    await write(again, encodeMessage('request', 7, Uint8Array.of(1, 2)))
    const answer = decodeMessage(
      (await lpStream(again).read({ signal: AbortSignal.timeout(5000) })).subarray(),
    )
    expect(answer).toEqual({ kind: 'answer', id: 7, body: Uint8Array.of(1, 2) })
    expect(victim.listenAddrs()).toHaveLength(1)
  })

  it('is refused, not queued, beyond the requests served at once', async () => {
    const { stream, hold } = await rawPeer()
    hold()
    const prefixed = lpStream(stream, { maxDataLength: messageBytesMax })
    for (let id = 0; id < 40; id++) await prefixed.write(encodeMessage('request', id, Uint8Array.of(1)))
    const refused = decodeMessage((await prefixed.read({ signal: AbortSignal.timeout(5000) })).subarray())
    expect(refused).toMatchObject({ kind: 'refused', id: 32 })
    expect(Buffer.from(refused?.body ?? []).toString()).toBe('OVERLOADED')
  })

  it('has one share of room, on however many streams it asks', async () => {
    const { raw, stream, hold } = await rawPeer()
    hold()
    const [first, second] = [lpStream(stream), lpStream(await open(raw))]
    for (let id = 0; id < 32; id++) await first.write(encodeMessage('request', id, Uint8Array.of(1)))
    // The answer to this says that all of them have arrived.
    await first.write(encodeMessage('request', 32, Uint8Array.of(1)))
    await first.read({ signal: AbortSignal.timeout(5000) })
    await second.write(encodeMessage('request', 0, Uint8Array.of(1)))
    expect(await nextOf(second)).toMatchObject({ kind: 'refused', id: 0 })
  })

  it('gets no room back for answers that it does not take, also where it gives them up', async () => {
    const { stream, signals } = await rawPeer()
    stream.pause()
    const prefixed = lpStream(stream, { maxDataLength: messageBytesMax, maxBufferSize: 64 * messageBytesMax })
    for (let id = 1; id <= 32; id++) {
      await prefixed.write(encodeMessage('request', id, new Uint8Array(frameBytesMax).fill(id)))
      for (let polls = 0; signals.length < id && polls < 250; polls++)
        await new Promise(resolve => setTimeout(resolve, 20))
      await prefixed.write(encodeMessage('abort', id, noBody))
    }
    for (let id = 33; id <= 40; id++) await prefixed.write(encodeMessage('request', id, Uint8Array.of(1)))
    stream.resume()
    // Buffers on the way may have taken an answer or two.
    let kind: string | undefined = 'answer'
    while (kind === 'answer') kind = (await nextOf(prefixed))?.kind
    expect(kind).toBe('refused')
  })

  it('is cut off where it goes on asking and takes no refusal: none of them pile up here', async () => {
    const { stream, hold, signals } = await rawPeer()
    stream.pause()
    const prefixed = lpStream(stream, { maxDataLength: messageBytesMax })
    const ask = (id: number): Promise<void> =>
      prefixed.write(encodeMessage('request', id, new Uint8Array(frameBytesMax).fill(1)))
    const served = async (count: number): Promise<void> => {
      for (let polls = 0; signals.length < count && polls < 250; polls++)
        await new Promise(resolve => setTimeout(resolve, 20))
    }
    // Answers for more than the window of a stream, then as many open requests as there are places.
    for (let id = 1; id <= 8; id++) await ask(id)
    await served(8)
    hold()
    for (let id = 9; id <= 40; id++) await ask(id)
    const goesOn = async (): Promise<void> => {
      for (let id = 41; id <= 300; id++) await ask(id)
    }
    await goesOn().catch(() => {})
    expect(stream.status).toBe('reset')
  })

  it('gets no room back for requests it abandons without end', async () => {
    const { stream, hold, signals } = await rawPeer()
    hold()
    const prefixed = lpStream(stream, { maxDataLength: messageBytesMax })
    for (let id = 0; id < 100; id++) {
      await prefixed.write(encodeMessage('request', id, Uint8Array.of(1)))
      await prefixed.write(encodeMessage('abort', id, new Uint8Array(0)))
    }
    await prefixed.write(encodeMessage('request', 100, new Uint8Array(frameBytesMax)))
    for (let polls = 0; signals.length < 101 && polls < 250; polls++) {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    expect(signals.map(({ aborted }) => aborted)).toEqual([...Array<boolean>(100).fill(true), false])
  })
})

const noBody = new Uint8Array(0)

async function nextOf(prefixed: ReturnType<typeof lpStream>): Promise<ReturnType<typeof decodeMessage>> {
  return decodeMessage((await prefixed.read({ signal: AbortSignal.timeout(15_000) })).subarray())
}

async function write(stream: Stream, bytes: Uint8Array): Promise<void> {
  await lpStream(stream).write(bytes)
}

async function twice(stream: Stream): Promise<void> {
  const prefixed = lpStream(stream)
  await prefixed.write(encodeMessage('request', 1, Uint8Array.of(0)))
  await prefixed.write(encodeMessage('request', 1, Uint8Array.of(0)))
}

interface RawPeer {
  readonly raw: P2pNode
  readonly stream: Stream
  readonly victim: P2pTransport
  /** From now on the victim answers nothing. */
  hold(): void
  readonly signals: AbortSignal[]
}

/** A trusted libp2p node with a bare stream to a transport that echoes, except frames that start with 0. */
async function rawPeer(): Promise<RawPeer> {
  const seed = (name: string) => createHash('sha256').update(name).digest()
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed('raw'))
  const raw = await createNode({
    privateKey,
    gater: {},
    listen: [],
    announce: [],
    advertised: () => true,
    heard: () => {},
    topic,
  })
  await raw.start()
  cleanups.push(async () => raw.stop())
  const victim = createP2pTransport({
    privateKeySeed: seed('victim'),
    trusted: new Set<NodeId>([nodeIdFromPeerId(raw.peerId.toString())]),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    bootstrap: [],
    topic,
  })
  cleanups.push(() => victim.stop())
  const signals: AbortSignal[] = []
  let held = false
  const inbox: Inbox = {
    peerUp: () => {},
    peerDown: () => {},
    announced: () => {},
    serve: async (_, frame, signal) => {
      signals.push(signal)
      return held || frame[0] === 0 ? new Promise(() => {}) : frame
    },
  }
  await victim.start(inbox)
  await raw.dial(multiaddr(victim.listenAddrs()[0]))
  return { raw, stream: await open(raw), victim, hold: () => void (held = true), signals }
}

async function open(raw: P2pNode): Promise<Stream> {
  const [connection] = raw.getConnections()
  if (connection === undefined) throw new Error('not connected')
  return connection.newStream('/lattice/sync/1')
}
