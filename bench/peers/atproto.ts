/**
 * The Merkle search tree of the AT protocol (Auvolat and Taïani, SRDS 2019) as @atproto/repo has it: the
 * blocks of the other's tree that are not known, level by level, then its own diff, then the entries.
 */
import { createHash } from 'node:crypto'
import {
  cborSize,
  cpuOf,
  loadPeer,
  payloadOf,
  type Difference,
  type KeyValue,
  type PeerBench,
  type PeerCost,
} from './peer.ts'

interface Cid {
  readonly bytes: Uint8Array
  toString(): string
}

interface Node {
  isTree(): boolean
  readonly pointer: Cid
}

interface Tree {
  add(key: string, value: Cid): Promise<Tree>
  getPointer(): Promise<Cid>
  getEntries(): Promise<Node[]>
  getUnstoredBlocks(): Promise<{ root: Cid; blocks: Blocks }>
}

interface Blocks {
  get(cid: Cid): Uint8Array | undefined
  set(cid: Cid, bytes: Uint8Array): void
}

interface Store {
  has(cid: Cid): Promise<boolean>
  putMany(blocks: Blocks): Promise<void>
}

interface Repo {
  readonly MST: { create(store: Store): Promise<Tree>; load(store: Store, root: Cid): Tree }
  readonly MemoryBlockstore: new () => Store
  readonly BlockMap: new () => Blocks
  readonly mstDiff: (now: Tree, before: Tree) => Promise<{ addList(): unknown[]; deleteList(): unknown[] }>
}

interface Multiformats {
  readonly CID: { createV1(code: number, digest: unknown): Cid }
}

interface Digests {
  create(code: number, digest: Uint8Array): unknown
}

/** DAG-CBOR and SHA-256 in the table of multicodecs. */
const [dagCbor, sha256] = [0x71, 0x12]

/** Its Merkle search tree, if it is installed. */
export async function openAtproto(): Promise<PeerBench | undefined> {
  const repo = await loadPeer<Repo>('@atproto/repo')
  const cids = await loadPeer<Multiformats>('multiformats/cid')
  const digests = await loadPeer<Digests>('multiformats/hashes/digest')
  if (repo === undefined || cids === undefined || digests === undefined) return undefined
  const cidOf = ([key, value]: KeyValue): Cid => {
    const digest = createHash('sha256').update(key).update(value).digest()
    return cids.CID.createV1(dagCbor, digests.create(sha256, digest))
  }
  return {
    name: 'atproto',
    note: 'atproto: 36 bytes for each block or value asked for, a whole level of the tree a trip; no framing.',
    reconcile: difference => reconcile(repo, cidOf, difference),
  }
}

async function reconcile(
  repo: Repo,
  cidOf: (entry: KeyValue) => Cid,
  { common, left, right }: Difference,
): Promise<PeerCost> {
  const [ours, theirs] = [await fill(repo, cidOf, common), await fill(repo, cidOf, common)]
  for (const entry of left) ours.tree = await ours.tree.add(pathOf(entry), cidOf(entry))
  for (const entry of right) theirs.tree = await theirs.tree.add(pathOf(entry), cidOf(entry))
  await ours.store.putMany((await ours.tree.getUnstoredBlocks()).blocks)
  const { root, blocks } = await theirs.tree.getUnstoredBlocks()
  let bytes = payloadOf(left) + payloadOf(right) + cborSize(root.bytes)
  let roundTrips = 0
  const fetched: Uint8Array[] = []
  const cpuMs = await cpuOf(async () => {
    for (let level = [root]; level.length > 0;) {
      const lacking: Cid[] = []
      for (const cid of level) if (!(await ours.store.has(cid))) lacking.push(cid)
      if (lacking.length > 0) roundTrips++
      level = await take(lacking)
    }
    const diff = await repo.mstDiff(repo.MST.load(ours.store, root), ours.tree)
    const [missing, surplus] = [diff.addList().length, diff.deleteList().length]
    if (missing !== right.length || surplus !== left.length)
      throw new Error('atproto found another difference')
    if (missing + surplus > 0) roundTrips++
    bytes += cborSize(right.map(entry => cidOf(entry).bytes))
  })
  return { bytes: bytes + fetched.reduce((sum, { length }) => sum + length, 0), roundTrips, cpuMs }

  /** Fetches blocks; the trees below them. */
  async function take(cids: readonly Cid[]): Promise<Cid[]> {
    const found = new repo.BlockMap()
    for (const cid of cids) {
      const block = blocks.get(cid)
      if (block === undefined) throw new Error(`there is no block ${String(cid)}`)
      found.set(cid, block)
      fetched.push(block)
    }
    bytes += cids.length === 0 ? 0 : cborSize(cids.map(cid => cid.bytes))
    await ours.store.putMany(found)
    const entries = await Promise.all(cids.map(cid => repo.MST.load(ours.store, cid).getEntries()))
    return entries.flat().flatMap(entry => (entry.isTree() ? [entry.pointer] : []))
  }
}

async function fill(
  repo: Repo,
  cidOf: (entry: KeyValue) => Cid,
  entries: readonly KeyValue[],
): Promise<{ store: Store; tree: Tree }> {
  const store = new repo.MemoryBlockstore()
  let tree = await repo.MST.create(store)
  for (const entry of entries) tree = await tree.add(pathOf(entry), cidOf(entry))
  return { store, tree }
}

/** A key as a path of a repository: what it demands. */
function pathOf([key]: KeyValue): string {
  return `k/${key}`
}
