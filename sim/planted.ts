/**
 * Bugs on purpose, behind the ports: the simulator must find every one of them, or it proves nothing.
 *
 * The product knows nothing of this. Each bug wraps what a runtime is made of: its store, its transports, its
 * parameters, or rewrites the frames that come in.
 */
import { parseEntry, Replica, type Batch, type Message, type NodeId, type Store } from '@lattice/core'
import type { RuntimeParts } from '@lattice/daemon/runtime'
import { withCommit } from './disk.ts'
import type { Crew } from './crew.ts'
import { failOver } from './failover.ts'
import { tell, type Outcome } from './history.ts'
import { sha256 } from './keys.ts'
import { rewriting } from './rewriting.ts'
import type { Tamper } from './world.ts'

/** A bug, and within how many seeds it has to show. */
export interface Planted {
  readonly name: string
  readonly withinSeeds: number
  readonly tamper: Tamper
  /** The faults that provoke it, and their mean intervals in ms. */
  readonly faults: Readonly<Record<string, number>>
  /** Changes a class of the product until undone: for what lies behind no port. */
  readonly patch?: () => () => void
  /** Shows in a failover, not in a history. */
  readonly inFailover?: boolean
}

/** Tells what shows a planted bug, with it or without. */
export async function tellPlanted(seed: number, name: string, withBug: boolean): Promise<Outcome> {
  const bug = planted.find(each => each.name === name)
  const tamper = withBug ? bug?.tamper : undefined
  const swarm = new Map(Object.entries(bug?.faults ?? {}))
  const undo = withBug ? bug?.patch?.() : undefined
  try {
    if (bug?.inFailover === true) return await failOver(seed, tamper)
    return await tell({ seed, faultsMs, count, swarm, tamper, stopsEarly: withBug })
  } finally {
    undo?.()
  }
}

/** How long each history with a planted bug has faults, in ms. */
const faultsMs = 900_000

/** Nodes in it: the fewest that can have a majority, and the cheapest. */
const count = 3

function onStore(change: (store: Store) => Store): Tamper {
  return parts => ({ ...parts, store: change(parts.store) })
}

/** Rewrites what comes in: announces, requests and answers alike. */
function onReceived(change: (message: Message, from: NodeId, parts: RuntimeParts) => Message): Tamper {
  return parts => ({
    ...parts,
    transports: parts.transports.map(transport =>
      rewriting(transport, { received: (message, from) => change(message, from, parts) }),
    ),
  })
}

function isTombstone(bytes: Uint8Array): boolean {
  const entry = parseEntry(bytes, sha256)
  return entry !== undefined && entry.value === undefined
}

function without(message: Message, drop: (entry: Uint8Array) => boolean): Message {
  const { rows, entries } = message
  const keep = (list: readonly Uint8Array[]): Uint8Array[] => list.filter(each => !drop(each))
  return {
    ...message,
    ...(rows === undefined ? {} : { rows: { ...rows, entries: keep(rows.entries) } }),
    ...(entries === undefined ? {} : { entries: keep(entries) }),
  }
}

/**
 * All bugs. Wrong cursors, rows that are not told and an incarnation that survives its disk are not among
 * them: the comparison of roots, and counting anew until a peer agrees, mend them before a promise is broken.
 */
