/**
 * What the node knows of the health of its store, and what it does about it: damaged entries leave the trie
 * at once and are fetched again from every peer.
 */
import type { Damage } from './checked-rows.ts'
import type { Effect } from './events.ts'
import type { Intake } from './intake.ts'
import type { Peer } from './peers.ts'
import type { Replica } from './replica.ts'
import type { DamageStatus } from './status.ts'

/** Damaged keys named in a status and in a log line. */
const damagedKeysMax = 20

/** What the care works with. */
export interface StoreCareParts {
  readonly replica: Replica
  readonly intake: Intake
}

/** Looks after the store of one node. */
export class StoreCare {
  readonly #parts: StoreCareParts
  #found = 0
  #foundAt = Number.NEGATIVE_INFINITY

  constructor(parts: StoreCareParts) {
    this.#parts = parts
  }

  /** Damaged entries, for people. */
  get damage(): DamageStatus {
    const { places } = this.#parts.replica.quarantine
    return { lost: places.length, found: this.#found, keys: namesOf(places) }
  }

  /**
   * Gives up what no member has.
   * @param root our root; undefined while something is on its way to the disk
   */
  giveUp(peers: Iterable<Peer>, root: string | undefined): void {
    const { quarantine, keys } = this.#parts.replica
    if (root === undefined || quarantine.places.length === 0) return
    if (agreeAll([...peers], root, this.#foundAt) && quarantine.clear()) keys.doubt()
  }

  /** Quarantines what reads have found damaged since the last call; empty where there was nothing. */
  quarantine(peers: Iterable<Peer>, now: number): Effect[] {
    const damage = this.#parts.replica.quarantine.take()
    if (damage.length === 0) return []
    this.#found += damage.length
    this.#foundAt = now
    for (const peer of peers) this.#parts.intake.fetchAgain(peer, damage)
    const fields = { code: 'ENTRY_DAMAGED', count: damage.length, keys: namesOf(damage) }
    const message = 'entries on the disk are damaged; they are fetched again from the other nodes'
    return [{ type: 'log', level: 'error', message, fields }]
  }
}

/**
 * Whether every member has said since `foundAt` that its root is ours. One is not enough: it may have lost
 * the same, or have spoken before it got what is lost here.
 */
function agreeAll(peers: readonly Peer[], root: string, foundAt: number): boolean {
  return peers.length > 0 && peers.every(({ known }) => known?.root === root && known.at > foundAt)
}

function namesOf(damage: readonly Damage[]): string[] {
  return damage.slice(0, damagedKeysMax).map(each => each.key ?? '?')
}
