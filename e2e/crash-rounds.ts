/** Kills a daemon under load, again and again, and holds it to every write it has acknowledged. */
import { expect } from '@jest/globals'
import { createClient } from '@lattice/api'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'

/** The load of goal G4. */
const writers = 64
/** Acknowledged writes to wait for before the kill: far past the first commits of a round. */
const acknowledgedMin = 300
/**
 * The latest moment of a kill within a round, after that many writes; spreads kills over the commit cycle.
 */
const spreadMs = 40

/** One round: 64 writers, SIGKILL at some moment, restart, look. The number of writes acknowledged. */
export async function crashRound(node: Daemon, round: number): Promise<number> {
  const acknowledged = new Map<string, number>()
  let running = true
  const client = createClient({ baseUrl: node.url, timeoutMs: 5000 })
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; running; count++) {
      const key = `crash/${round}/${writer}/${count}`
      try {
        await client.putKey({ params: { key }, body: count })
        acknowledged.set(key, count)
      } catch {
        return
      }
    }
  }
  const load = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)))
  await eventually('the load runs', () => acknowledged.size >= acknowledgedMin, 30_000)
  await new Promise(resolve => setTimeout(resolve, (round * 7) % spreadMs))
  await node.kill()
  running = false
  await load
  await node.start()
  const held = await stateOf(node, `crash/${round}/`)
  const lost = [...acknowledged].filter(([key, value]) => held.get(key) !== value)
  expect({ round, lost }).toEqual({ round, lost: [] })
  return acknowledged.size
}

async function stateOf(node: Daemon, prefix: string): Promise<ReadonlyMap<string, unknown>> {
  const held = new Map<string, unknown>()
  let cursor: string | undefined
  do {
    const query = { prefix, limit: '1000', ...(cursor === undefined ? {} : { cursor }) }
    const page = await node.client.getState({ query })
    if (!('state_size' in page)) throw new Error('a listing was asked for')
    for (const [key, value] of Object.entries(page.state ?? {})) held.set(key, value)
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
  return held
}
