/**
 * The HTTP server around the app: bounded in headers, time and connections, strict in parsing, and able to
 * end well.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { EventEmitter } from 'node:events'
import { Socket, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { problemMediaType } from '@lattice/api'
import { isLoopbackHost } from './caller.ts'
import { boundConnections, crowdLimits, type CrowdLimits } from './crowd.ts'
import { problemBody } from './problems.ts'

/** All headers of one request: signed exchanges need about 1 KiB, hosting proxies add about as much. */
const headerBytesMax = 16 * 1024

/** Slow senders of headers and of whole requests are cut off (slow-loris). */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000

/** Longer than the 60 s that proxies keep idle connections, so that the proxy, not we, closes first. */
const keepAliveTimeoutMs = 65_000

/** A connection on which nothing moves for so long is dead, or held by somebody who takes no answer. */
const standstillMs = 300_000

/** How long requests in flight may take to end at shutdown. */
const drainMs = 3000

/** Gets an upgrade request with its socket and the bytes already read. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** A listening server, or one about to. */
export interface HttpServer {
  /** The server itself, for what is not here. */
  readonly server: Server
  /** Resolves the bound address. Rejects with the system's error, e.g. EADDRINUSE. */
  listen(port: number, host: string): Promise<AddressInfo>
  /**
   * Says "not ready", ends streams, waits up to 3 s for requests in flight, then closes every socket. Once
   * only.
   */
  close(): Promise<void>
}

function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request'
  const problem = problemBody('REQUEST_INVALID', `the request is not well-formed HTTP: ${status.slice(4)}`, {
    status: Number(status.slice(0, 3)),
  })
  const body = JSON.stringify(problem)
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: ${problemMediaType}\r\n`
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** Counts the requests not answered yet, and tells when there are none. */
class InFlight {
  #count = 0
  #settled = (): void => undefined

  constructor(server: Server) {
    server.prependListener('request', (_request, response) => {
      this.#count += 1
      response.once('close', () => {
        this.#count -= 1
        if (this.#count === 0) this.#settled()
      })
    })
  }

  /** Waits for the last one, `limitMs` at most. */
  async drained(limitMs: number): Promise<void> {
    if (this.#count === 0) return
    const overdue = new AbortController()
    const idle = new Promise<void>(resolve => (this.#settled = resolve))
    const limit = wait(limitMs, undefined, { signal: overdue.signal }).catch(() => undefined)
    await Promise.race([idle, limit])
    overdue.abort()
  }
}

/** Hands upgrades on; the server forgets such sockets, and someone has to close them in the end. */
function passUpgrades(server: Server, onUpgrade: UpgradeHandler): ReadonlySet<Duplex> {
  const upgraded = new Set<Duplex>()
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket)
    // What is upgraded may be silent for long: whoever gets it knows when it is dead.
    if (socket instanceof Socket) socket.setTimeout(0)
    socket.once('close', () => upgraded.delete(socket))
    socket.on('error', () => socket.destroy())
    onUpgrade(request, socket, head)
  })
  return upgraded
}

function createBoundedServer(app: RequestListener, upgrades: boolean): Server {
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: 2000,
      insecureHTTPParser: false,
      noDelay: true,
      // Java's client and others offer `Upgrade: h2c` with plain requests; those are served as plain
      // requests.
      shouldUpgradeCallback: request => upgrades && request.headers.upgrade?.toLowerCase() === 'websocket',
    },
    app,
  )
  server.timeout = standstillMs
  server.on('clientError', refuseMalformed)
  return server
}

async function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return server.address() as AddressInfo
}

/** How a server differs from another. */
export interface HttpServerOptions {
  /** Gets upgrade requests (WebSocket); else they are plain requests. */
  readonly onUpgrade?: UpgradeHandler
  readonly limits?: CrowdLimits
  /** Whether an address may be that of a proxy, who stands for many callers. Default: on this machine. */
  readonly isProxy?: (address: string) => boolean
}

/** Makes the server of `app`. */
export function createHttpServer(
  app: RequestListener & Pick<EventEmitter, 'emit'>,
  { onUpgrade, limits = crowdLimits, isProxy = isLoopbackHost }: HttpServerOptions = {},
): HttpServer {
  const server = createBoundedServer(app, onUpgrade !== undefined)
  boundConnections(server, limits, isProxy)
  const upgraded = onUpgrade === undefined ? new Set<Duplex>() : passUpgrades(server, onUpgrade)
  const inFlight = new InFlight(server)

  const end = async (): Promise<void> => {
    app.emit('drain')
    if (!server.listening) return
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeIdleConnections()
    await inFlight.drained(drainMs)
    for (const socket of upgraded) socket.destroy()
    server.closeAllConnections()
    await closed
  }
  let closing: Promise<void> | undefined
  return {
    server,
    listen: (port, host) => listen(server, port, host),
    close: () => (closing ??= end()),
  }
}
