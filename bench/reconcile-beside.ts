/** Other libraries on the same entries, for reconcile.ts: whichever are installed into bench/peers. */
import { randomBytes } from 'node:crypto'
import { keyBytes } from './memory-pair.ts'
import { openAtproto } from './peers/atproto.ts'
import { openNegentropy } from './peers/negentropy.ts'
import { openOkra } from './peers/okra.ts'
import type { KeyValue, PeerBench } from './peers/peer.ts'
import { openRiblt } from './peers/riblt.ts'
import { openYjs } from './peers/yjs.ts'
import { progress, round, type Cell, type Table } from './report.ts'
import { randomKeys, valueBytes } from './workload.ts'

/** What to compare. */
export interface Sizes {
  readonly entries: readonly number[]
  readonly differences: readonly number[]
  /** Names of libraries; all, if it is empty. */
  readonly names: readonly string[]
}

/** Measures them; a library that fails says so in its row. */
export async function measurePeers({ entries, differences, names }: Sizes): Promise<Table> {
  const opened = await Promise.all([openOkra(), openAtproto(), openNegentropy(), openRiblt(), openYjs()])
  const installed = opened.filter(peer => peer !== undefined)
  const peers = installed.filter(({ name }) => names.length === 0 || names.includes(name))
  const rows: Cell[][] = []
  for (const n of entries) {
    const common = randomEntries(n)
    for (const peer of peers)
      for (const d of differences) {
        progress(`reconcile: n = ${n}, d = ${d}, ${peer.name}`)
        rows.push(await beside(peer, n, d, common))
      }
  }
  return {
    title: 'Other libraries, same entries, unsigned',
    columns: ['n', 'd', 'library', 'meta B/diff', 'trips', 'meta B in all', 'CPU ms'],
    rows,
    notes: [...peers.map(({ note }) => note), 'Meta: all bytes both ways minus missing keys and values.'],
  }
}

async function beside(peer: PeerBench, n: number, d: number, common: readonly KeyValue[]): Promise<Cell[]> {
  const [left, right] = [randomEntries(Math.ceil(d / 2)), randomEntries(Math.floor(d / 2))]
  const { bytes, roundTrips, cpuMs } = await peer.reconcile({ common, left, right })
  const meta = bytes - d * (keyBytes + valueBytes)
  return [n, d, peer.name, round(meta / Math.max(1, d), 4), roundTrips, meta, round(cpuMs)]
}

function randomEntries(count: number): KeyValue[] {
  return randomKeys(count, keyBytes).map(key => [key, new Uint8Array(randomBytes(valueBytes))])
}
