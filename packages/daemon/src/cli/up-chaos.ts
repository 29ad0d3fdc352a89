/**
 * `lattice up --chaos`: P2P between the local nodes is cut without a word, and heals again, before the eyes of
 * the user. The daemons drop the frames themselves, so this needs no root.
 */
import { chaosVariable } from '../chaos-transport.ts'
import { span } from './io.ts'
import type { Step } from './progress.ts'
import type { Fleet } from './up-fleet.ts'
import { provePath } from './up-proof.ts'
import type { LiveNode, Proof } from './up-proof.ts'
import { until } from './up-wait.ts'

/**
 * What `--chaos` gives the daemons: short times, so that all is seen within 40 s, and an ear for the orders.
 */
export const chaosDefaults: Readonly<Record<string, string>> = {
  [chaosVariable]: '1',
  LATTICE_HEARTBEAT_INTERVAL: '1s',
  LATTICE_PEERLESS_TIMEOUT: '6s',
  LATTICE_P2P_STABLE_AFTER: '5s',
  LATTICE_HOLD_DOWN: '5s',
  LATTICE_REDIAL_MAX: '2s',
}

/** What happened. */
export interface ChaosProof {
  readonly proofs: readonly Proof[]
  /** From the cut until every node had declared HTTP. */
  readonly httpDeclaredMs: number
  /** From the heal until every node was back on P2P. */
  readonly p2pBackMs: number
  /** The story in sentences. */
  readonly lines: readonly string[]
}

interface Stage {
  readonly step: Step
  readonly nodes: readonly LiveNode[]
  readonly fleet: Fleet
  readonly signal: AbortSignal
}

/** Cuts P2P, writes, waits for HTTP to be declared, heals, waits for P2P, writes again. */
export async function proveChaos({ step, nodes, fleet, signal }: Stage): Promise<ChaosProof> {
  const [first, ...others] = nodes
  if (first === undefined) throw new Error('a federation has nodes')
  const { name } = first.node
  await step('P2P is cut: frames vanish, connections look healthy, nobody is told', () =>
    fleet.tell({ chaos: 'cut' }),
  )
  const cutAt = performance.now()
  const during = await step(`demo/during-the-cut written on ${name}, read on the others by http`, () =>
    provePath(first, others, { key: 'demo/during-the-cut', path: 'http' }, signal),
  )
  await step('HTTP is declared by every node', tell => everyPhase(nodes, ['HTTP', 'TRIAL'], signal, tell))
  const httpDeclaredMs = Math.round(performance.now() - cutAt)
  await step('P2P is healed', () => fleet.tell({ chaos: 'heal' }))
  const healedAt = performance.now()
  await step('P2P has proved itself to every node', tell => everyPhase(nodes, ['P2P'], signal, tell))
  const p2pBackMs = Math.round(performance.now() - healedAt)
  const after = await step(`demo/after-the-cut written on ${name}, read on the others by p2p`, () =>
    provePath(first, others, { key: 'demo/after-the-cut', path: 'p2p' }, signal),
  )
  const slowest = Math.max(...during.map(({ ms }) => ms))
  return {
    proofs: [...during, ...after],
    httpDeclaredMs,
    p2pBackMs,
    lines: [
      `P2P was cut silently: the write made then arrived everywhere within ${span(slowest)} via http,`,
      `before any verdict; HTTP was declared after ${span(httpDeclaredMs)}.`,
      `P2P was healed: back to P2P after ${span(p2pBackMs)}, once it had proved itself.`,
    ],
  }
}

function everyPhase(
  nodes: readonly LiveNode[],
  wanted: readonly string[],
  signal: AbortSignal,
  tell: (text: string) => void,
): Promise<unknown> {
  const waits = nodes.map(({ node, client }) =>
    until(`${node.name} is in phase ${wanted.join(' or ')}`, signal, async () => {
      const { phase, reason } = await client.getP2pStatus({ signal })
      tell(`${node.name}: ${phase}, ${reason}`)
      return wanted.includes(phase)
    }),
  )
  return Promise.all(waits)
}
