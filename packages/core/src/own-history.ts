/**
 * Recognises that this node has a past which its store does not hold (reliability S10, S11).
 *
 * Nobody else can sign in the name of this node. So an entry of its own that comes from a peer and is news
 * was written by a life of the store that is gone, because an old copy was put in its place, or is being
 * written by a second process with the same key.
 */
import { toHex } from './bytes.ts'
import type { Entry } from './entry.ts'
import type { Effect } from './events.ts'
import { wallOf } from './hlc.ts'
import type { Random, Store } from './ports.ts'
import { counterSlot } from './slot.ts'
import { isIncarnation, type Incarnation, type Instant, type NodeId } from './units.ts'

/**
 * Entries stamped this long after the start of this process were not written before it: more than two clocks
 * of one machine differ.
 */
const laterMs = 5_000

/** Who looks back, and since when. */
export interface OwnHistoryParts {
  readonly self: NodeId
  readonly incarnation: Incarnation
  /** When this process has started, in Unix ms. */
  readonly startWall: number
  /**
   * Whether the store then held what it should: an empty one, and one that has just begun a new life, has
   * nothing to be older than.
   */
  readonly isWhole: boolean
  /** The other members. */
  readonly others: ReadonlySet<NodeId>
}

/**
 * What this node counts under until every other member has agreed with it, and has told what waits there of
 * this node's own writing: a total stamped by a clock far ahead is in no root. The store may be an old copy,
 * and a total that is written over a later one, which one member alone may hold, would lose increments; so
 * each start counts anew until then. Alone it goes on where it was.
 */
export function provisionalLife(
  store: Store,
  self: NodeId,
  members: ReadonlySet<NodeId>,
  random: Random,
): Incarnation {
  const isAlone = [...members].every(id => id === self)
  if (isAlone) return store.incarnation
  const drawn = toHex(random.bytes(8))
  return isIncarnation(drawn) ? drawn : store.incarnation
}

/** Puts together what peers tell of this node's own past. */
export class OwnHistory {
  readonly #parts: OwnHistoryParts
  #clonedWall: number | undefined
  /** Members whose root has been ours since the start. */
  readonly #agreed = new Set<NodeId>()

  constructor(parts: OwnHistoryParts) {
    this.#parts = parts
  }

  /** When an entry was last seen that another process has signed with this node's key, in Unix ms. */
  get clonedWall(): number | undefined {
    return this.#clonedWall
  }

  /** A member holds exactly what we hold; whether all of them have said so since the start. */
  agreedWith(peer: NodeId): boolean {
    this.#agreed.add(peer)
    return [...this.#parts.others].every(other => this.#agreed.has(other))
  }

  /**
   * What follows from entries of this node's own that a peer has brought, and that were news to a store that
   * should hold all of them. One that recovers holds at least what it has written since its start: a double
   * is noticed all the same. So is an old copy that recovers only because it has agreed with nobody yet.
   */
  learn(own: readonly Entry[], peer: NodeId, at: Instant, isRecovering = false): Effect[] {
    const { self, incarnation, startWall, isWhole } = this.#parts
    const effects: Effect[] = []
    const later = own.filter(({ version }) => wallOf(version) > startWall + laterMs)
    if (later.length > 0) {
      if (this.#clonedWall === undefined) effects.push(clonedLog(peer))
      this.#clonedWall = at.wall
    }
    const ownSlot = counterSlot(self, incarnation)
    const isSharedLife = own.some(({ slot }) => slot === ownSlot)
    const isToHoldAll = isWhole && !(isRecovering && this.#agreed.size > 0)
    if (!isSharedLife && !(isToHoldAll && own.length > later.length)) return effects
    const reason = 'a peer holds what this node has written and its store does not'
    return [...effects, { type: 'distrust-store', reason, remedy: 'new-life' }]
  }
}

function clonedLog(peer: NodeId): Effect {
  const message = 'another process writes with the key of this node: its data directory was copied'
  return { type: 'log', level: 'error', message, fields: { code: 'NODE_CLONED', peer } }
}
