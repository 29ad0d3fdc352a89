/**
 * The guide to the sync modes: words for operators around tables that the state machine itself fills in.
 * Every cell is one call of `stepMode`, so the document cannot say anything the code does not do.
 */
import { defaultParams, forceMode, initialMode, stepMode } from '@lattice/core'
import type { Mode, ModeFacts, ModeState, Phase } from '@lattice/core'

/** Far from every deadline that counts from zero. */
const now = 10_000_000

/** What the watchdog may see, as columns. */
const sights: readonly (readonly [string, Pick<ModeFacts, 'p2pUsable' | 'p2pAlive' | 'httpAlive'>])[] = [
  ['both answer', { p2pUsable: true, p2pAlive: true, httpAlive: true }],
  ['only P2P answers', { p2pUsable: true, p2pAlive: true, httpAlive: false }],
  ['only HTTP answers', { p2pUsable: true, p2pAlive: false, httpAlive: true }],
  ['nothing answers', { p2pUsable: true, p2pAlive: false, httpAlive: false }],
  ['P2P off, HTTP answers', { p2pUsable: false, p2pAlive: false, httpAlive: true }],
  ['P2P off, nothing answers', { p2pUsable: false, p2pAlive: false, httpAlive: false }],
]

/** One row: a phase, and what matters in it beside the sights. */
interface Situation {
  readonly phase: Phase
  readonly when: string
  readonly mode: Mode
  readonly p2pSilentMs?: number
  readonly trialPassed?: boolean
}

function modeOf(state: ModeState, changes: readonly number[] = []): Mode {
  return { ...initialMode(0), state, changes }
}