export const planted: readonly Planted[] = [
  {
    name: 'acknowledged before it is durable',
    withinSeeds: 3,
    faults: { 'cut-pair': 200_000 },
    tamper: onStore(store =>
      withCommit(store, (batch: Batch) => {
        void store.commit(batch).catch(() => {})
        return Promise.resolve()
      }),
    ),
  },
  {
    name: 'the clock forgets its past at a restart',
    withinSeeds: 10,
    faults: { crash: 60_000, 'clock-skew': 60_000 },
    tamper: onStore(store => {
      const forgetful = withCommit(store, batch => store.commit(batch))
      return Object.assign(forgetful, {
        fact: (name: string) => (name === 'clock' ? undefined : store.fact(name)),
      })
    }),
  },
  {
    name: 'equal positions taken for equal roots',
    withinSeeds: 10,
    faults: { 'cut-pair': 100_000, crash: 100_000, 'repeating-gossip': 100_000 },
    tamper: (parts, member, world) =>
      onReceived(message => {
        const root = world.members[member.index]?.process?.runtime.status().root
        if (root === undefined) return message
        const equal = { root: Uint8Array.from(Buffer.from(root, 'hex')) }
        const { beat, standing } = message
        return {
          ...message,
          ...(beat === undefined ? {} : { beat: { ...beat, ...equal } }),
          ...(standing === undefined ? {} : { standing: { ...standing, ...equal } }),
        }
      })(parts, member, world),
  },
  {
    name: 'tombstones are dropped on the way in',
    withinSeeds: 3,
    faults: { 'cut-pair': 200_000 },
    tamper: onReceived(message => without(message, isTombstone)),
  },
  {
    name: 'entries that were asked for are not taken in',
    withinSeeds: 10,
    faults: { amnesia: 200_000, 'cut-node': 100_000, 'lossy-gossip': 100_000 },
    tamper: onReceived(message => ({ ...message, entries: [] })),
  },
  {
    name: 'grace never ends',
    withinSeeds: 10,
    faults: { 'cut-p2p': 200_000 },
    tamper: parts => ({ ...parts, params: { ...parts.params, peerlessTimeoutMs: 3_600_000 } }),
  },
  {
    name: 'no flap limit and no hold-down',
    withinSeeds: 20,
    faults: { flapping: 120_000, 'cut-p2p': 60_000 },
    tamper: parts => ({
      ...parts,
      params: {
        ...parts.params,
        flapLimit: 1_000,
        holdDownMs: 0,
        stableAfterMs: 1_000,
        peerlessTimeoutMs: 6_000,
      },
    }),
  },
  {
    name: 'a commit that the disk refuses counts as done',
    withinSeeds: 5,
    faults: { 'full-disk': 60_000 },
    tamper: onStore(store => withCommit(store, batch => store.commit(batch).catch(() => {}))),
  },
  {
    name: 'the hedge is never fired',
    withinSeeds: 3,
    faults: {},
    inFailover: true,
    tamper: parts => ({ ...parts, params: { ...parts.params, hedgeAfterMs: 3_600_000 } }),
  },
  {
    name: 'alarms that are not needed any more pile up',
    withinSeeds: 3,
    faults: {},
    tamper(parts) {
      const { clock } = parts
      const alarm = (mono: number, callback: () => void): (() => void) => {
        clock.alarm(mono, callback)
        return () => {}
      }
      return { ...parts, clock: { now: () => clock.now(), alarm } }
    },
  },
  {
    name: 'every signature is good enough',
    withinSeeds: 10,
    faults: { malicious: 60_000 },
    tamper: parts => ({
      ...parts,
      verifier: { verify: items => Promise.resolve(items.map(() => true)) },
    }),
  },
  {
    name: 'entries from the future are taken in, and drag the clock',
    withinSeeds: 10,
    faults: { malicious: 60_000 },
    tamper: parts => parts,
    patch() {
      const offer = Reflect.get(Replica.prototype, 'offer')
      Replica.prototype.offer = function open(entries, origin) {
        return offer.call(this, entries, origin, Number.MAX_SAFE_INTEGER)
      }
      return () => void (Replica.prototype.offer = offer)
    },
  },
]

/** Looks for every bug; whether all were found. */
export async function findPlanted(crew: Crew, say: (line: string) => void): Promise<boolean> {
  let missed = 0
  const look = async (bug: Planted): Promise<void> => {
    const found = await firstFailure(crew, bug)
    if (found === undefined) missed++
    say(
      found === undefined
        ? `MISSED  ${bug.name}: not within ${bug.withinSeeds} seeds`
        : `found   ${bug.name}: seed ${found.seed} of ${bug.withinSeeds} (${found.violation})`,
    )
  }
  await Promise.all(planted.map(look))
  say(missed === 0 ? `all ${planted.length} planted bugs found` : `${missed} of ${planted.length} missed`)
  return missed === 0
}

/** The first seed at which a bug shows although the product itself is well there. */
async function firstFailure(
  crew: Crew,
  bug: Planted,
): Promise<{ seed: number; violation: string } | undefined> {
  for (let seed = 1; seed <= bug.withinSeeds; seed++) {
    const { violations } = await crew.tell({ seed, faultsMs, bug: bug.name, withBug: true })
    const [violation] = violations
    if (violation === undefined) continue
    const { violations: own } = await crew.tell({ seed, faultsMs, bug: bug.name, withBug: false })
    if (own.length === 0) return { seed, violation: violation.slice(0, 120) }
  }
  return undefined
}
