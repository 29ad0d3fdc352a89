/** How a write travelled: what the receiving daemon says in its own `change` events. */
import { changeEventSchema, createClient } from '@lattice/api'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'
import { put } from './federation.ts'

/** The path of a change, as the receiver names it. */
export type Via = 'p2p' | 'http' | 'local'

/** The changes of one node from the moment `follow` resolved on. */
export interface Changes {
  /** Waits until a version has arrived; how it came. */
  arrival(version: string, limitMs?: number): Promise<Via>
  close(): void
}

/** Follows the changes of a node; resolves once nothing written from now on can be missed. */
export async function follow(node: Daemon): Promise<Changes> {
  const ended = new AbortController()
  const seen = new Map<string, Via>()
  const opened = Promise.withResolvers<void>()
  const client = createClient({
    baseUrl: node.url,
    fetch: async (...request) => {
      const response = await fetch(...request)
      opened.resolve()
      return response
    },
  })
  const read = async (): Promise<void> => {
    for await (const { event, data } of client.events({ signal: ended.signal })) {
      if (event !== 'change') continue
      const change = changeEventSchema.parse(JSON.parse(data))
      seen.set(change.version, change.via)
    }
  }
  read().catch((error: unknown) => opened.reject(error))
  await opened.promise
  return {
    arrival: (version, limitMs) =>
      eventually(`version ${version} arrives at ${node.name}`, () => seen.get(version), limitMs),
    close: () => ended.abort(),
  }
}

/** A poll that was under way when the paths changed may still bring the first write: then write again. */
const attemptsMax = 3

/** Writes on one node until a write reaches the other by `path`; false where none did. */
export async function travelsBy(path: Via, from: Daemon, to: Daemon, key: string): Promise<boolean> {
  const changes = await follow(to)
  try {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      if ((await changes.arrival(await put(from, key, attempt))) === path) return true
    }
    return false
  } finally {
    changes.close()
  }
}
