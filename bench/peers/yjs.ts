/** Yjs: a map in a document per side; state vectors first, then the updates that the other lacks. */
import { cpuOf, loadPeer, type Difference, type PeerBench, type PeerCost } from './peer.ts'

interface Doc {
  clientID: number
  getMap(name: string): { set(key: string, value: Uint8Array): void; readonly size: number }
  transact(change: () => void): void
}

interface Yjs {
  readonly Doc: new () => Doc
  applyUpdate(doc: Doc, update: Uint8Array): void
  encodeStateVector(doc: Doc): Uint8Array
  encodeStateAsUpdate(doc: Doc, stateVector?: Uint8Array): Uint8Array
}

/** Yjs, if it is installed. */
export async function openYjs(): Promise<PeerBench | undefined> {
  const yjs = await loadPeer<Yjs>('yjs')
  return (
    yjs && {
      name: 'yjs',
      note: 'yjs: one writer per side; unsigned, and it keeps the whole history.',
      reconcile: difference => reconcile(yjs, difference),
    }
  )
}

async function reconcile(yjs: Yjs, { common, left, right }: Difference): Promise<PeerCost> {
  const [one, other] = [new yjs.Doc(), new yjs.Doc()]
  const put = (doc: Doc, entries: Difference['left']): void =>
    doc.transact(() => entries.forEach(([key, value]) => doc.getMap('state').set(key, value)))
  put(one, common)
  yjs.applyUpdate(other, yjs.encodeStateAsUpdate(one))
  put(one, left)
  put(other, right)
  let bytes = 0
  const cpuMs = await cpuOf(() => {
    const question = yjs.encodeStateVector(one)
    const answer = yjs.encodeStateAsUpdate(other, question)
    const known = yjs.encodeStateVector(other)
    yjs.applyUpdate(one, answer)
    const rest = yjs.encodeStateAsUpdate(one, known)
    yjs.applyUpdate(other, rest)
    bytes = question.length + answer.length + known.length + rest.length
  })
  if (one.getMap('state').size !== other.getMap('state').size) throw new Error('yjs did not become equal')
  return { bytes, roundTrips: 1.5, cpuMs }
}
