/** What an engine is made of. */
import type { Info } from './message.ts'
import type { EngineParams } from './params.ts'
import type { Hash, Random, Signer, Store } from './ports.ts'
import type { Instant, NodeId } from './units.ts'

/** Identity, store, surroundings and the federation of one node. */
export interface EngineParts {
  readonly info: Info
  readonly store: Store
  readonly hash: Hash
  readonly signer: Signer
  readonly random: Random
  readonly params: EngineParams
  /** The other members. Empty: the node serves its own clients and nobody else. */
  readonly members: ReadonlySet<NodeId>
  /** Members of the past: what they have written stays good, but nobody talks to them. None by default. */
  readonly former?: ReadonlySet<NodeId>
  /** Whether a damaged database may still give back what the store has lost. Never by default. */
  readonly isSalvaging?: () => boolean
  readonly at: Instant
}

/** Whose entries are taken in. */
export function authorsOf({
  signer,
  members,
  former,
}: Pick<EngineParts, 'signer' | 'members' | 'former'>): ReadonlySet<NodeId> {
  return new Set([signer.nodeId, ...members, ...(former ?? [])])
}
