/**
 * Proves that a write on one node is read on the others: by which path, how fast, and that all roots are
 * equal.
 *
 * The path is what the receiving node says in its `change` event; the time runs from the start of the write
 * to the arrival of that event here.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { changeEventSchema, createClient } from '@lattice/api'
import type { Client } from '@lattice/api'
import type { JsonValue } from '@lattice/core'

import { CliError, exitCodes } from './exit.ts'
import type { PlannedNode } from './up-plan.ts'

/** One write that arrived. */
export interface Proof {
  readonly key: string
  readonly from: string
  readonly to: string
  readonly path: 'p2p' | 'http'
  readonly ms: number
}

/** A node with the client that talks to it. */
export interface LiveNode {
  readonly node: PlannedNode
  readonly client: Client
}

interface Arrival {
  readonly atMono: number
  readonly via: 'p2p' | 'http' | 'local'
}

interface Watch {
  readonly to: LiveNode
  readonly arrival: (version: string) => Promise<Arrival>
}

// Far beyond any healthy delivery, polling included; a proof that takes longer has failed.
const arrivalMsMax = 30_000
// Two nodes may repair each other over P2P before the HTTP push arrives (or the other way round): then
// write again.
const attemptsMax = 3
const pollMs = 100

/** Writes on `from` until all others got it by `path`; throws a `CliError` when that does not happen. */
export async function provePath(
  from: LiveNode,
  others: readonly LiveNode[],
  demo: { readonly key: string; readonly path: 'p2p' | 'http' },
  signal: AbortSignal,
): Promise<readonly Proof[]> {
  const following = new AbortController()
  const both = AbortSignal.any([signal, following.signal])
  try {
    const watches = await Promise.all(others.map(to => watchKey(to, demo.key, both)))
    let proofs: readonly Proof[] = []
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      proofs = await writeAndWait(from, watches, demo.key, attempt)
      if (proofs.every(({ path }) => path === demo.path)) return proofs
    }
    const paths = proofs.map(({ to, path }) => `${to} by ${path}`).join(', ')
    throw new CliError(exitCodes.failed, `${demo.key} did not arrive by ${demo.path}: ${paths}`, {
      hint: 'look at the reasons with `lattice peers --url …`',
    })
  } finally {
    following.abort()
  }
}

/** Waits until all nodes report one root; returns it. */
export async function proveEqualRoots(nodes: readonly LiveNode[], signal: AbortSignal): Promise<string> {
  const deadline = performance.now() + arrivalMsMax
  for (;;) {
    const statuses = await Promise.all(nodes.map(({ client }) => client.getP2pStatus({ signal })))
    const roots = statuses.map(status => status.merkle_root)
    const [root = ''] = roots
    if (roots.every(each => each === root)) return root
    if (performance.now() > deadline) {
      throw new CliError(exitCodes.failed, `the roots stay different: ${roots.join(', ')}`)
    }
    await delay(pollMs, undefined, { signal })
  }
}

async function writeAndWait(
  from: LiveNode,
  watches: readonly Watch[],
  key: string,
  attempt: number,
): Promise<readonly Proof[]> {
  const value: JsonValue = { from: from.node.name, at: new Date().toISOString(), attempt }
  const startedAt = performance.now()
  const { version } = await from.client.transact({ body: { operations: [{ op: 'put', key, value }] } })
  return Promise.all(
    watches.map(async ({ to, arrival }) => {
      const { atMono, via } = await arrival(version)
      const read = await to.client.getKey({ params: { key } })
      if (!isDeepStrictEqual(read.value, value) && read.version <= version) {
        throw new CliError(exitCodes.failed, `${to.node.name} reads another value of ${key} than was written`)
      }
      const path = via === 'http' ? 'http' : 'p2p'
      return {
        key,
        from: from.node.name,
        to: to.node.name,
        path,
        ms: Math.round((atMono - startedAt) * 10) / 10,
      }
    }),
  )
}

/** Follows one key on one node; resolves once the stream is open, so that nothing written later is missed. */
async function watchKey(to: LiveNode, key: string, signal: AbortSignal): Promise<Watch> {
  const arrivals = new Map<string, Arrival>()
  const listeners = new Set<() => void>()
  const opened = Promise.withResolvers<void>()
  const failed = new AbortController()
  const client = createClient({
    baseUrl: to.node.url,
    fetch: async (...request) => {
      const response = await fetch(...request)
      opened.resolve()
      return response
    },
  })
  const follow = async (): Promise<void> => {
    for await (const event of client.events({ signal })) {
      if (event.event !== 'change') continue
      const change = changeEventSchema.parse(JSON.parse(event.data))
      if (change.key !== key) continue
      arrivals.set(change.version, { atMono: performance.now(), via: change.via })
      for (const listener of listeners) listener()
    }
    throw new CliError(exitCodes.failed, `${to.node.name} ended its event stream`)
  }
  follow().catch((error: unknown) => {
    opened.reject(error)
    failed.abort(error)
  })
  await opened.promise
  const arrival = async (version: string): Promise<Arrival> => {
    const found = Promise.withResolvers<Arrival>()
    const look = (): void => {
      const known = arrivals.get(version)
      if (known !== undefined) found.resolve(known)
    }
    const fail = (): void => found.reject(failed.signal.reason as Error)
    const timer = setTimeout(() => found.reject(tooLate(to.node.name, key)), arrivalMsMax)
    listeners.add(look)
    failed.signal.addEventListener('abort', fail)
    look()
    if (failed.signal.aborted) fail()
    try {
      return await found.promise
    } finally {
      clearTimeout(timer)
      listeners.delete(look)
      failed.signal.removeEventListener('abort', fail)
    }
  }
  return { to, arrival }
}

function tooLate(name: string, key: string): CliError {
  return new CliError(exitCodes.timeout, `${key} did not reach ${name} within ${arrivalMsMax / 1000} s`)
}
