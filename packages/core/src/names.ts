/** What people call a node. */
import type { PeerStatus } from './status.ts'

/** Its name; the head of its id until it has told one. */
export function peerName({ name, nodeId }: Pick<PeerStatus, 'name' | 'nodeId'>): string {
  return name ?? nodeId.slice(0, 8)
}
