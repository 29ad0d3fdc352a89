/**
 * A node on real transports within this process: libp2p over TCP, signed HTTP, and a durable or an in-memory
 * store.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { EngineParams, Incarnation, NodeId, Store, Transport } from '@lattice/core'
import { createMemoryImage, createMemoryStore } from '@lattice/core/testing'
import {
  createVerifier,
  openSqliteStore,
  sha256,
  systemClock,
  systemRandom,
  type Identity,
  type Runtime,
} from '@lattice/daemon'
import { createHttpSyncTransport, identityPath, type HttpSyncTransport } from '@lattice/http-sync'
import { createP2pTransport, peerIdFromNodeId, type P2pTransport } from '@lattice/p2p'
import { createRuntime } from './bench-node.ts'

/** What a node on sockets is made of. */
export interface SocketNodeOptions {
  readonly identity: Identity
  readonly trusted: ReadonlySet<NodeId>
  /** 0 picks a free one. */
  readonly p2pPort?: number
  /** Multiaddrs to dial; undefined: no P2P at all. */
  readonly p2pBootstrap?: readonly string[]
  readonly p2pAnnounce?: readonly string[]
  readonly urls?: readonly string[]
  readonly httpPort: number
  /** Where the durable store lies; undefined: in memory. */
  readonly directory?: string
  readonly params?: Partial<EngineParams>
}

/** A running node on sockets. */
export interface SocketNode {
  readonly runtime: Runtime
  stop(): Promise<void>
}

/** The P2P lung as the daemon makes it, with the defaults of the contract. */
export function createP2p(options: {
  readonly identity: Identity
  readonly trusted: ReadonlySet<NodeId>
  readonly port?: number
  readonly bootstrap: readonly string[]
  readonly announce?: readonly string[]
}): P2pTransport {
  return createP2pTransport({
    privateKeySeed: options.identity.seed,
    trusted: options.trusted,
    listen: [`/ip4/127.0.0.1/tcp/${options.port ?? 0}`],
    announce: options.announce ?? [],
    bootstrap: options.bootstrap,
    topic: 'aethel/lattice/v1',
  })
}

/** Address of a node behind `port`. */
export function multiaddrOf(identity: Identity, port: number): string {
  return `/ip4/127.0.0.1/tcp/${port}/p2p/${peerIdFromNodeId(identity.nodeId).toString()}`
}

/** Starts a node. */
export async function startSocketNode(options: SocketNodeOptions): Promise<SocketNode> {
  const { identity, trusted, params = {}, urls = [], p2pBootstrap, p2pAnnounce, p2pPort = 0 } = options
  const store = await openStore(options.directory)
  const verifier = createVerifier()
  const http = createHttpSyncTransport({
    signer: identity.signer,
    verify: (author, message, signature) => verifier.verifyOne(author, message, signature),
    hash: sha256,
    trusted,
    urls,
    clock: systemClock,
    random: systemRandom,
  })
  const server = await serve(http, identity, options.httpPort)
  const transports: Transport[] = [http]
  if (p2pBootstrap !== undefined) {
    const announce = p2pAnnounce ?? []
    transports.push(createP2p({ identity, trusted, port: p2pPort, bootstrap: p2pBootstrap, announce }))
  }
  const runtime = createRuntime({
    identity,
    store,
    members: trusted,
    transports,
    params: { ...params, p2pEnabled: p2pBootstrap !== undefined },
  })
  await runtime.start()
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    server.close()
    await runtime.stop()
    await store.close()
  }
  return { runtime, stop }
}

async function openStore(directory: string | undefined): Promise<Store> {
  if (directory !== undefined) return openSqliteStore(directory)
  const incarnation = Buffer.from(systemRandom.bytes(8)).toString('hex') as Incarnation
  return createMemoryStore({ image: createMemoryImage(incarnation) })
}

/** The two rows of the daemon's HTTP server that other nodes call. */
async function serve(http: HttpSyncTransport, identity: Identity, port: number): Promise<Server> {
  const introduction = JSON.stringify({
    success: true,
    peer_id: identity.peerId,
    listen_addrs: [],
    public_key: identity.nodeId,
  })
  const server = createServer((request, response) => {
    if (request.url === identityPath) response.setHeader('content-type', 'application/json').end(introduction)
    else void answer(http, request, response)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function answer(
  http: HttpSyncTransport,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const parts: Buffer[] = []
  try {
    for await (const part of request) parts.push(part as Buffer)
  } catch {
    return // the client has gone
  }
  const [path = '/', query] = (request.url ?? '/').split('?')
  const answered = await http.handler.handle({
    method: request.method ?? '',
    path,
    query: query === undefined ? '' : `?${query}`,
    headers: request.headers,
    body: Buffer.concat(parts),
    signal: gone.signal,
  })
  response.writeHead(answered.status, { ...answered.headers, 'content-length': answered.body.length })
  response.end(answered.body)
}
