/**
 * Ports nobody listens on. Taken below the range from which the kernel serves outgoing connections (Linux:
 * 32768 and up), so that no connection of another test takes one between its choice and its use.
 */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const lowest = 20_000
const highest = 32_000
const handedOut = new Set<number>()

/** A free port of 127.0.0.1 that was not handed out before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest)
    if (!handedOut.has(port) && (await isFree(port))) {
      handedOut.add(port)
      return port
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