function situations(): readonly Situation[] {
  const { peerlessTimeoutMs: patience, flapLimit } = defaultParams
  const since = now - 1000
  const http = (holdUntil: number, changes: readonly number[] = []): Mode =>
    modeOf({ phase: 'HTTP', since, holdUntil }, changes)
  const none = (age: number): Mode => modeOf({ phase: 'NONE', since: now - age })
  const flaps = Array.from({ length: flapLimit }, () => since)
  const forced = forceMode(initialMode(0), 'http', now + 1000, since)
  const over = forceMode(initialMode(0), 'http', now, since)
  return [
    { phase: 'NONE', when: 'just started', mode: none(0), p2pSilentMs: 0 },
    {
      phase: 'NONE',
      when: 'PEERLESS_TIMEOUT has passed',
      mode: none(patience),
      p2pSilentMs: patience,
    },
    { phase: 'P2P', when: 'always', mode: modeOf({ phase: 'P2P', since }) },
    {
      phase: 'GRACE',
      when: 'P2P silent for less than PEERLESS_TIMEOUT',
      mode: modeOf({ phase: 'GRACE', since }),
    },
    {
      phase: 'GRACE',
      when: 'P2P silent for PEERLESS_TIMEOUT',
      mode: modeOf({ phase: 'GRACE', since }),
      p2pSilentMs: patience,
    },
    { phase: 'HTTP', when: 'HOLD_DOWN runs', mode: http(now + 1000) },
    { phase: 'HTTP', when: 'HOLD_DOWN is over', mode: http(now) },
    { phase: 'HTTP', when: 'FLAP_LIMIT is reached', mode: http(now, flaps) },
    { phase: 'TRIAL', when: 'not passed yet', mode: modeOf({ phase: 'TRIAL', since }) },
    { phase: 'TRIAL', when: 'passed', mode: modeOf({ phase: 'TRIAL', since }), trialPassed: true },
    { phase: 'FORCED', when: 'until the time set', mode: forced },
    { phase: 'FORCED', when: 'the time set is over', mode: over },
  ]
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

/** What is made of answers that no peer has signed. */
function hostAnswers(): string {
  return table(
    ['answer', 'taken for', 'asked again'],
    [
      [
        '503 that asks for no pause, or for 30 s and more',
        'the peer sleeps or wakes',
        'after 30–33 s or that pause; amid a talk the first time after 1 s',
      ],
      ['503 with `Retry-After` below 30 s', 'the host is busy', 'after that pause'],
      ['429', 'too many requests', 'after `Retry-After`, or after `t` of the used-up quota in `RateLimit`'],
      ['500, 502, 504', 'a failure', 'after 1 s, doubled up to `REDIAL_MAX`; from the fifth on up to 30 s'],
    ],
  )
}

/** Both tables, from one walk through everything. */
function walk(): { readonly steps: string; readonly reasons: string } {
  const reasons = new Map<string, Set<string>>()
  const rows = situations().map(situation => {
    const { phase, when, mode, p2pSilentMs = 0, trialPassed = false } = situation
    const cells = sights.map(([, sight]) => {
      const httpFresh = sight.httpAlive
      const facts: ModeFacts = { ...sight, httpFresh, p2pLastAlive: now - p2pSilentMs, trialPassed }
      const step = stepMode(mode, facts, now, defaultParams)
      if (step === undefined) return '–'
      const to = step.mode.state.phase
      const key = `${phase} → ${to}`
      reasons.set(key, (reasons.get(key) ?? new Set()).add(step.reason))
      return `**${to}**`
    })
    return [phase, when, ...cells]
  })
  const told = [...reasons].map(([key, sentences]) => [key, [...sentences].sort().join('<br>')])
  return {
    steps: table(['phase', 'when', ...sights.map(([name]) => name)], rows),
    reasons: table(['step', 'reasons given'], told),
  }
}

/** What each phase believes, in the order of a failure and its end. */
const beliefs: Readonly<Record<Phase, string>> = {
  NONE: 'Nothing is proven yet, or nothing answers. Local reads and writes go on; what is written waits.',
  P2P: 'P2P carries. A peer that P2P does not reach is reached over HTTP all the same.',
  GRACE:
    'P2P has fallen silent, but not for long. Every peer is already backed up over HTTP, which has to' +
    ' answer anew before HTTP is declared.',
  HTTP: 'HTTP carries, by held polls. P2P is dialled for ever and not trusted before HOLD_DOWN is over.',
  TRIAL: 'HTTP carries while P2P proves itself for P2P_STABLE_AFTER in both directions.',
  FORCED: 'The operator has spoken (`lattice switch`); both receive paths stay open.',
}

/** The whole guide as Markdown. */
export function modeDocument(): string {
  const { steps, reasons } = walk()
  const phases = Object.entries(beliefs).map(([phase, belief]) => `- **${phase}**: ${belief}`)
  return `<!-- Generated from packages/core/src/mode.ts by \`npm run docs\`. -->

# Sync modes

The mode says which path a node asks and sends over first. It never decides whether data arrives: both lungs
always accept, paths are chosen per peer, and a write that P2P does not deliver within \`HEDGE_AFTER\` goes over HTTP
too, unless the operator has forced a path.

## Phases

${phases.join('\n')}

\`sync_mode\` in REST is \`P2P\` in the phases P2P and GRACE, \`HTTP\` in HTTP and TRIAL, the forced path in FORCED,
and \`NONE\` while nothing answers.

## Steps

Each cell is what the machine does when the watchdog sees what the column says: the phase it enters, or –
where it stays. "P2P off" means switched off, or unable to start.

${steps}

After each return to P2P that fails again within the window of \`FLAP_LIMIT\`, the next \`HOLD_DOWN\` is longer by its
own length, up to \`HOLD_DOWN_MAX\`.

## Reasons

Every step is logged, kept in \`GET /api/lattice/transitions\`, and sent as the event \`mode\`, with one of these
sentences.

${reasons}

## Hosts that answer for a peer

What stands before a peer (a platform, a proxy) answers without the peer's signature. Such answers prove
nothing of the peer; they say when to ask again.

${hostAnswers()}

Pauses asked for are kept up to 5 minutes. The other path to that peer, and all other peers, are not affected.
A node that loses its last path tries everybody at once, but for those who sleep or have asked for a pause.

## What to do

- \`lattice status\` says the phase and why; \`lattice peers\` says the path of each peer and the last error of each
  address; \`lattice ping NODE --until-p2p\` waits for P2P.
- A node that stays in HTTP: look at the P2P addresses in \`lattice peers\`; an error there names what to mend.
- P2P that could not start because its port is taken or its address is not there yet is tried again by
  itself, after 5 s and then ever more rarely down to once a minute; the warning \`p2p-failed\` says why,
  and goes once it runs.
- A node that changes often is held on HTTP by \`FLAP_LIMIT\`; it returns once it was calm for the whole window.
- To keep a node off P2P for a while: \`lattice switch http --for 30m --reason "…"\`. It survives a restart.
`
}
