/** Okra over LMDB: a Prolly tree on disk, every write a durable transaction of its own. Unsigned. */
import { mkdirSync } from 'node:fs'
import { loadPeer, type KeyValue } from './peer.ts'

interface Tree {
  write(change: (transaction: { set(key: Uint8Array, value: Uint8Array): void }) => void): Promise<void>
  close(): Promise<void>
}

interface OkraLmdb {
  readonly Tree: new (path: string, options: { mapSize: number }) => Tree
}

/** A durable tree that is written to. */
export interface DurableTree {
  /** One durable transaction. */
  write(entries: readonly KeyValue[]): Promise<void>
  close(): Promise<void>
}

/** Address space of the map: the most that its binding takes. */
const mapSize = 2 ** 30

/** A new tree in `directory`, if okra-lmdb is installed. */
export async function openOkraLmdb(directory: string): Promise<DurableTree | undefined> {
  const okra = await loadPeer<OkraLmdb>('@canvas-js/okra-lmdb')
  if (okra === undefined) return undefined
  mkdirSync(directory, { recursive: true })
  const tree = new okra.Tree(directory, { mapSize })
  const text = new TextEncoder()
  return {
    write: entries =>
      tree.write(transaction => {
        for (const [key, value] of entries) transaction.set(text.encode(key), value)
      }),
    close: () => tree.close(),
  }
}
