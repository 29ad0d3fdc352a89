/** The words of the contract as the dashboard says them: states, modes, carriers, phases, spans. */
import type { Mode, SyncStatus } from './node-api.ts'

/** How things can be (experience §6.3); each has its own colour, shape and word. */
export type StateName = 'p2p' | 'http' | 'degraded' | 'down' | 'asleep' | 'unknown'

/** The word of each state. */
export const stateWords: Readonly<Record<StateName, string>> = {
  p2p: 'Peer-to-peer',
  http: 'HTTP',
  degraded: 'Degraded',
  down: 'Down',
  asleep: 'Asleep',
  unknown: 'Unknown',
}

/** The requested modes as people choose them. */
export const modeNames: Readonly<Record<Mode, string>> = {
  auto: 'Auto',
  p2p: 'P2P only',
  http: 'HTTP only',
}

/** What each mode means for the one who chooses it. */
export const modeHelp: Readonly<Record<Mode, string>> = {
  auto:
    'Recommended. Uses peer-to-peer and falls back to HTTP by itself; ' +
    'returns when P2P has proved itself for 15 s.',
  p2p: 'Changes arrive at once; if peers cannot be reached, syncing stops.',
  http: 'Polls every 10 s; works through any proxy; slower.',
}

/** What is given up by forcing a mode. */
export const modeCost: Readonly<Record<Mode, string>> = {
  auto: 'Both paths are used again.',
  p2p: 'This gives up the HTTP fallback.',
  http: 'This gives up peer-to-peer: changes arrive later.',
}

/** What carries the state now. */
export const carrierWords: Readonly<Record<SyncStatus['sync_mode'], string>> = {
  P2P: 'Peer-to-peer',
  HTTP: 'HTTP',
  NONE: 'No path',
}

/** Where the sync-mode state machine stands. */
export const phaseWords: Readonly<Record<SyncStatus['phase'], string>> = {
  P2P: 'peer-to-peer',
  GRACE: 'peer-to-peer, silent',
  HTTP: 'HTTP',
  TRIAL: 'HTTP, trying P2P',
  NONE: 'no path',
  FORCED: 'forced',
}

/** Who made the state machine move. */
export const triggerWords: Readonly<Record<'watchdog' | 'operator' | 'startup', string>> = {
  watchdog: 'by itself',
  operator: 'by the operator',
  startup: 'at start',
}

/** How long a forced mode may last, as the page offers it; '' is without end. */
export const forcedSpans: readonly (readonly [forText: string, label: string])[] = [
  ['', 'until I change it'],
  ['15m', '15 minutes'],
  ['30m', '30 minutes'],
  ['2h', '2 hours'],
  ['12h', '12 hours'],
  ['7d', '7 days'],
]

/** The word for a value of a newer program that this page does not know yet: the value itself. */
export function wordOf(words: Readonly<Record<string, string>>, value: string): string {
  return Object.hasOwn(words, value) ? (words[value] ?? value) : value
}
