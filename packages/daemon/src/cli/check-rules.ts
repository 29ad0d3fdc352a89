/** What `lattice check` looks at, and when it warns. */
import type { Client } from '@lattice/api'

import { peerName } from './peer-rows.ts'

/** How serious a finding is, after the conventions of monitoring plugins. */
export type CheckState = 'ok' | 'warning' | 'critical' | 'unknown'

/** A number behind a finding. */
export interface CheckValue {
  readonly name: string
  readonly value: number
  /** `ops`, `percent`, `seconds` or nothing. */
  readonly unit?: string
  readonly warn?: number
  readonly critical?: number
}

/** What was found. */
export interface Finding {
  readonly state: CheckState
  readonly text: string
  readonly values: readonly CheckValue[]
}

/** What the user asked for. */
export interface Limits {
  readonly warn: number
  readonly critical: number
  readonly ignoreDegraded?: boolean
  /** Name or peer id of the one peer that matters. */
  readonly node?: string
}

/** One check: its default limits, and how it looks. */
export interface Check {
  readonly limits: Limits
  look(client: Client, limits: Limits): Promise<Finding>
}

/** The checks by name. */
export const checks = {
  health: { limits: { warn: 0, critical: 0 }, look: checkHealth },
  sync: { limits: { warn: 100, critical: 1000 }, look: checkSync },
  peer: { limits: { warn: 0, critical: 0 }, look: checkPeer },
  disk: { limits: { warn: 5, critical: 1 }, look: checkDisk },
} as const satisfies Readonly<Record<string, Check>>

/** The name of a check. */
export type CheckName = keyof typeof checks

async function checkHealth(client: Client, { ignoreDegraded }: Limits): Promise<Finding> {
  const { overall, reason, uptime_seconds: uptime } = await client.getHealthReport()
  const states = {
    healthy: 'ok',
    degraded: ignoreDegraded === true ? 'ok' : 'warning',
    unhealthy: 'critical',
  } as const
  const values = [{ name: 'uptime', value: Math.round(uptime), unit: 'seconds' }]
  return { state: states[overall], text: `${overall}: ${reason}`, values }
}

async function checkSync(client: Client, { warn, critical }: Limits): Promise<Finding> {
  const { peers } = await client.getPeers()
  const lag = Math.max(0, ...peers.map(peer => Math.max(peer.behind ?? 0, peer.ahead ?? 0)))
  const unreached = peers.filter(peer => peer.path === 'none').map(peerName)
  const values = [
    { name: 'max_lag_ops', value: lag, unit: 'ops', warn, critical },
    { name: 'nodes', value: peers.length + 1 },
  ]
  const worst = peers.filter(peer => Math.max(peer.behind ?? 0, peer.ahead ?? 0) === lag).map(peerName)
  if (lag >= critical) return { state: 'critical', text: `${worst.join(', ')} differ by ${lag} ops`, values }
  if (lag >= warn) return { state: 'warning', text: `${worst.join(', ')} differ by ${lag} ops`, values }
  if (peers.length > 0 && unreached.length === peers.length)
    return { state: 'critical', text: 'no other node is in reach', values }
  if (unreached.length > 0)
    return { state: 'warning', text: `not in reach, so not compared: ${unreached.join(', ')}`, values }
  return { state: 'ok', text: `all nodes within ${lag} ops`, values }
}

async function checkPeer(client: Client, { node }: Limits): Promise<Finding> {
  const { peers } = await client.getPeers()
  const chosen =
    node === undefined ? peers : peers.filter(peer => peer.name === node || peer.peer_id === node)
  if (node !== undefined && chosen.length === 0)
    return { state: 'unknown', text: `no peer is called ${node}`, values: [] }
  const down = chosen.filter(peer => peer.path === 'none' && peer.asleep !== true)
  const asleep = chosen.filter(peer => peer.path === 'none' && peer.asleep === true)
  const values = [
    { name: 'peers', value: chosen.length },
    { name: 'peers_reached', value: chosen.length - down.length - asleep.length },
  ]
  if (down.length > 0)
    return { state: 'critical', text: down.map(peer => `${peerName(peer)}: ${peer.why}`).join('; '), values }
  if (asleep.length > 0)
    return { state: 'warning', text: `asleep: ${asleep.map(peerName).join(', ')}`, values }
  const paths = chosen.map(peer => `${peerName(peer)} ${peer.path}`)
  return {
    state: 'ok',
    text: paths.length === 0 ? 'no other nodes are configured' : paths.join(', '),
    values,
  }
}

async function checkDisk(client: Client, { warn, critical }: Limits): Promise<Finding> {
  const { disk } = (await client.getHealthReport()).components
  const ratio = disk?.value
  if (ratio === undefined) return { state: 'unknown', text: disk?.reason ?? 'not measured', values: [] }
  const free = Math.round(ratio * 1000) / 10
  const values = [{ name: 'free', value: free, unit: 'percent', warn, critical }]
  const state = free < critical ? 'critical' : free < warn ? 'warning' : 'ok'
  return { state, text: `${free} % free`, values }
}
