/**
 * Concurrent REST clients as cheap as they can be: raw keep-alive sockets, one request at a time on each.
 *
 * They share two cores with the daemon they measure, so what they cost is taken from it.
 */
import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { randomKeys, randomValue } from './workload.ts'

/** What the clients saw. */
export interface WritersResult {
  readonly writes: number
  readonly elapsedMs: number
  readonly latenciesMs: readonly number[]
}

/** Writes from `clients` connections for `forMs`; throws on any answer other than 200. */
export async function runWriters(port: number, clients: number, forMs: number): Promise<WritersResult> {
  const sockets = await Promise.all(Array.from({ length: clients }, () => open(port)))
  const start = performance.now()
  const latencies = await Promise.all(sockets.map(socket => writeUntil(socket, start + forMs)))
  const elapsedMs = performance.now() - start
  for (const socket of sockets) socket.destroy()
  const all = latencies.flat()
  return { writes: all.length, elapsedMs, latenciesMs: all }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

function writeUntil(socket: Socket, end: number): Promise<number[]> {
  const latencies: number[] = []
  const { promise, resolve, reject } = Promise.withResolvers<number[]>()
  let sentAt = 0
  let received = ''
  const send = (): void => {
    if (performance.now() >= end) return resolve(latencies)
    const body = JSON.stringify(randomValue())
    const [key] = randomKeys(1, 100)
    sentAt = performance.now()
    socket.write(
      `PUT /api/lattice/state/${key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    )
  }
  socket.setEncoding('latin1')
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the daemon closed the connection')))
  socket.on('data', (text: string) => {
    received += text
    const head = received.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1] ?? 0)
    if (received.length < head + 4 + length) return
    if (!received.startsWith('HTTP/1.1 200'))
      return reject(new Error(`the daemon answered ${received.slice(0, 200)}`))
    received = ''
    latencies.push(performance.now() - sentAt)
    send()
  })
  send()
  return promise
}
