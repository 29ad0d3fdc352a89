/**
 * What systemd is told of a running daemon: ready once everything serves, one line of status, and that all is
 * well only while event loop, store and engine move.
 */
import type { NodeStatus, Store } from '@lattice/core'

import { sentence } from './failure.ts'
import type { Log } from './host/log.ts'
import type { PulseReading } from './host/pulse.ts'
import { createSupervisor } from './host/systemd.ts'
import type { Runtime } from './runtime.ts'

/** What is supervised. */
export interface Supervised {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
  readonly store: Pick<Store, 'facts'>
  readonly runtime: Pick<Runtime, 'status' | 'subscribe'>
  readonly pulse: PulseReading
  readonly now: () => number
}

/** The status line is renewed at least this often: lag has no event of its own. */
const renewMs = 10_000

/**
 * Tells systemd READY=1 and the rest until `stopping` is called, which resolves once STOPPING=1 is said, or
 * until `pause` is, which says nothing: the process goes on with another daemon.
 */
export function supervise(parts: Supervised): { stopping(): Promise<void>; pause(): void } {
  const { env, log, runtime, pulse, now } = parts
  const supervisor = createSupervisor({
    env,
    trouble: () => pulse.trouble(now()) ?? storeTrouble(parts.store),
    warn: text => log.warn(text, { code: 'SUPERVISOR' }),
  })
  supervisor.ready()
  const renew = (): void => supervisor.status(statusLine(runtime.status()))
  renew()
  const unsubscribe = runtime.subscribe(({ kind }) => {
    if (kind !== 'change') renew()
  })
  const timer = setInterval(renew, renewMs)
  timer.unref()
  const pause = (): void => {
    unsubscribe()
    clearInterval(timer)
    supervisor.pause()
  }
  return {
    pause,
    stopping: () => {
      pause()
      return supervisor.stopping()
    },
  }
}

/** A read that goes to the database: the smallest there is. */
function storeTrouble(store: Pick<Store, 'facts'>): string | undefined {
  try {
    store.facts('', 1)
    return undefined
  } catch (error) {
    return `the store cannot be read: ${sentence(error)}`
  }
}

/** `AUTO→p2p, 2/2 peers, lag 0`. */
export function statusLine(status: NodeStatus): string {
  const path = status.syncMode === 'NONE' ? 'no path' : status.syncMode.toLowerCase()
  const reached = status.peers.filter(peer => peer.path !== 'none').length
  const lag = Math.max(0, ...status.peers.map(peer => peer.behind ?? 0))
  const warnings = status.warnings.length === 0 ? '' : `, warnings: ${status.warnings.length}`
  return `${status.requested.toUpperCase()}→${path}, ${reached}/${status.peers.length} peers, lag ${lag}${warnings}`
}
