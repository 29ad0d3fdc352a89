/**
 * libp2p WebSockets on somebody else's HTTP port.
 *
 * libp2p listens on a loopback port of its own; an upgrade request that reached the shared HTTP server is
 * written there again, byte for byte, and the two sockets are tied together. No measurable cost, public
 * interfaces only, and the HTTP server outlives a restart of libp2p (engineering §2).
 *
 * To libp2p they all come from 127.0.0.1, where it cannot tell a member from a stranger with many sockets. So
 * they are counted here, by who sent them.
 */
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { handshakeMsMax } from './node.ts'
import { Places, type PlaceLimits } from './places.ts'

/** Who sent a request; known to the HTTP server, which knows whether proxies are before it. */
export type CallerOf = (request: IncomingMessage) => string

/**
 * Upgrades within the time of a handshake. All together they stay well below what libp2p allows to one host
 * in a second and to all in a handshake's time, so that the HTTP port cannot shut the P2P port.
 */
const upgradeLimits: PlaceLimits = { perNetwork: 16, inAll: 48 }

/** How long who is refused may take to read that. */
const partingMs = 2000

/** Hands upgrades over, as many as there is room for. */
export class Upgrades {
  readonly #places = new Places(upgradeLimits)
  readonly #callerOf: CallerOf

  constructor(callerOf: CallerOf) {
    this.#callerOf = callerOf
  }

  /**
   * Ties `socket` to the WebSocket listener on the loopback `port`. Answers 503 without a port, 429 without
   * room.
   */
  handOver(port: number | undefined, request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    socket.on('error', () => socket.destroy())
    if (port === undefined) return refuse(socket, '503 Service Unavailable')
    const leave = this.#places.take(this.#callerOf(request))
    if (leave === undefined) return refuse(socket, '429 Too Many Requests')
    // Not sooner, even where the socket ends: who opens and closes in haste costs as much as who stays.
    setTimeout(leave, handshakeMsMax).unref()
    tie(port, request, socket, head)
  }
}

/** Who does not close his end is cut off: nothing else would end a socket that is no request's any more. */
function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  setTimeout(() => socket.destroy(), partingMs).unref()
}

function tie(port: number, request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
  const inner = connect(port, '127.0.0.1')
  inner.setNoDelay(true)
  inner.on('error', () => socket.destroy())
  inner.on('close', () => socket.destroy())
  socket.on('close', () => inner.destroy())
  inner.write(headOf(request))
  if (head.length > 0) inner.write(head)
  socket.pipe(inner).pipe(socket)
}

/** The request head as it came; latin1 is how Node decoded it. */
function headOf(request: IncomingMessage): Buffer {
  const lines = [`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/1.1`]
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
