/**
 * The clock of the node. The moments that it names are of its clock, and that of the browser may be hours
 * away from it: how long ago something was is told by the clock that dated it.
 */
import { createContext, useContext, useState } from 'react'
import type { SyncStatus } from './node-api.ts'
import { useNow } from './use-poll.ts'

/** Nearer than this they agree: an answer takes its time. */
const sameMs = 5000

/** How far the clock of the node is ahead of the browser's, in milliseconds. */
export const ClockAhead = createContext(0)

/** The same as the node's last answer says, for `ClockAhead`; it stays as it is while it is about right. */
export function useClockAhead(status: SyncStatus | undefined, receivedWall: number | undefined): number {
  const [kept, setKept] = useState(0)
  const found = clockAheadMs(status?.timestamp, receivedWall)
  if (Math.abs(found - kept) <= sameMs) return kept
  setKept(found)
  return found
}

/**
 * @param timestamp whole Unix seconds, as the node has said in an answer that came at `receivedWall`: half a
 * second more on average
 */
function clockAheadMs(timestamp: number | undefined, receivedWall: number | undefined): number {
  return timestamp === undefined || receivedWall === undefined ? 0 : timestamp * 1000 + 500 - receivedWall
}

/** The time at the node, as Unix milliseconds, renewed every `everyMs` while somebody can see it. */
export function useNodeNow(everyMs: number): number {
  return useNow(everyMs) + useContext(ClockAhead)
}
