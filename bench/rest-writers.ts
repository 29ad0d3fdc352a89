/** Concurrent REST writers: a connection for each, one request at a time on it. */
import { RestConnection } from './rest-connection.ts'
import { randomKeys, randomValue } from './workload.ts'

/** What the clients saw. */
export interface WritersResult {
  readonly writes: number
  readonly elapsedMs: number
  readonly latenciesMs: readonly number[]
}

/** Writes from `clients` connections for `forMs`; throws on any answer other than 200. */
export async function runWriters(port: number, clients: number, forMs: number): Promise<WritersResult> {
  const connections = await Promise.all(Array.from({ length: clients }, () => RestConnection.open(port)))
  const start = performance.now()
  const latencies = await Promise.all(connections.map(each => writeUntil(each, start + forMs)))
  const elapsedMs = performance.now() - start
  for (const connection of connections) connection.close()
  const all = latencies.flat()
  return { writes: all.length, elapsedMs, latenciesMs: all }
}

async function writeUntil(connection: RestConnection, end: number): Promise<number[]> {
  const latencies: number[] = []
  for (let sentAt = performance.now(); sentAt < end; sentAt = performance.now()) {
    const [key] = randomKeys(1, 100)
    await connection.ask('PUT', `/api/lattice/state/${key}`, JSON.stringify(randomValue()))
    latencies.push(performance.now() - sentAt)
  }
  return latencies
}
