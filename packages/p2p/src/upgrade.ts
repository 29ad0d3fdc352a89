/**
 * libp2p WebSockets on somebody else's HTTP port.
 *
 * libp2p listens on a loopback port of its own; an upgrade request that reached the shared HTTP server is
 * written there again, byte for byte, and the two sockets are tied together. No measurable cost, public
 * interfaces only, and the HTTP server outlives a restart of libp2p (engineering §2).
 */
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

/** Ties `socket` to the WebSocket listener on the loopback `port`; without a port it answers 503. */
export function handOver(
  port: number | undefined,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
): void {
  socket.on('error', () => socket.destroy())
  if (port === undefined) {
    socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    return
  }
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
