/**
 * What the wall clocks of the federation show about each other.
 *
 * Replicas agree whatever their clocks show, but of two writes the one with the later stamp stays: a clock
 * that goes wrong is worth a word long before its entries have to wait.
 */
import { peerName } from './names.ts'
import type { NodeStatus } from './status.ts'

/** So far ahead is told, in ms. The way of a message makes its sender look late, and never early. */
const aheadMs = 1_000

/** So far behind is told, in ms: no message takes that long. */
const behindMs = 60_000

/** From here on it is no mere inaccuracy, in ms. */
export const clocksApartMs = 60_000

/** Clocks that differ. */
export interface ClockTrouble {
  /** The greatest difference, in ms. */
  readonly apartMs: number
  /** Whose, by how much, and which way: a sentence or more, without the last full stop. */
  readonly text: string
}

/** What is wrong with a clock, here or elsewhere; undefined where nothing is known to be. */
export function clockTroubleOf({
  peers,
  clockLeadMs,
}: Pick<NodeStatus, 'peers' | 'clockLeadMs'>): ClockTrouble | undefined {
  const wrong = peers
    .map(peer => ({ name: peerName(peer), byMs: peer.clockAheadMs ?? 0 }))
    .filter(({ byMs }) => byMs > aheadMs || byMs < -behindMs)
  if (wrong.length > 0) {
    const text = wrong.map(({ name, byMs }) => `The clock of ${name} is ${differenceOf(byMs)} this one`)
    return { apartMs: Math.max(...wrong.map(({ byMs }) => Math.abs(byMs))), text: text.join('. ') }
  }
  if (clockLeadMs <= aheadMs) return undefined
  const text =
    `The newest stamp here is ${differenceOf(clockLeadMs)} this clock, ` +
    'which was set back, or another was ahead'
  return { apartMs: clockLeadMs, text }
}

function differenceOf(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const length =
    seconds < 120
      ? `${seconds} s`
      : seconds < 7200
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3600)} h`
  return `${length} ${ms < 0 ? 'behind' : 'ahead of'}`
}
