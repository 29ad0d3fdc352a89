/**
 * Everything that needs a look, in one list: what the core sees of the federation, and what the host knows of
 * this machine. Status, health, CLI, page, metrics and alerts all read this one.
 */
import { createHash } from 'node:crypto'
import type { ComponentHealth } from '@lattice/api'
import { visibleWarnings } from '@lattice/core'
import type { NodeStatus, Warning } from '@lattice/core'
import type { HttpAppOptions } from './options.ts'
import { moment } from './shapes.ts'
import type { WarningShape } from './shapes.ts'

/** What the list is made of. */
export type WarningFacts = Pick<HttpAppOptions, 'node' | 'p2p' | 'probes' | 'clock' | 'log'> &
  Partial<Pick<HttpAppOptions, 'peer'>>

/**
 * The warnings to show now, the most severe first. Each call notes which have begun: call it now and then.
 */
export type Warnings = () => readonly Warning[]

type HostWarning = Omit<Warning, 'sinceWall'> & { readonly sinceWall?: number }

/**
 * AUTO may need HTTP for a while; after this long somebody should ask why P2P is silent (experience §8.2).
 */
const fallbackMsMax = 1_800_000

/** A busy minute is no trouble; a busy half hour in pieces of ten seconds is. */
const slowMs = 30_000

/** Certificates are renewed 30 days before their end where that works by itself; half is left to act. */
const certificateMs = 14 * 86_400_000

const isIll = (part: ComponentHealth | undefined): part is ComponentHealth =>
  part?.status === 'degraded' || part?.status === 'unhealthy'

function machineWarnings({ probes }: WarningFacts): HostWarning[] {
  const store = probes?.persistence?.()
  const disk = probes?.disk?.()
  const loop = probes?.eventLoop?.()
  const base = { impactsConnectivity: false, dependsOn: [], timeToVisibleMs: 0 }
  const severity = (part: ComponentHealth): Warning['severity'] =>
    part.status === 'unhealthy' ? 'high' : 'medium'
  return [
    isIll(store) && {
      ...base,
      code: 'store-damaged',
      title: 'The store of this node is damaged',
      text: store.reason,
      severity: severity(store),
      dependsOn: ['damaged-entries', 'disk-full'],
      primaryAction: { label: 'See what is damaged', command: 'lattice integrity' },
    },
    isIll(disk) && {
      ...base,
      code: 'disk-low',
      title: 'The disk under the store is nearly full',
      text: disk.reason,
      severity: severity(disk),
      dependsOn: ['disk-full'],
      primaryAction: { label: 'See what fills it', command: 'df -h' },
    },
    isIll(loop) && {
      ...base,
      code: 'slow',
      title: 'This node is slow to answer',
      text: loop.reason,
      severity: severity(loop),
      timeToVisibleMs: slowMs,
      primaryAction: { label: 'See what loads this machine', command: 'top' },
    },
  ].filter(warning => warning !== false)
}

function p2pWarnings({ p2p }: WarningFacts, status: NodeStatus): HostWarning[] {
  const lung = p2p()
  if (!lung.enabled) return []
  const base = { impactsConnectivity: true, severity: 'medium' as const }
  if (!lung.started && lung.error !== undefined) {
    return [
      {
        ...base,
        code: 'p2p-failed',
        title: 'P2P could not start',
        text: `${lung.error}. It is tried again within a minute; HTTP carries the state meanwhile.`,
        timeToVisibleMs: 0,
        dependsOn: [],
        primaryAction: { label: 'See where it should listen', command: 'lattice config' },
      },
    ]
  }
  if (status.requested !== 'auto' || status.syncMode !== 'HTTP') return []
  return [
    {
      ...base,
      code: 'on-fallback',
      title: 'P2P has been silent for long',
      text: `Auto uses HTTP: ${status.reason}. Changes arrive later than they could.`,
      sinceWall: status.sinceWall,
      timeToVisibleMs: fallbackMsMax,
      // A peer that is down or asleep is silent over P2P too.
      dependsOn: ['p2p-failed', 'isolated', 'peer-unreachable', 'peer-asleep'],
      primaryAction: { label: 'See why P2P is silent', command: 'lattice peers' },
    },
  ]
}

/** A certificate near its end: on that day everybody stops talking to the host. */
function certificateWarnings({ peer, clock }: WarningFacts, status: NodeStatus): HostWarning[] {
  const { wall } = clock.now()
  const shown = status.peers.flatMap(({ nodeId }) => peer?.(nodeId).addresses ?? [])
  const ending = shown
    .flatMap(({ address, certificateEndsWall: endsWall = Number.POSITIVE_INFINITY }) => ({
      address,
      endsWall,
    }))
    .filter(({ endsWall }) => endsWall - wall < certificateMs)
    .sort((a, b) => a.endsWall - b.endsWall)
  const texts = ending.map(({ address, endsWall }) => `${address}: ends on ${moment(endsWall).slice(0, 10)}`)
  if (texts.length === 0) return []
  return [
    {
      code: 'certificate-expiring',
      title: 'A TLS certificate ends within 14 days',
      text: `${[...new Set(texts)].join('; ')}. From then on nothing is sent there.`,
      severity: 'medium',
      timeToVisibleMs: 0,
      dependsOn: [],
      impactsConnectivity: false,
      primaryAction: { label: 'Renew it on that host', command: 'lattice peers' },
    },
  ]
}

/** Makes the one list of a node. */
export function createWarnings(facts: WarningFacts): Warnings {
  let since = new Map<string, number>()
  let said = new Set<string>()
  return () => {
    const { wall } = facts.clock.now()
    const status = facts.node.status()
    const found = [
      ...machineWarnings(facts),
      ...p2pWarnings(facts, status),
      ...certificateWarnings(facts, status),
    ]
    // What lasts keeps its beginning, also where the core can only say that it is so now.
    const all = [...status.warnings, ...found].map(warning => {
      const { code, sinceWall = wall } = warning
      return { ...warning, sinceWall: Math.min(sinceWall, since.get(code) ?? sinceWall) }
    })
    since = new Map(all.map(({ code, sinceWall }) => [code, sinceWall]))
    const shown = visibleWarnings(all, wall)
    const ours = new Set(found.map(({ code }) => code))
    // The log says what is shown, once: not what passes by itself, nor what follows from something else.
    for (const { code, title, text } of shown)
      if (ours.has(code) && !said.has(code)) facts.log?.warn(`${title}: ${text}`, { code })
    said = new Set(shown.map(({ code }) => code))
    return shown
  }
}

/** A warning as REST shows it. */
export function warningShape(warning: Warning): WarningShape {
  const { code, title, text, severity, impactsConnectivity, primaryAction } = warning
  const body = {
    code,
    title,
    text,
    severity,
    since: moment(warning.sinceWall),
    dependsOn: [...warning.dependsOn],
    impactsConnectivity,
    timeToVisible: warning.timeToVisibleMs / 1000,
    primaryAction: { ...primaryAction },
  }
  return { ...body, etag: createHash('sha256').update(JSON.stringify(body)).digest('hex').slice(0, 16) }
}
