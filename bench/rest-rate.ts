/**
 * Requests at a fixed rate, whether or not earlier ones have been answered: who waits for answers before he
 * asks again never sees a queue (G. Tene's "coordinated omission").
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RestConnection } from './rest-connection.ts'

/** What is asked, and how often. */
export interface Rate {
  readonly perSecond: number
  /** Requests on their way at once, at most; the others wait, and their time counts. */
  readonly connections: number
  /** The path of the next request, GET. */
  readonly path: () => string
}

/** Asks as long as `goesOn` says so; the time of each answer from when it was due, in ms. */
export async function askAtRate(
  port: number,
  { perSecond, connections, path }: Rate,
  goesOn: () => boolean,
): Promise<number[]> {
  const idle = await Promise.all(Array.from({ length: connections }, () => RestConnection.open(port)))
  const all = [...idle]
  const queue: number[] = []
  const latencies: number[] = []
  const open = new Set<Promise<void>>()
  const work = async (connection: RestConnection): Promise<void> => {
    for (let dueAt = queue.shift(); dueAt !== undefined; dueAt = queue.shift()) {
      await connection.ask('GET', path())
      latencies.push(performance.now() - dueAt)
    }
    idle.push(connection)
  }
  const start = performance.now()
  for (let sent = 0; goesOn(); await delay(1)) {
    for (; start + (1000 * sent) / perSecond <= performance.now(); sent++)
      queue.push(start + (1000 * sent) / perSecond)
    // The one that has rested longest: the daemon closes one that has sent nothing for ten seconds.
    for (
      let free = queue.length > 0 ? idle.shift() : undefined;
      free;
      free = queue.length > 0 ? idle.shift() : undefined
    ) {
      const done = work(free).finally(() => open.delete(done))
      open.add(done)
    }
  }
  await Promise.all(open)
  for (const connection of all) connection.close()
  return latencies
}
