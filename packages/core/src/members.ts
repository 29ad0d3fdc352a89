/** The other members as a starting node knows them: their keys, and how far it had applied their journals. */
import { cursorFact, decodeCursor } from './journal.ts'
import { createPeer, type Peer } from './peers.ts'
import type { Store } from './ports.ts'
import type { Replica } from './replica.ts'
import type { NodeId } from './units.ts'

/**
 * A record for each member other than `self`. Cursors that passed what then was lost are worth nothing, and
 * are forgotten with the next commit.
 */
export function createPeers(
  members: ReadonlySet<NodeId>,
  self: NodeId,
  { store, replica }: { store: Store; replica: Replica },
  now: number,
): Map<NodeId, Peer> {
  const lost = replica.takeLostWaiting()
  const others = [...members].filter(id => id !== self)
  if (lost) for (const id of others) replica.stageFact(cursorFact(id), undefined)
  const cursorOf = (id: NodeId): Peer['cursor'] =>
    lost ? undefined : decodeCursor(store.fact(cursorFact(id)))
  return new Map(others.map(id => [id, createPeer(id, cursorOf(id), now)]))
}
