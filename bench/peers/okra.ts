/** Okra: a Prolly tree per side; one side walks the other's nodes and learns what either lacks. */
import {
  cborSize,
  cpuOf,
  loadPeer,
  payloadOf,
  type Difference,
  type PeerBench,
  type PeerCost,
} from './peer.ts'

interface Node {
  readonly level: number
  readonly key: Uint8Array | null
  readonly hash: Uint8Array
}

interface Reading {
  getRoot(): Node
  getNode(level: number, key: Uint8Array | null): Node | null
  getChildren(level: number, key: Uint8Array | null): Node[]
}

interface Tree {
  read<T>(look: (reading: Reading) => Promise<T>): Promise<T>
  write(change: (writing: { set(key: Uint8Array, value: Uint8Array): void }) => void): Promise<void>
}

interface Delta {
  readonly source: Uint8Array | null
  readonly target: Uint8Array | null
}

interface Okra {
  sync(source: Reading, target: Reading): AsyncIterable<Delta>
}

/** Okra, if it is installed. */
export async function openOkra(): Promise<PeerBench | undefined> {
  const okra = await loadPeer<Okra>('@canvas-js/okra')
  const memory = await loadPeer<{ Tree: new () => Tree }>('@canvas-js/okra-memory')
  if (okra === undefined || memory === undefined) return undefined
  return {
    name: 'okra',
    note: 'okra: nodes without values as CBOR, then the missing values; no framing.',
    reconcile: difference => reconcile(okra, memory.Tree, difference),
  }
}

async function reconcile(okra: Okra, TreeOf: new () => Tree, difference: Difference): Promise<PeerCost> {
  const { common, left, right } = difference
  const [one, other] = [new TreeOf(), new TreeOf()]
  const text = new TextEncoder()
  const put = (tree: Tree, entries: Difference['left']): Promise<void> =>
    tree.write(writing => entries.forEach(([key, value]) => writing.set(text.encode(key), value)))
  await put(one, [...common, ...left])
  await put(other, [...common, ...right])
  let bytes = payloadOf(left) + payloadOf(right)
  // The missing values go with one more round trip.
  let roundTrips = 1
  const counted = (source: Reading): Reading => {
    const carry = <T extends Node | Node[] | null>(question: unknown, answer: T): T => {
      const nodes: readonly Node[] = answer === null ? [] : [answer].flat()
      roundTrips++
      bytes += cborSize(question) + cborSize(nodes.map(({ key, hash }) => [key, hash]))
      return answer
    }
    return {
      getRoot: () => carry([], source.getRoot()),
      getNode: (level, key) => carry([level, key], source.getNode(level, key)),
      getChildren: (level, key) => carry([level, key], source.getChildren(level, key)),
    }
  }
  let [missing, surplus] = [0, 0]
  const cpuMs = await cpuOf(() =>
    other.read(source =>
      one.read(async target => {
        for await (const delta of okra.sync(counted(source), target)) {
          if (delta.target === null) missing++
          if (delta.source === null) surplus++
        }
      }),
    ),
  )
  if (missing !== right.length || surplus !== left.length) throw new Error('okra found another difference')
  return { bytes, roundTrips, cpuMs }
}
