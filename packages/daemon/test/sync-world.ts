/**
 * Whole nodes on one network in memory, in virtual time, whose every frame a test may look at, hold, lose or
 * forge. Signatures are keyed hashes: as fast as hashing, and checked all the same.
 */
import { createHash } from 'node:crypto'
import {
  decodeMessage,
  defaultParams,
  encodeMessage,
  encodeValue,
  isMalformed,
  LatticeError,
  rowOf,
  signEntry,
  type Incarnation,
  type Message,
  type NewRow,
  type NodeId,
  type PathKind,
  type Signer,
  type Transport,
  type Verifier,
  type Version,
} from '@lattice/core'
import {
  createMemoryImage,
  createMemoryNetwork,
  createMemoryStore,
  createSeededRandom,
  createVirtualClock,
  type MemoryImage,
  type MemoryNetwork,
  type MemoryStore,
  type VirtualClock,
} from '@lattice/core/testing'
import { Runtime } from '@lattice/daemon/runtime'
import { sha256 } from './federation.ts'

/** A frame on its way. */
export interface Carried {
  readonly from: number
  /** Announces go to nobody in particular: −1. */
  readonly to: number
  readonly as: 'request' | 'answer' | 'announce'
  readonly message: Message
  readonly bytes: number
}

/** One node, and what outlives it. */
export interface SyncNode {
  readonly signer: Signer
  image: MemoryImage
  store: MemoryStore
  runtime: Runtime
}

const signers = Array.from({ length: 4 }, (_, at) => keyedSigner(at)).sort((a, b) =>
  a.nodeId < b.nodeId ? -1 : 1,
)
const byId = new Map(signers.map(signer => [signer.nodeId, signer]))

/** The version of entries that were there before the test began. */
const longAgo: Version = 1_690_000_000_000n << 16n

/** Nodes on one network. */
export class SyncWorld {
  readonly clock: VirtualClock = createVirtualClock()
  readonly nodes: SyncNode[] = []
  /** Every frame that arrived. */
  readonly log: Carried[] = []
  /** May take its time, throw, or put another message in the place of this one. */
  onFrame: (frame: Carried) => Message | Promise<Message> = ({ message }) => message
  /** How often a request or an announce is sent: 0 loses it, 2 repeats it. */
  copies: (as: 'request' | 'announce') => number = () => 1
  /** May take its time before verdicts are given. */
  onVerify: (node: number, count: number) => Promise<void> = async () => {}
  readonly #network: MemoryNetwork
  readonly #kind: PathKind
  #lives = 0
  #starts = 1

  constructor(kind: PathKind = 'p2p') {
    this.#kind = kind
    this.#network = createMemoryNetwork(kind)
  }

