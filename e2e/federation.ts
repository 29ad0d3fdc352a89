/** What tests ask of several daemons at once: do they see each other, do they agree, does a write arrive. */
import type { Client } from '@lattice/api'
import type { JsonValue } from '@lattice/core'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'

/** Steps of the mode machine shown where a test waits in vain: enough to see what led there. */
const stepsShown = 6

/** `GET /api/lattice/p2p/status`. */
export type P2pStatus = Awaited<ReturnType<Client['getP2pStatus']>>

/** Mode, phase, root and warnings of one node. */
export function statusOf(node: Daemon): Promise<P2pStatus> {
  return node.client.getP2pStatus()
}

/** The Merkle root of one node. */
export async function rootOf(node: Daemon): Promise<string> {
  return (await statusOf(node)).merkle_root
}

/** Waits until every node has `peers` fresh P2P peers (default: all others) and is in phase P2P. */
export async function metOverP2p(nodes: readonly Daemon[], peers = nodes.length - 1): Promise<void> {
  for (const node of nodes) {
    await eventually(
      `${node.name} has ${peers} P2P peers`,
      async () => {
        const status = await statusOf(node)
        return status.peer_count === peers && status.phase === 'P2P'
      },
      30_000,
    )
  }
}

/** Waits until one node is in `phase`; its status then. */
export function inPhase(node: Daemon, phase: P2pStatus['phase'], limitMs = 20_000): Promise<P2pStatus> {
  const look = async (): Promise<P2pStatus | false> => {
    const status = await statusOf(node)
    if (status.phase === phase) return status
    const { transitions } = await node.client.getTransitions()
    const steps = transitions.slice(-stepsShown).map(({ from, to, reason }) => `${from} > ${to}: ${reason}`)
    throw new Error(steps.join('; '))
  }
  return eventually(`${node.name} is in phase ${phase}`, look, limitMs)
}

/** Waits until all nodes report one root; returns it. */
export function equalRoots(nodes: readonly Daemon[], limitMs = 15_000): Promise<string> {
  const look = async (): Promise<string> => {
    const roots = await Promise.all(nodes.map(rootOf))
    const [root = ''] = roots
    if (new Set(roots).size === 1) return root
    throw new Error(roots.map(each => each.slice(0, 8)).join(' '))
  }
  return eventually(`${nodes.map(({ name }) => name).join(', ')} hold one root`, look, limitMs)
}

/** Writes one key. */
export async function put(node: Daemon, key: string, value: JsonValue): Promise<string> {
  return (await node.client.putKey({ params: { key }, body: value })).version
}

/** The value of a key; undefined where there is none. */
export async function valueOf(node: Daemon, key: string): Promise<JsonValue | undefined> {
  try {
    return (await node.client.getKey({ params: { key } })).value
  } catch (error) {
    if (codeOf(error) === 'KEY_NOT_FOUND') return undefined
    throw error
  }
}

/** Waits until all nodes read `value` under `key`; how long it took, in milliseconds. */
export async function arrives(
  nodes: readonly Daemon[],
  key: string,
  value: JsonValue,
  limitMs = 15_000,
): Promise<number> {
  const startedAt = performance.now()
  for (const node of nodes) {
    const look = async (): Promise<boolean> => {
      const read = await valueOf(node, key)
      if (JSON.stringify(read) === JSON.stringify(value)) return true
      throw new Error(`reads ${JSON.stringify(read)}`)
    }
    await eventually(`${key} arrives at ${node.name}`, look, limitMs)
  }
  return performance.now() - startedAt
}

/** The code of an error answer. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined
}
