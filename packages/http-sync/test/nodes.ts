/** Started nodes, impostors and a counting TCP proxy: the cast of the tests on real sockets. */
import type { RequestListener } from 'node:http'
import { isLatticeError, type Inbox, type NodeId, type Signer } from '@lattice/core'
import { createHttpSyncTransport, identityPath, type HttpSyncOptions } from '../src/index.ts'
import { contentDigest, signResponse } from '../src/signatures.ts'
import {
  closeServer,
  hash,
  listen,
  newClock,
  newSigner,
  openNode,
  random,
  readBody,
  verifySignature,
  type TestNode,
} from './harness.ts'

/** What has been opened, to be closed by `closeAll` after each test. */
export const cleanups: Array<() => Promise<void>> = []

/** Closes whatever a test has opened. */
export async function closeAll(): Promise<void> {
  await Promise.all(cleanups.splice(0).map(clean => clean()))
}

export const frame = Uint8Array.from({ length: 100 }, (_, i) => i)

export interface Heard {
  readonly up: NodeId[]
  readonly down: string[]
  readonly announced: Uint8Array[]
  readonly served: Uint8Array[]
}

export function newInbox(): Inbox & { heard: Heard } {
  const heard: Heard = { up: [], down: [], announced: [], served: [] }
  return {
    heard,
    peerUp: peer => void heard.up.push(peer),
    peerDown: (_, reason) => void heard.down.push(reason),
    announced: (_, bytes) => void heard.announced.push(bytes),
    serve: async (_, bytes) => {
      heard.served.push(bytes)
      return bytes.toReversed()
    },
  }
}

/** Two started nodes that know each other's URL. */
export async function openPair(
  wallOffsetMs = 0,
): Promise<{ a: TestNode; b: TestNode; heardByA: Heard; heardByB: Heard }> {
  const signers = [newSigner(), newSigner()] as const
  const trusted = new Set<NodeId>(signers.map(({ nodeId }) => nodeId))
  const urls: string[] = []
  const first = await openNode({ signer: signers[0], trusted, urls: () => urls, wallOffsetMs })
  const second = await openNode({ signer: signers[1], trusted, urls: () => urls })
  urls.push(first.url, second.url)
  const [a, b] = [first.build(), second.build()]
  const [inboxA, inboxB] = [newInbox(), newInbox()]
  await Promise.all([a.transport.start(inboxA), b.transport.start(inboxB)])
  cleanups.push(
    () => a.close(),
    () => b.close(),
  )
  return { a, b, heardByA: inboxA.heard, heardByB: inboxB.heard }
}

/** A started client for whatever `listener` does in the place of `peer`. */
export async function openAgainst(listener: RequestListener, peer: Signer = newSigner()) {
  const { server, url } = await listen(listener)
  cleanups.push(() => closeServer(server))
  return { url, ...(await openClient([url], peer.nodeId)) }
}

export async function openClient(
  urls: readonly string[],
  peer: NodeId,
  overrides: Partial<HttpSyncOptions> = {},
) {
  const signer = newSigner()
  const transport = createHttpSyncTransport({
    signer,
    verify: verifySignature,
    hash,
    random,
    clock: newClock(),
    trusted: new Set([peer]),
    urls,
    ...overrides,
  })
  const inbox = newInbox()
  await transport.start(inbox)
  cleanups.push(() => transport.stop())
  return { transport, heard: inbox.heard, signer }
}

export function patience(): AbortSignal {
  return AbortSignal.timeout(8000)
}

export async function failureOf(
  work: Promise<unknown>,
): Promise<{ code: string; message: string; error: unknown }> {
  const error: unknown = await work.then(
    () => new Error('no rejection'),
    (reason: unknown) => reason,
  )
  return isLatticeError(error)
    ? { code: error.code, message: error.message, error }
    : { code: 'none', message: String(error), error }
}

/** What a node answers to anything before frames: its identity, and signed hellos. */
export type Reply = Parameters<RequestListener>[1]

/** Plays `peer`: identity and hello as they should be, `misbehave` for everything else. */
export function impostor(
  peer: Signer,
  misbehave: (res: Reply, requestSignature: string) => void,
): RequestListener {
  return (req, res) => {
    if (req.url === identityPath) {
      res
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ public_key: peer.nodeId }))
      return
    }
    const requestSignature = String(req.headers['signature'])
    void readBody(req).then(() => {
      if (!String(req.headers['content-type']).includes('hello')) return misbehave(res, requestSignature)
      answer(res, peer, requestSignature, 204, new Uint8Array())
    })
  }
}

/** A well signed answer; `extra` may spoil it. */
export function answer(
  res: Reply,
  signer: Signer,
  requestSignature: string,
  status: number,
  body: Uint8Array,
  extra: Record<string, string> = {},
): void {
  const digest = contentDigest(hash, body)
  const proof = signResponse(signer, { status, contentDigest: digest, requestSignature })
  const headers = {
    'content-type': 'application/x-lattice-frame',
    'content-digest': digest,
    ...proof,
    ...extra,
  }
  res.writeHead(status, headers).end(body)
}
