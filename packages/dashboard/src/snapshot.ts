/**
 * One reading of everything the page shows beside the state, taken together so that its parts fit each other.
 */
import type { HealthReport, NodeApi, Peer, SyncStatus, Transition } from './node-api.ts'

/** What one reading found. */
export interface Snapshot {
  readonly status: SyncStatus
  readonly peers: readonly Peer[]
  readonly health: HealthReport
  readonly transitions: readonly Transition[]
}

/** Asks for everything at once; rejects with `ApiError` when any part fails. */
export async function readSnapshot(api: NodeApi, signal: AbortSignal): Promise<Snapshot> {
  const [status, peers, health, transitions] = await Promise.all([
    api.status(signal),
    api.peers(signal),
    api.health(signal),
    api.transitions(signal),
  ])
  return { status, peers, health, transitions }
}