  /** Adds a node that holds these rows, and starts it. */
  async add(rows: readonly NewRow[] = []): Promise<SyncNode> {
    const at = this.nodes.length
    const image = this.#newImage()
    const store = createMemoryStore({ image })
    const node = { signer: signerAt(at), image, store, runtime: this.#open(at, store) }
    this.nodes.push(node)
    await this.#fill(store, rows)
    node.runtime = this.#open(at, store)
    await node.runtime.start()
    return node
  }

  /** Ends the process of a node and starts it again: with its disk, or with a new one that holds `rows`. */
  async restart(at: number, rows?: readonly NewRow[]): Promise<void> {
    const node = this.nodes[at] as SyncNode
    await node.runtime.stop()
    if (rows !== undefined) node.image = this.#newImage()
    node.store = createMemoryStore({ image: node.image })
    if (rows !== undefined) await this.#fill(node.store, rows)
    node.runtime = this.#open(at, node.store)
    await node.runtime.start()
  }

  /** Everything between two nodes is lost from now on, and their connection breaks. */
  cut(a: number, b: number): void {
    const [one, other] = [signerAt(a).nodeId, signerAt(b).nodeId]
    this.#network.cut(one, other)
    this.#network.cut(other, one)
    this.#network.part(one, other)
  }

  heal(a: number, b: number): void {
    const [one, other] = [signerAt(a).nodeId, signerAt(b).nodeId]
    this.#network.heal(one, other)
    this.#network.heal(other, one)
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  async pass(ms: number): Promise<void> {
    const limit = this.clock.now().mono + ms
    do await this.settle()
    while (this.clock.ringNext(limit))
  }

  /** Lets time pass until `condition` holds; how long it took. Fails after `limitMs`. */
  async until(condition: () => boolean, limitMs: number): Promise<number> {
    const start = this.clock.now().mono
    await this.settle()
    while (!condition()) {
      if (!this.clock.ringNext(start + limitMs)) throw new Error(`not within ${limitMs} ms: ${this.#roots()}`)
      await this.settle()
    }
    return this.clock.now().mono - start
  }

  /** Lets virtual time pass for one frame only. */
  late(ms: number): Promise<void> {
    return new Promise(resolve => this.clock.alarm(this.clock.now().mono + ms, resolve))
  }

  isEqual(): boolean {
    return new Set(this.nodes.map(({ runtime }) => runtime.status().root)).size === 1
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ runtime }) => runtime.stop()))
  }

  #roots(): string {
    const tell = ({ runtime }: SyncNode): string => {
      const { root, entryCount, seq } = runtime.status()
      return `${root.slice(0, 8)} with ${entryCount} entries at ${seq}`
    }
    return this.nodes.map(tell).join(', ')
  }

  #newImage(): MemoryImage {
    return createMemoryImage((0xa000 + this.#lives++).toString(16).padStart(16, '0') as Incarnation)
  }

  async #fill(store: MemoryStore, rows: readonly NewRow[]): Promise<void> {
    const numbered = rows.map((row, index) => ({ ...row, seq: index + 1 }))
    if (numbered.length > 0) await store.commit({ rows: numbered, facts: new Map() })
  }

  #open(at: number, store: MemoryStore): Runtime {
    const { nodeId } = signerAt(at)
    const members = new Set(signers.map(signer => signer.nodeId))
    return new Runtime({
      info: { name: `node${at}`, role: 'node', software: 'test' },
      store,
      hash: sha256,
      signer: signerAt(at),
      verifier: this.#verifier(at),
      random: createSeededRandom(this.#starts++),
      params: { ...defaultParams, p2pEnabled: this.#kind === 'p2p' },
      members,
      clock: this.clock,
      transports: [this.#tapped(this.#network.join(nodeId, members), at)],
      log: () => {},
    })
  }

  #verifier(at: number): Verifier {
    return {
      verify: async items => {
        await this.onVerify(at, items.length)
        return items.map(({ author, message, signature }) => {
          const expected = byId.get(author)?.sign(message)
          return expected !== undefined && Buffer.compare(expected, signature) === 0
        })
      },
    }
  }

  #tapped(inner: Transport, self: number): Transport {
    const carry = async (
      frame: Uint8Array,
      from: number,
      to: number,
      as: Carried['as'],
      signal: AbortSignal,
    ) => {
      const message = decodeMessage(frame, signerAt(from).nodeId)
      if (isMalformed(message)) return frame
      const carried = { from, to, as, message, bytes: frame.length }
      const passed = await Promise.race([this.onFrame(carried), givenUp(signal)])
      this.log.push(carried)
      return passed === message ? frame : encodeMessage(passed, signerAt(from).nodeId)
    }
    return {
      kind: inner.kind,
      start: inbox => inner.start(inbox),
      stop: () => inner.stop(),
      connect: (peer, signal) => inner.connect(peer, signal),
      request: async (peer, frame, signal) => {
        const other = placeOf(peer)
        const sent = await carry(frame, self, other, 'request', signal)
        const copies = this.copies('request')
        if (copies === 0) lost()
        for (let copy = 1; copy < copies; copy++) inner.request(peer, sent, signal).catch(() => {})
        const answer = await inner.request(peer, sent, signal)
        return carry(answer, other, self, 'answer', signal)
      },
      announce: async frame => {
        const message = decodeMessage(frame, signerAt(self).nodeId)
        if (!isMalformed(message))
          this.log.push({ from: self, to: -1, as: 'announce', message, bytes: frame.length })
        for (let copy = 0; copy < this.copies('announce'); copy++) await inner.announce(frame)
      },
      addresses: peer => inner.addresses(peer),
    }
  }
}

/** The loss of a frame, as its asker sees it. */
export function lost(): never {
  throw new LatticeError('PEER_TIMEOUT')
}

function givenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new LatticeError('PEER_TIMEOUT')), { once: true }),
  )
}

/** Rows of registers by the nodes at `authors` in turn; key and value depend on the number alone. */
export function rowsOf(count: number, { authors = [0], first = 0, valueBytes = 300 } = {}): NewRow[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index
    const value = encodeValue(String(number).padStart(valueBytes, '.'))
    const content = { key: `key ${number}`, slot: '', value, base: 0n, version: longAgo }
    const author = signerAt(authors[number % authors.length] as number)
    return rowOf(signEntry(content, author, sha256), 0, sha256)
  })
}

/** Bytes of the entries of rows. */
export function bytesOf(rows: readonly { readonly bytes: Uint8Array }[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

function signerAt(at: number): Signer {
  return signers[at] as Signer
}

function placeOf(id: NodeId): number {
  return signers.findIndex(({ nodeId }) => nodeId === id)
}

function keyedSigner(seed: number): Signer {
  const nodeId = createHash('sha256').update(`node ${seed}`).digest('hex') as NodeId
  const half = (message: Uint8Array, part: number): Uint8Array =>
    createHash('sha256').update(nodeId).update(Uint8Array.of(part)).update(message).digest()
  return { nodeId, sign: message => Uint8Array.from([...half(message, 0), ...half(message, 1)]) }
}
