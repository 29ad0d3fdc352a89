/** Real keys, real sockets: what the tests of the HTTP lung share. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock, Hash, NodeId, Random, Signer } from '@lattice/core'
import {
  createHttpSyncTransport,
  identityPath,
  syncPath,
  type HttpSyncOptions,
  type HttpSyncTransport,
  type SyncRequest,
} from '../src/index.ts'

export const hash: Hash = bytes => new Uint8Array(createHash('sha256').update(bytes).digest())

export const random: Random = {
  unit: () => Math.random(),
  bytes: length => new Uint8Array(randomBytes(length)),
}

export function newSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const nodeId = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString(
    'hex',
  ) as NodeId
  return { nodeId, sign: message => new Uint8Array(sign(null, message, privateKey)) }
}

/** A signer whose 32-byte seed is `seed` repeated, as in vectors/. */
export function signerOfSeed(seed: number): Signer {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const nodeId = Buffer.from(x, 'base64url').toString('hex') as NodeId
  return { nodeId, sign: message => new Uint8Array(sign(null, message, privateKey)) }
}

export function verifySignature(nodeId: NodeId, message: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(nodeId, 'hex').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, signature)
}

/** The clock of this host, shifted; alarms are real timers. */
export function newClock(wallOffsetMs = 0): Clock & { wallOffsetMs: number; monoOffsetMs: number } {
  const clock = {
    wallOffsetMs,
    monoOffsetMs: 0,
    now: () => ({ mono: performance.now() + clock.monoOffsetMs, wall: Date.now() + clock.wallOffsetMs }),
    alarm: (mono: number, callback: () => void) => {
      const timer = setTimeout(callback, Math.max(0, mono - clock.now().mono))
      return () => clearTimeout(timer)
    },
  }
  return clock
}

/** Listens on a loopback port chosen by the system. */
export async function listen(listener: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(listener)
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>(resolve => void server.close(() => resolve()))
}

/** A port on which nothing listens. */
export async function deadUrl(): Promise<string> {
  const { server, url } = await listen(() => {})
  await closeServer(server)
  return url
}

/** Puts `target()` behind HTTP as the daemon does: raw body in, nothing but the given headers out. */
export function serveWith(nodeId: NodeId, target: () => HttpSyncTransport | undefined): RequestListener {
  return (req, res) => {
    const [path = '', search] = (req.url ?? '').split('?', 2)
    if (path === identityPath) {
      const identity = JSON.stringify({
        success: true,
        peer_id: '12D3',
        listen_addrs: [],
        public_key: nodeId,
      })
      res.writeHead(200, { 'content-type': 'application/json' }).end(identity)
      return
    }
    const transport = target()
    if (path !== syncPath || transport === undefined) {
      res.writeHead(404).end()
      return
    }
    const gone = new AbortController()
    res.on('close', () => gone.abort())
    void (async () => {
      const request: SyncRequest = {
        method: req.method ?? '',
        path,
        query: search === undefined ? '' : `?${search}`,
        headers: req.headers,
        body: await readBody(req),
        signal: gone.signal,
      }
      const answer = await transport.handler.handle(request)
      res.writeHead(answer.status, answer.headers).end(answer.body)
    })().catch(() => res.writeHead(500).end())
  }
}

export async function readBody(req: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of req) parts.push(part as Buffer)
  return new Uint8Array(Buffer.concat(parts))
}

/** One node: a transport behind a server of its own. */
export interface TestNode {
  readonly signer: Signer
  readonly nodeId: NodeId
  readonly url: string
  readonly server: Server
  readonly transport: HttpSyncTransport
  readonly clock: ReturnType<typeof newClock>
  close(): Promise<void>
}

/** What of a node can be chosen; `urls` and `trusted` are the same objects the transport sees. */
export interface NodeSettings {
  readonly signer?: Signer
  readonly trusted: ReadonlySet<NodeId>
  readonly urls: () => readonly string[]
  readonly wallOffsetMs?: number
  readonly overrides?: Partial<HttpSyncOptions>
}

/** Opens the server; `build` makes the transport once all URLs are known. */
export async function openNode(settings: NodeSettings): Promise<{ url: string; build(): TestNode }> {
  const signer = settings.signer ?? newSigner()
  const clock = newClock(settings.wallOffsetMs ?? 0)
  let transport: HttpSyncTransport | undefined
  const { server, url } = await listen(serveWith(signer.nodeId, () => transport))
  return {
    url,
    build() {
      const made = createHttpSyncTransport({
        signer,
        verify: verifySignature,
        hash,
        random,
        clock,
        trusted: settings.trusted,
        urls: settings.urls(),
        ...settings.overrides,
      })
      transport = made
      const close = async (): Promise<void> => {
        await made.stop()
        await closeServer(server)
      }
      return { signer, nodeId: signer.nodeId, url, server, transport: made, clock, close }
    },
  }
}
