/** Announces between two nodes that have more than one connection. */
import { createHash } from 'node:crypto'
import { expect, it } from '@jest/globals'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { NodeId } from '@lattice/core'
import { nodeIdFromPeerId } from '@lattice/p2p'
import { startStack, type Stack } from '../src/stack.ts'
import { cleanups, topic } from './p2p-world.ts'

it('announces go on over another connection where the one they took has ended', async () => {
  const [first, second] = await pair()
  const [listening] = first.stack.node.getMultiaddrs()
  if (listening === undefined) throw new Error('it does not listen')
  await second.stack.node.dial(listening)
  await hears(first, second)
  await hears(second, first)
  const [old] = second.stack.node.getConnections()
  const known = Promise.all([first, second].map(identified))
  await second.stack.node.dial(listening, { force: true })
  await known
  old?.abort(new Error('the network has changed'))
  await hears(first, second)
  await hears(second, first)
  expect(second.stack.node.getConnections()).toHaveLength(1)
})

interface Side {
  readonly stack: Stack
  /** First bytes of what was announced to it. */
  readonly heard: number[]
}

/** The next connection has told who is at its other end. */
function identified({ stack }: Side): Promise<unknown> {
  return new Promise(resolve => stack.node.addEventListener('peer:identify', resolve, { once: true }))
}

let nonce = 0

/** Announces from one to the other until one arrives; what was announced before does not count. */
async function hears(to: Side, from: Side): Promise<void> {
  const begin = nonce
  const isHeard = (): boolean => to.heard.some(each => each >= begin)
  for (let tries = 0; !isHeard() && tries < 100; tries++) {
    await from.stack.publish(Uint8Array.of(nonce++))
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  expect(isHeard()).toBe(true)
}

async function pair(): Promise<readonly [Side, Side]> {
  const seeds = ['first', 'second'].map(name => createHash('sha256').update(name).digest())
  const keys = await Promise.all(seeds.map(seed => generateKeyPairFromSeed('Ed25519', seed)))
  const ids = keys.map(key => nodeIdFromPeerId(peerIdFromPrivateKey(key).toString()))
  const [first, second] = await Promise.all(keys.map(key => side(key, new Set(ids))))
  if (first === undefined || second === undefined) throw new Error('there are two')
  return [first, second]
}

async function side(privateKey: PrivateKey, trusted: ReadonlySet<NodeId>): Promise<Side> {
  const heard: number[] = []
  const options = { privateKey, gater: {}, listen: ['/ip4/127.0.0.1/tcp/0'], announce: [], topic }
  const stack = await startStack(options, trusted, {
    connected: () => {},
    disconnected: () => {},
    closed: () => {},
    learnt: () => {},
    rumoured: () => {},
    heard: (_, frame) => void heard.push(frame[0] ?? -1),
    serve: async (_, frame) => frame,
  })
  cleanups.push(() => stack.stop())
  return { stack, heard }
}
