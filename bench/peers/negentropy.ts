/**
 * Negentropy (range-based set reconciliation, Meyer, 2022; Nostr NIP-77) as nostr-tools has it: fingerprints
 * of ranges of time, split until they agree, then the entries.
 */
import { createHash, randomInt } from 'node:crypto'
import {
  cpuOf,
  loadPeer,
  payloadOf,
  type Difference,
  type KeyValue,
  type PeerBench,
  type PeerCost,
} from './peer.ts'

interface Storage {
  insert(timestamp: number, id: string): void
  seal(): void
}

interface Side {
  initiate(): string
  reconcile(message: string, onHave?: (id: string) => void, onNeed?: (id: string) => void): string | null
}

interface Nip77 {
  readonly NegentropyStorageVector: new () => Storage
  readonly Negentropy: new (storage: Storage, frameSizeLimit: number) => Side
}

/** As large as a frame of ours may be. */
const frameBytesMax = 256 * 1024
/** Entries lie at random seconds of a year. */
const yearSeconds = 365 * 24 * 3600
/** An exchange takes four or so; one that takes this many does not end. */
const tripsMax = 1000

/** Negentropy, if it is installed. */
export async function openNegentropy(): Promise<PeerBench | undefined> {
  const nip77 = (await loadPeer<{ nip77: Nip77 }>('nostr-tools'))?.nip77
  return (
    nip77 && {
      name: 'negentropy',
      note: 'negentropy: its own messages; 32 bytes for each entry asked for; its index is made anew each time.',
      reconcile: difference => reconcile(nip77, difference),
    }
  )
}

async function reconcile(nip77: Nip77, { common, left, right }: Difference): Promise<PeerCost> {
  const named = (entries: readonly KeyValue[]): [at: number, id: string][] =>
    entries.map(entry => [randomInt(yearSeconds), idOf(entry)])
  const [shared, ours, theirs] = [named(common), named(left), named(right)]
  const sideOf = (entries: ReadonlyArray<readonly [at: number, id: string]>): Side => {
    const storage = new nip77.NegentropyStorageVector()
    for (const [at, id] of entries) storage.insert(at, id)
    storage.seal()
    return new nip77.Negentropy(storage, frameBytesMax)
  }
  let bytes = payloadOf(left) + payloadOf(right)
  let roundTrips = left.length + right.length === 0 ? 0 : 1
  // Who is told all ids of a range knows what either side lacks there, and asks for it or sends it.
  const [onlyOurs, onlyTheirs] = [new Set<string>(), new Set<string>()]
  let askedFor = 0
  const cpuMs = await cpuOf(() => {
    const [one, other] = [sideOf([...shared, ...ours]), sideOf([...shared, ...theirs])]
    const hear = (side: Side, message: string): string | null => {
      const [own, others] = side === one ? [onlyOurs, onlyTheirs] : [onlyTheirs, onlyOurs]
      const need = (id: string): void => void (others.add(id), askedFor++)
      return side.reconcile(message, id => own.add(id), need)
    }
    for (let question: string | null = one.initiate(); question !== null && roundTrips < tripsMax;) {
      const answer = hear(other, question)
      roundTrips++
      bytes += (question.length + (answer?.length ?? 0)) / 2
      question = answer && hear(one, answer)
    }
  })
  if (onlyOurs.size !== left.length || onlyTheirs.size !== right.length)
    throw new Error('negentropy found another difference')
  return { bytes: bytes + 32 * askedFor, roundTrips, cpuMs }
}

function idOf([key, value]: KeyValue): string {
  return createHash('sha256').update(key).update(value).digest('hex')
}
