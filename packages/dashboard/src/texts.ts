/**
 * Every text of the dashboard that people read, in one file, so that another language is another copy of it
 * (experience §6.3). Which text stands where, and when, is decided elsewhere; what nodes say is shown as they
 * say it. Only the words for browsers without scripts stand in index.html.
 */
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
  auto: 'Recommended. Uses peer-to-peer and falls back to HTTP by itself; returns when P2P has proved itself.',
  p2p: 'Changes arrive at once; if peers cannot be reached, syncing stops.',
  http: 'Asks the other nodes again and again; works through any proxy; slower.',
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

/** Names of lines in the charts, by what the series calls them. */
export const lineWords: Readonly<Record<string, string>> = {
  p2p: 'P2P',
  http: 'HTTP',
  local: 'written here',
  peers: 'from other nodes',
  client: 'refused (4xx)',
  server: 'failed (5xx)',
}

/** Everything else, by the part of the page that says it; a `…Before` goes with its `…After`. */
export const texts = {
  product: 'Lattice',
  none: '–',
  notKnown: 'not known',
  thisNode: 'this node',
  asking: 'Asking the node.',
  list: (parts: readonly string[]): string => parts.join(', '),
  clauses: (parts: readonly string[]): string => parts.join('; '),

  page: {
    docs: 'Documentation',
    apiDocs: 'API docs',
    openApi: 'OpenAPI',
    theme: 'Theme',
    themes: { auto: 'System', light: 'Light', dark: 'Dark' },
    live: 'live',
    polling: 'every 5 s',
    about: (role: string, version: string): string => `${role}, version ${version}`,
    verdict: 'Verdict',
    since: 'since',
    waiting: 'Waiting for the first answer.',
    mode: 'Sync mode',
    warnings: (count: number): string => `Warnings (${count})`,
    nodes: 'Nodes',
    links: 'Links',
    changes: 'Last changes of the mode',
    history: 'History',
    state: 'State',
    broken: 'This page has a fault',
    brokenHelp: 'The node itself is not touched by it. Load the page again; if it stays, report it.',
    statusJson: 'The status as JSON',
  },

  freshness: {
    noData: 'No data yet',
    staleBefore: 'Stale: last good',
    staleAfter: 'ago',
    ageBefore: 'Data',
    ageAfter: 'old',
    refresh: 'Refresh',
    nextTryBefore: 'Next try in',
    nextTryAfter: '.',
  },

  time: {
    day: 'd',
    hour: 'h',
    minute: 'm',
    second: 's',
    count: (count: number | string, unit: string): string => `${count} ${unit}`,
    milliseconds: (count: number): string => `${count} ms`,
    ago: (span: string): string => `${span} ago`,
    unknown: 'at an unknown time',
    never: 'never',
    dated: (day: string, time: string): string => `${day}, ${time}`,
  },

  verdict: {
    unanswered: 'This node has not answered.',
    stale: (last: string): string => `Not known now: the node is silent. It said last: ${last}`,
    unwell: (why: string): string => `This node is not well: ${why}.`,
    alone: 'This node is alone: it knows no other nodes.',
    asleep: (reached: number, all: number, names: string): string =>
      `${reached} of ${all} nodes are connected; asleep: ${names}.`,
    lost: (reached: number, all: number, names: string): string =>
      `${reached} of ${all} nodes are connected, not ${names}.`,
    grave: (what: string): string => `${what}.`,
    look: (why: string): string => `This node needs a look: ${why}.`,
    nobodyYet: 'No other node has answered yet.',
    allAsleep: 'The other nodes are asleep.',
    spacesSilent: 'The other nodes do not answer; Spaces may be asleep.',
    nobody: 'No other node answers.',
    forcedAway: {
      p2p: 'No other node answers over peer-to-peer, which the operator has forced; over HTTP there are answers.',
      http: 'No other node answers over HTTP, which the operator has forced; over peer-to-peer there are answers.',
    },
    works: 'Local reads and writes work.',
    all: (count: number): string => (count === 2 ? 'Both nodes' : `All ${count} nodes`),
    differ: (all: string): string => `${all} are connected; changes are on their way.`,
    agree: (all: string): string => `${all} agree.`,
    connected: (all: string): string => `${all} are connected.`,
    silent: (mode: string): string => `${mode} is using peer-to-peer, which has fallen silent.`,
    trial: (mode: string): string => `${mode} is using HTTP and trying peer-to-peer.`,
    noPath: (mode: string): string => `${mode} has not proved a path yet.`,
    using: (mode: string, carrier: string): string => `${mode} is using ${carrier}.`,
    forced: (carrier: string): string => `The operator has forced ${carrier}.`,
    both: (first: string, second: string): string => `${first} ${second}`,
  },

  peer: { mayBeAsleep: 'May be asleep', notHeard: 'Not heard yet', behind: 'Behind' },

  embed: {
    label: 'Network status',
    nothing: 'Nothing is known of this node.',
    stale: (last: string): string => `Not known now. The last good answer: ${last}`,
    others: 'Other nodes',
    noOthers: 'None are known.',
  },

  facts: {
    status: 'Status',
    requested: 'Requested mode',
    inUse: 'In use',
    phase: (phase: string): string => ` (${phase})`,
    since: 'Since',
    why: 'Why',
    back: 'Back to Auto',
    p2pPeers: 'P2P peers',
    heartbeat: 'Heartbeat monitor',
    active: 'Active',
    inactive: 'Inactive',
    lastSync: 'Last sync',
    root: 'Merkle root',
  },

  mode: {
    choose: 'Choose the mode',
    off: 'P2P is turned off in the settings of this node.',
    inForce: 'in force',
    switched: 'The node has switched.',
    undo: 'Undo',
    to: (mode: string): string => `Switch to ${mode}`,
    switching: (mode: string): string => `Switching to ${mode} …`,
    cancel: 'Cancel',
    howLong: 'For how long',
    token: 'Admin token',
    tokenHelp:
      'It is in the file admin.token of the node’s data directory. This page forgets it when it is closed.',
  },

  changes: {
    none: 'None since the node started.',
    step: (from: string, to: string): string => `${from} → ${to}`,
    why: (reason: string, trigger: string, span: string): string => `${reason} (${trigger}; after ${span})`,
  },

  nodes: {
    label: 'Table of nodes',
    headings: ['Node', 'State', 'Round trip', 'Behind', 'Ahead', 'Seen', 'Root', 'Version'],
  },

  links: {
    label: 'Table of links',
    none: 'No other nodes are known, so there are no links.',
    help: 'How the node of each row reaches the node of each column, over each path.',
    corner: 'From \\ to',
    unknown: (why: string): string => (why === '' ? 'Not known here.' : `Not known here: ${why}.`),
    ownPage: 'Its own page says it.',
    noPeer: 'not a peer of it',
    paths: { p2p: 'P2P', http: 'HTTP' },
    words: { up: 'up', suspected: 'silent', down: 'down' },
    cell: (path: string, word: string, trip: string): string =>
      trip === '' ? `${path} ${word}` : `${path} ${word} ${trip}`,
    lastError: (error: string): string => `last error: ${error}`,
  },

  warnings: {
    severity: { high: 'High', medium: 'Medium', low: 'Low' },
    none: 'Nothing needs a look.',
    unknown: 'Not known now.',
    since: 'Since',
    before: ': ',
    copy: 'Copy',
    copied: 'Copied',
    select: 'Select and copy it',
  },

  state: {
    prefix: 'Keys that start with',
    count: (count: number): string => `${count.toLocaleString()} ${count === 1 ? 'key' : 'keys'} in all, `,
    root: 'root',
    none: 'No key starts like this.',
    noneLeft: 'No keys are left on this page.',
    noneYet: 'No key so far: all on this page are deleted.',
    more: (count: number): string => `${count.toLocaleString()} more`,
    damaged: (keys: string): string =>
      `Missing here, because they are damaged on the disk of this node and not back yet: ${keys}`,
    previous: 'Previous keys',
    next: 'Next keys',
    page: (number: number): string => `page ${number}`,
    key: 'Key',
    value: 'Value',
    reading: 'Reading the key.',
    deleted: 'This key has been deleted.',
    type: 'Type',
    author: 'Author',
    version: 'Version',
    written: 'Written',
    proof: 'Download the proof',
    proofBefore: 'that the signed root holds this.',
    proofAfter: 'checks it offline.',
  },

  history: {
    loading: 'Loading the charts.',
    missing: 'The charts could not be loaded; load the page again.',
    reading: 'Reading the history.',
    howFar: 'How far back',
    spans: { hour: '1 hour', day: '24 hours', fortnight: '14 days', year: '1 year' },
    now: 'Now',
    nothing: 'Nothing was recorded.',
    showTable: 'Show as table',
    hideTable: 'Hide the table',
    table: (title: string): string => `${title} as a table`,
    from: 'From',
    atMost: (mean: string, max: string): string => `${mean}, at most ${max}`,
    line: (name: string, mean: string, max: string): string => `${name}: ${mean} on average, ${max} at most`,
    summary: (lines: string, more: number): string => `${lines}${more > 0 ? `; and ${more} more` : ''}.`,
    ribbon: (shares: string, recorded: string): string =>
      `${shares} of the time recorded; ${recorded} of it was recorded.`,
    share: (name: string, share: string): string => `${name} ${share}`,
    percent: (figure: number | string): string => `${figure} %`,
    lanes: { p2p: 'Peer-to-peer', http: 'HTTP', none: 'No path' },
    mode: { title: 'Mode', help: 'What carried the state. Blank: not recorded, the node did not run.' },
    lag: { title: 'Lag', help: 'Commits of each node that this one has not applied.' },
    latency: { title: 'Latency', help: 'Round trip to each node, over each path in use.' },
    writes: { title: 'Changes', help: 'Changes per second, by where they were written.' },
    errors: { title: 'Errors', help: 'Requests to this node that were refused or failed, per second.' },
    behindUnit: ' behind',
    perSecond: (figure: string): string => `${figure}/s`,
  },

  failure: {
    unreachable: 'The node cannot be reached: it is stopped, or the network is cut.',
    timeout: 'The node does not answer in time.',
    starting: 'The node is starting or stopping.',
    damaged: 'This is damaged on the disk of this node, and not back yet.',
    pause: 'The node asks for a pause: too many requests come from this address.',
    login: 'Something in front of the node asks for a login: load the page again.',
    stranger: 'What answers here is not a Lattice node, or is one of another version.',
    other: (detail: string): string => `The node reports an error: ${detail}`,
    badToken: 'The node does not accept this token.',
    needsToken: 'The node needs its admin token for this.',
    tooMany: 'Too many wrong tokens: wait a minute and try again.',
    impossible: 'This mode is impossible here: P2P is turned off in the settings of the node.',
    unsure: (why: string): string => `${why} The mode may not have changed.`,
    refused: 'The node refused.',
  },
} as const

/** The word for a value of a newer program that this page does not know yet: the value itself. */
export function wordOf(words: Readonly<Record<string, string>>, value: string): string {
  return Object.hasOwn(words, value) ? (words[value] ?? value) : value
}
