/**
 * The same batches for whoever asks: new keys, keys written anew, elements of sets, drops, facts, small
 * commits and large ones. Who writes them and who checks what is left of them need not talk to each other.
 */
import {
  elementSlot,
  encodeValue,
  rowOf,
  signEntry,
  type Batch,
  type NewRow,
  type Sequence,
} from '@lattice/core'
import { createSeededRandom } from '@lattice/core/testing'
import { identityFromSeed, sha256 } from '@lattice/daemon'

/** Batches of one ledger. */
export const ledgerBatches = 400

/** The indexes lag by little, so that a ledger meets every state of them. */
export const ledgerLag = { list: 200, slice: 24 } as const

const { signer } = identityFromSeed(Buffer.alloc(32, 7), 'generated')

/** What a store holds after some of the batches. */
export interface LedgerState {
  /** Live ones, ascending. */
  readonly rows: readonly NewRow[]
  readonly facts: ReadonlyMap<string, Uint8Array>
  readonly lastSeq: Sequence
}

/** The batches of a ledger, which depend on its seed alone. */
export function* ledger(seed: number): Generator<Batch> {
  const random = createSeededRandom(seed)
  const below = (limit: number): number => Math.floor(random.unit() * limit)
  const live = new Map<string, Sequence>()
  let seq = 0
  for (let number = 0; number < ledgerBatches; number++) {
    const unit = random.unit()
    const size = unit < 0.75 ? 1 + below(5) : unit < 0.97 ? 6 + below(15) : 150 + below(150)
    const rows = new Map<string, NewRow>()
    for (let at = 0; at < size; at++) {
      const key = random.unit() < 0.5 ? `key ${below(300)}` : `entry ${number}/${at}`
      const element = random.unit() < 0.2 ? encodeValue(`element ${below(5)}`) : undefined
      const value = element ?? encodeValue(`${number}/${at} `.repeat(below(size > 100 ? 20 : 250)))
      const slot = element === undefined ? '' : elementSlot(element, sha256)
      const place = `${key}/${slot}`
      if (rows.has(place)) continue
      const content = { key, slot, value, base: 0n, version: BigInt(number + 1) }
      rows.set(place, rowOf(signEntry(content, signer, sha256), ++seq, sha256))
    }
    const droppable = [...live].filter(([place]) => !rows.has(place))
    const dropped = random.unit() < 0.2 ? droppable.slice(below(20), below(20) + 20) : []
    for (const [place] of dropped) live.delete(place)
    for (const [place, row] of rows) live.set(place, row.seq)
    const facts = new Map<string, Uint8Array | undefined>([['newest', Buffer.from(`${seq}`)]])
    const fact = `fact ${below(10)}`
    if (random.unit() < 0.3) facts.set(fact, random.unit() < 0.3 ? undefined : random.bytes(below(200)))
    yield { rows: [...rows.values()], drops: dropped.map(([, dropSeq]) => dropSeq), facts }
  }
}

/** What a store must hold after none of the batches, after the first, the first two, and so on. */
export function ledgerStates(seed: number): LedgerState[] {
  const [live, facts] = [new Map<string, NewRow>(), new Map<string, Uint8Array>()]
  const states: LedgerState[] = [{ rows: [], facts: new Map(), lastSeq: 0 }]
  for (const batch of ledger(seed)) {
    const dropped = new Set(batch.drops)
    for (const [place, { seq }] of live) if (dropped.has(seq)) live.delete(place)
    for (const row of batch.rows) {
      const place = `${row.key}/${row.slot}`
      live.delete(place)
      live.set(place, row)
    }
    for (const [name, value] of batch.facts)
      if (value === undefined) facts.delete(name)
      else facts.set(name, value)
    const lastSeq = batch.rows.at(-1)?.seq ?? 0
    states.push({ rows: [...live.values()], facts: new Map(facts), lastSeq })
  }
  return states
}
