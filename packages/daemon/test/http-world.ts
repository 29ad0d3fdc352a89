/** A small but real node in memory, and the REST layer around it on a real socket, for the http tests. */
import { createHash, generateKeyPairSync, sign as signWith, verify as verifyWith } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { routes, type Route } from '@lattice/api'
import { LatticeError } from '@lattice/core'
import type {
  Incarnation,
  JsonValue,
  KeyReading,
  NodeEvent,
  NodeId,
  NodeStatus,
  Operation,
  ReadingTag,
  Phase,
  RequestedMode,
  Transition,
  Version,
} from '@lattice/core'
import { createHttpApp, createHttpServer } from '../src/http/index.ts'
import type { HttpAppOptions, HttpServer } from '../src/http/index.ts'
import type { LatticeNode, PageQuery, StatePage, WriteOptions, WriteReceipt } from '../src/node.ts'

interface Cell {
  readonly type: 'register' | 'counter' | 'set'
  readonly text: string
  readonly version: Version
}

const byUtf8 = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right))

function firstAtLeast(sorted: readonly string[], bound: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (byUtf8(sorted[middle] ?? '', bound) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Keeps values as JSON text in a map; every write is a version of its own. */
export class MemoryNode implements LatticeNode {
  async atRest<T>(look: () => T): Promise<T> {
    return look()
  }

  readonly #keys = generateKeyPairSync('ed25519')
  readonly id = this.#keys.publicKey
    .export({ format: 'der', type: 'spki' })
    .subarray(12)
    .toString('hex') as NodeId
  readonly #cells = new Map<string, Cell>()
  #sorted: string[] | undefined
  #root: string | undefined
  readonly #answers = new Map<string, { readonly asked: string; readonly receipt: WriteReceipt }>()
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #transitions: Transition[] = []
  #version = 0x0190_0000_0000_0000n
  #requested: RequestedMode = 'auto'
  #phase: Phase = 'NONE'
  #forcedUntil: number | undefined
  quarantine: LatticeNode['quarantine'] = { isDamaged: () => false, damagedKeys: [] }
  /** Laid over the status. */
  overlay: Partial<NodeStatus> = {}
  p2pPossible = true
  /** Runs before each page, so that a test can write between two pages. */
  beforePage: () => void = () => undefined
  refuseWrites: LatticeError | undefined

  read(key: string): KeyReading | undefined {
    const cell = this.#cells.get(key)
    if (cell === undefined) return undefined
    const { type, version } = cell
    return { key, value: JSON.parse(cell.text) as JsonValue, type, version, author: this.id }
  }

  prove(): ReturnType<LatticeNode['prove']> {
    throw new Error('no trie here: proofs are tested on real daemons')
  }

  list({ prefix, from, limit, isEnough = () => false }: PageQuery): StatePage {
    this.beforePage()
    this.#sorted ??= [...this.#cells.keys()].sort(byUtf8)
    const start = firstAtLeast(this.#sorted, byUtf8(prefix, from) > 0 ? prefix : from)
    const found = this.#sorted.slice(start, start + limit + 1).filter(key => key.startsWith(prefix))
    const items = found.slice(0, limit).flatMap(key => this.read(key) ?? [])
    const end = items.findIndex(isEnough) + 1 || limit
    return found[end] === undefined ? { items } : { items: items.slice(0, end), next: found[end] }
  }

  /** Writes at once, as a commit does. */
  apply(operations: readonly Operation[]): WriteReceipt {
    this.#version += 1n
    const version = this.#version
    const cells = new Map(operations.map(({ key }) => [key, this.#cells.get(key)]))
    for (const operation of operations)
      cells.set(operation.key, this.#next(operation, cells.get(operation.key)))
    for (const [key, cell] of cells) {
      if (cell === undefined) this.#cells.delete(key)
      else this.#cells.set(key, cell)
    }
    this.#sorted = undefined
    this.#root = undefined
    for (const [key, cell] of cells) {
      this.emit({ kind: 'change', key, deleted: cell === undefined, version, author: this.id, via: 'local' })
    }
    return { transactionId: version.toString(16).padStart(16, '0'), version, root: this.root() }
  }

  #next(operation: Operation, cell: Cell | undefined): Cell | undefined {
    const version = this.#version
    const want = { put: 'register', delete: cell?.type, increment: 'counter', add: 'set', remove: 'set' }[
      operation.op
    ]
    if (cell !== undefined && cell.type !== want) throw new LatticeError('TYPE_CONFLICT')
    const value = cell === undefined ? undefined : (JSON.parse(cell.text) as JsonValue)
    switch (operation.op) {
      case 'put':
        return { type: 'register', text: JSON.stringify(operation.value), version }
      case 'delete':
        return undefined
      case 'increment': {
        const sum = (typeof value === 'number' ? value : 0) + operation.by
        if (!Number.isSafeInteger(sum)) throw new LatticeError('COUNTER_OVERFLOW')
        return { type: 'counter', text: JSON.stringify(sum), version }
      }
      case 'add':
      case 'remove': {
        const element = JSON.stringify(operation.element)
        const rest = (Array.isArray(value) ? value : []).filter(one => JSON.stringify(one) !== element)
        const all = operation.op === 'add' ? [...rest, operation.element] : rest
        return { type: 'set', text: JSON.stringify(all), version }
      }
    }
  }

  async write(operations: readonly Operation[], options: WriteOptions = {}): Promise<WriteReceipt> {
    await Promise.resolve()
    if (this.refuseWrites) throw this.refuseWrites
    const asked = JSON.stringify(operations)
    const before = this.#answers.get(options.idempotencyKey ?? '')
    if (before !== undefined) {
      if (before.asked !== asked) throw new LatticeError('IDEMPOTENCY_CONFLICT')
      return before.receipt
    }
    const cell = this.#cells.get(operations[0]?.key ?? '')
    const isIt = ({ version }: ReadingTag): boolean => version === cell?.version
    const isKnown = options.ifOneOf?.some(isIt) !== false && options.ifNoneOf?.some(isIt) !== true
    const stale = !isKnown || (options.ifExists ?? cell !== undefined) !== (cell !== undefined)
    if (stale) throw new LatticeError('VERSION_MISMATCH')
    const receipt = this.apply(operations)
    if (options.idempotencyKey !== undefined) this.#answers.set(options.idempotencyKey, { asked, receipt })
    return receipt
  }

  root(): string {
    if (this.#root === undefined) {
      const hash = createHash('sha256')
      for (const key of [...this.#cells.keys()].sort(byUtf8))
        hash.update(`${key} ${this.#cells.get(key)?.version}\n`)
      this.#root = hash.digest('hex')
    }
    return this.#root
  }

  status(): NodeStatus {
    return {
      nodeId: this.id,
      incarnation: '0123456789abcdef' as Incarnation,
      seq: Number(this.#version & 0xffffffn),
      root: this.root(),
      keyCount: this.#cells.size,
      entryCount: this.#cells.size,
      deferredCount: 0,
      clockLeadMs: 0,
      unknownAuthors: [],
      compaction: { endingCount: 0, blockedBy: [] },
      damage: { lost: 0, unshared: 0, found: 0, healed: 0, keys: [] },
      isRecovering: false,
      requested: this.#requested,
      phase: this.#phase,
      syncMode: this.#requested === 'auto' ? 'NONE' : (this.#requested.toUpperCase() as 'P2P' | 'HTTP'),
      sinceWall: 1_700_000_000_000,
      reason: 'Just started.',
      epoch: this.#transitions.length,
      ...(this.#forcedUntil === undefined ? {} : { forcedUntilWall: this.#forcedUntil }),
      p2pPeerCount: 0,
      peers: [],
      warnings: [],
      ...this.overlay,
    }
  }

  async switchMode(
    mode: RequestedMode,
    options: { forMs?: number; reason?: string } = {},
  ): Promise<NodeStatus> {
    await Promise.resolve()
    if (mode === 'p2p' && !this.p2pPossible) throw new LatticeError('MODE_IMPOSSIBLE')
    const from = this.#phase
    this.#requested = mode
    this.#phase = mode === 'auto' ? 'NONE' : 'FORCED'
    this.#forcedUntil = options.forMs === undefined ? undefined : Date.now() + options.forMs
    const transition: Transition = {
      epoch: this.#transitions.length + 1,
      from,
      to: this.#phase,
      reason: options.reason ?? 'asked by the operator',
      trigger: 'operator',
      atWall: Date.now(),
      lastedMs: 5,
    }
    this.#transitions.push(transition)
    this.emit({ kind: 'mode', transition })
    return this.status()
  }

  transitions(): readonly Transition[] {
    return this.#transitions
  }

  sign(message: Uint8Array): Uint8Array {
    return signWith(null, message, this.#keys.privateKey)
  }

  /** Checks a signature of this node. */
  signed(message: string, signatureHex: string): boolean {
    return verifyWith(null, Buffer.from(message), this.#keys.publicKey, Buffer.from(signatureHex, 'hex'))
  }

  subscribe(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  emit(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** One answer, body as text. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON. */
  readonly json: Record<string, unknown>
}

/** What a test sends. `path` goes out exactly as given. */
export interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Uint8Array
}

/** A running REST layer and how to reach it. */
export interface World {
  readonly node: MemoryNode
  readonly server: HttpServer
  readonly port: number
  readonly url: string
  readonly log: { level: string; message: string; fields: unknown }[]
  readonly app: ReturnType<typeof createHttpApp>
  ask(path: string, ask?: Ask): Promise<Answer>
  /** Sends raw bytes and reads until the other side closes. */
  raw(text: string): Promise<string>
  close(): Promise<void>
}

/** The token of the test node. */
export const token = 'correct-horse-battery-staple-0123456789'

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function send(port: number, path: string, ask: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      path,
      method: ask.method ?? 'GET',
      headers: ask.headers,
    })
    request.once('error', reject)
    request.once('response', response => {
      readAll(response).then(text => {
        const { statusCode: status = 0, headers } = response
        resolve({
          status,
          headers,
          text,
          get json() {
            return JSON.parse(text) as Record<string, unknown>
          },
        })
      }, reject)
    })
    request.end(ask.body)
  })
}

function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
    socket.once('error', reject).once('close', () => resolve(answer))
  })
}

/** What a test changes of the options. */
export type WorldOptions = Partial<Omit<HttpAppOptions, 'node' | 'config'>> & {
  readonly node?: MemoryNode
  readonly config?: Partial<HttpAppOptions['config']>
  readonly onUpgrade?: NonNullable<Parameters<typeof createHttpServer>[1]>['onUpgrade']
}

/** Starts the REST layer on port 0. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { node = new MemoryNode(), config, onUpgrade, ...rest } = options
  const log: World['log'] = []
  const note = (level: string) => (message: string, fields?: unknown) =>
    void log.push({ level, message, fields })
  const app = createHttpApp({
    node,
    identity: { nodeId: node.id, peerId: '12D3KooWTestPeerIdOfThisNode' },
    config: {
      host: '127.0.0.1',
      adminToken: token,
      corsOrigins: [],
      frameAncestors: ["'self'"],
      trustedProxyHops: 0,
      nodes: ['http://127.0.0.1:8001', 'http://127.0.0.1:8002'],
      topic: 'aethel/lattice/v1',
      bootstrap: ['/ip4/127.0.0.1/tcp/9001/p2p/12D3KooWOther'],
      ...config,
    },
    info: {
      name: 'node2',
      role: 'genesis-primary',
      version: '0.1.0',
      libp2pVersion: '3.3.0',
      production: false,
      safeMode: false,
      violations: [],
      started: { mono: performance.now(), wall: Date.now() },
    },
    clock: { now: () => ({ mono: performance.now(), wall: Date.now() }) },
    p2p: () => ({
      enabled: true,
      started: true,
      available: true,
      listenAddresses: ['/ip4/127.0.0.1/tcp/9000'],
    }),
    peer: nodeId => ({ peerId: `peer-${nodeId.slice(0, 4)}`, url: 'http://127.0.0.1:8001', addresses: [] }),
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    ...rest,
  })
  const server = createHttpServer(app, onUpgrade === undefined ? {} : { onUpgrade })
  const { port } = await server.listen(0, '127.0.0.1')
  return {
    node,
    server,
    port,
    app,
    url: `http://127.0.0.1:${port}`,
    log,
    ask: (path, ask = {}) => send(port, path, ask),
    raw: text => sendRaw(port, text),
    close: () => server.close(),
  }
}

/** A JSON body with its header. */
export function jsonBody(value: unknown, headers: Record<string, string> = {}): Ask {
  return {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  }
}

/** The row of the table by method and path. */
export function rowOf(method: string, path: string): Route {
  const row = (Object.values(routes) as Route[]).find(route => route.method === method && route.path === path)
  if (row === undefined) throw new Error(`no row for ${method} ${path}`)
  return row
}
