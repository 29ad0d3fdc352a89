/** What ways lead to each other node (`lattice netcheck`). */
import type { NodeId } from '@lattice/core'

import type { SystemVerifier } from '../host/crypto.ts'
import { addressRungs, httpRungs } from './probes.ts'
import { climb, type Outcome, type Step } from './steps.ts'

export { outboundPorts, tryOutbound, type Outbound } from './outbound.ts'
export { explain, type Outcome, type Step } from './steps.ts'

/** One way to one node. */
export interface Way {
  readonly target: string
  readonly path: 'http' | 'p2p'
  readonly outcome: Outcome
  readonly steps: readonly Step[]
}

/** Where the other nodes are, and who may answer. */
export interface NetcheckInput {
  readonly urls: readonly string[]
  readonly addresses: readonly string[]
  readonly trusted: ReadonlySet<NodeId>
  readonly verifier: SystemVerifier
  /** Longest time for each step, in milliseconds. */
  readonly stepMsMax: number
}

/**
 * Tries all ways at once. WebSocket on an HTTP address is a second way there, so that it never decides about
 * the first: a node that listens on TCP only is well.
 */
export async function tryWays(input: NetcheckInput): Promise<readonly Way[]> {
  const { urls, addresses, trusted, verifier, stepMsMax } = input
  const overHttp = urls.map(async (url): Promise<Way> => {
    const steps = await climb(httpRungs(url, trusted, verifier), stepMsMax)
    const needed = steps.filter(step => step.name !== 'websocket')
    return { target: url, path: 'http', outcome: worst(needed), steps: steps.map(optional) }
  })
  const overP2p = addresses.map(async (address): Promise<Way> => {
    const steps = await climb(addressRungs(address), stepMsMax)
    return { target: address, path: 'p2p', outcome: worst(steps), steps }
  })
  return Promise.all([...overHttp, ...overP2p])
}

function optional(step: Step): Step {
  if (step.name !== 'websocket' || step.outcome !== 'failed') return step
  return { ...step, outcome: 'warning', hint: step.hint ?? 'P2P needs another address to this node' }
}

function worst(steps: readonly Step[]): Outcome {
  if (steps.some(step => step.outcome === 'failed')) return 'failed'
  return steps.some(step => step.outcome === 'warning') ? 'warning' : 'ok'
}
