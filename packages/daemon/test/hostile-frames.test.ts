/** A member whose frames nobody can read, over both lungs: each is refused, and the log stays short. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { defaultParams, type Inbox, type NodeId } from '@lattice/core'
import { createHttpSyncTransport, type HttpSyncTransport } from '@lattice/http-sync'
import { createP2pTransport, type P2pTransport } from '@lattice/p2p'
import { systemClock } from '../src/host/clock.ts'
import { createVerifier, sha256, systemRandom } from '../src/host/crypto.ts'
import { identityFromSeed, type Identity } from '../src/host/identity.ts'
import { readBody } from '../src/http/body.ts'
import { openLoneRuntime } from './lone-runtime.ts'

const victim = identityFromSeed(Buffer.alloc(32, 21), 'generated')
const member = identityFromSeed(Buffer.alloc(32, 22), 'generated')
const trusted = new Set<NodeId>([victim.nodeId, member.nodeId])
const framesEach = 30

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function httpLung({ signer }: Identity, urls: readonly string[]): HttpSyncTransport {
  const { verifyOne } = createVerifier()
  return createHttpSyncTransport({
    signer,
    verify: verifyOne,
    hash: sha256,
    trusted,
    urls,
    clock: systemClock,
    random: systemRandom,
  })
}

function p2pLung({ seed }: Identity, port: number, bootstrap: readonly string[]): P2pTransport {
  return createP2pTransport({
    privateKeySeed: seed,
    trusted,
    listen: port < 0 ? [] : [`/ip4/127.0.0.1/tcp/${port}`],
    announce: [],
    bootstrap,
    topic: 'test/lattice/v1',
  })
}

/** Serves the HTTP lung as the daemon does: who it is, and its frames. */
async function serve(lung: HttpSyncTransport): Promise<string> {
  const server: Server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request
    if (method === 'GET') {
      response.setHeader('content-type', 'application/json').end(`{"public_key":"${victim.nodeId}"}`)
      return
    }
    const body = (): Promise<Uint8Array> => readBody(request)
    const signal = new AbortController().signal
    void lung.handler
      .handle({ method, path, query: '', headers, body, signal })
      .then(answer => response.writeHead(answer.status, answer.headers).end(answer.body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const deaf: Inbox = {
  peerUp: () => undefined,
  peerDown: () => undefined,
  announced: () => undefined,
  serve: () => Promise.reject(new Error('nothing is asked of it')),
}

it('a member that sends garbage fills no log, whichever way it sends it', async () => {
  const [http, p2p] = [httpLung(victim, []), p2pLung(victim, 0, [])]
  const url = await serve(http)
  const members = new Set([member.nodeId])
  const { runtime, complaints } = openLoneRuntime(victim.signer, {
    members,
    transports: [http, p2p],
    params: { ...defaultParams, p2pEnabled: true },
  })
  await runtime.start()
  cleanups.push(() => runtime.stop())

  let number = 0
  /** No two alike: gossip delivers a frame once. */
  const garbage = (): Uint8Array => Uint8Array.of(1, 255, number >> 8, number++ & 255)
  for (const lung of [httpLung(member, [url]), p2pLung(member, -1, [...p2p.listenAddrs()])]) {
    await lung.start(deaf)
    cleanups.push(() => lung.stop())
    await lung.connect(victim.nodeId, AbortSignal.timeout(10_000))
    for (let count = 0; count < framesEach; count += 1) {
      const asked = lung.request(victim.nodeId, garbage(), AbortSignal.timeout(10_000))
      await expect(asked).rejects.toMatchObject({ code: 'PEER_REFUSED' })
      await lung.announce(garbage())
    }
  }
  expect(complaints.filter(line => line === 'a malformed frame was dropped')).toHaveLength(1)
}, 30_000)
