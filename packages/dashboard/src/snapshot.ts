/**
 * One reading of everything the page shows beside the state, taken together so that its parts fit each other.
 */
import type { HealthReport, Links, NodeApi, Peer, SyncStatus, Transition } from './node-api.ts'

/** What one reading found. */
export interface Snapshot {
  readonly status: SyncStatus
  readonly peers: readonly Peer[]
  readonly health: HealthReport
  readonly transitions: readonly Transition[]
  /** Empty where the node cannot say; the rest of the page does not depend on others. */
  readonly links: Links
}

/** Asks for everything at once; rejects with `ApiError` when any part fails. */
export async function readSnapshot(api: NodeApi, signal: AbortSignal): Promise<Snapshot> {
  const [status, peers, health, transitions, links] = await Promise.all([
    api.status(signal),
    api.peers(signal),
    api.health(signal),
    api.transitions(signal),
    api.links(signal).catch(() => ({ rows: [] })),
  ])
  return { status, peers, health, transitions, links }
}
