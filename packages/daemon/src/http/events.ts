/**
 * The event stream (WHATWG server-sent events). Events are numbered within this process; the last ones are
 * kept, so a client that comes back names the last id it saw and misses nothing, or is told by `resync` that
 * it did. Each stream takes them from there at the pace of its reader: one that is not read holds no more
 * than a chunk.
 */
import { randomBytes } from 'node:crypto'
import { routes } from '@lattice/api'
import type { NodeEvent } from '@lattice/core'
import type { Response } from 'express'
import type { CallerOf } from './caller.ts'
import { versionText } from './conditions.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { HttpProblem } from './problems.ts'
import { Readers, readerOf, type Reader } from './readers.ts'
import { peerShape, transitionShape } from './shapes.ts'

/** Events kept for replay: a minute of a busy node, a few megabytes at most. */
const replayMax = 4096

/** Streams at once: dashboards and watchers of one federation, with room. */
const streamsMax = 256

/** Characters handed to a reader at once: what a stream holds that nobody reads. */
const chunkChars = 32 * 1024

/** How long a browser waits before it comes back. */
const retryMs = 2000

/** Longest silence on a stream, in ms: well below the minute after which proxies close what is idle. */
const pingMsDefault = 15_000

type EventName = 'change' | 'mode' | 'peer' | 'alert'

/** The stream's source. */
export interface EventHub {
  /** Tells all listeners. `data` must be JSON. */
  readonly publish: (event: EventName, data: unknown) => void
  /** Ends all streams and refuses new ones. */
  readonly close: () => void
}

type HubOptions = Pick<HttpAppOptions, 'node' | 'peer' | 'pingMs'> & { readonly callerOf: CallerOf }

/** An event in wire form, or what becomes so once somebody listens. */
type Kept = string | readonly [event: EventName, data: unknown]

/** A piece of the stream, and the number of the event it ends with. */
interface Piece {
  readonly text: string
  readonly last: number
}

/** The last events, and what a client has missed of them. */
class Replay {
  /** Ids of an earlier process must not be taken for ours. */
  readonly #boot = randomBytes(6).toString('hex')
  readonly #kept: Kept[] = []
  readonly #node: HubOptions['node']
  #number = 0

  constructor(node: HubOptions['node']) {
    this.#node = node
  }

  /** Keeps an event. It becomes text only where somebody listens, and once for all who do. */
  append(event: EventName, data: unknown): void {
    this.#number += 1
    this.#kept.push([event, data])
    // Trimmed in blocks: shifting one by one would move the whole array for every event.
    if (this.#kept.length >= replayMax * 2) this.#kept.splice(0, this.#kept.length - replayMax)
  }

  /** How a stream begins for a client that names the last id it saw. */
  since(lastId: string | undefined): Piece {
    if (lastId === undefined) return { text: `${this.#id(this.#number)}\n`, last: this.#number }
    const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(lastId)
    if (match?.[1] !== this.#boot) return this.#resync('the id is not of this run of the node')
    const last = Number(match[2])
    if (last > this.#number || !this.follows(last))
      return this.#resync('events after this id are no longer kept')
    return { text: '', last }
  }

  /** Whether all events after number `last` are kept. */
  follows(last: number): boolean {
    return last >= this.#forgotten()
  }

  /** The next events after number `last`, all of which are kept: a chunk, or less at the end. */
  after(last: number): Piece {
    const first = last - this.#forgotten()
    let text = ''
    let at = first
    for (; at < this.#kept.length && text.length < chunkChars; at += 1) text += this.#textAt(at)
    return { text, last: last + at - first }
  }

  #textAt(at: number): string {
    const kept = this.#kept[at] ?? ''
    if (typeof kept === 'string') return kept
    const [event, data] = kept
    const text = `${this.#id(this.#forgotten() + at + 1)}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
    this.#kept[at] = text
    return text
  }

  /** Number of the last event that is not kept any more. */
  #forgotten(): number {
    return this.#number - this.#kept.length
  }

  #resync(reason: string): Piece {
    const data = JSON.stringify({ reason, merkle_root: this.#node.status().root })
    return { text: `${this.#id(this.#number)}event: resync\ndata: ${data}\n\n`, last: this.#number }
  }

  #id(number: number): string {
    return `id: ${this.#boot}-${number}\n`
  }
}

/** The open streams of one node. */
class Hub implements EventHub {
  readonly #replay: Replay
  /** Stream → number of the last event handed over. */
  readonly #streams = new Map<Response, number>()
  readonly #pings: NodeJS.Timeout
  readonly #readers = new Readers()
  #closed = false

  constructor({ node, pingMs }: HubOptions) {
    this.#replay = new Replay(node)
    this.#pings = setInterval(() => this.#ping(), pingMs ?? pingMsDefault)
    this.#pings.unref()
  }

  publish(event: EventName, data: unknown): void {
    this.#replay.append(event, data)
    for (const response of this.#streams.keys()) this.#feed(response)
  }

  attach(reader: Reader, lastId: string | undefined): void {
    const { caller, response } = reader
    if (this.#closed) throw new HttpProblem('NOT_READY', 'the node is stopping')
    if (this.#streams.size >= streamsMax && !this.#readers.makeRoom(caller, 1))
      throw new HttpProblem('OVERLOADED', `${streamsMax} event streams are open already`)
    response.on(
      'close',
      this.#readers.wait(reader, 1, () => this.#streams.delete(response)),
    )
    response.on('drain', () => this.#feed(response))
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    })
    const { text, last } = this.#replay.since(lastId)
    response.write(`retry: ${retryMs}\n${text}`)
    this.#streams.set(response, last)
    this.#feed(response)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#pings)
    for (const response of this.#streams.keys()) response.end()
  }

  /** Hands over what the reader lacks, as far as it has room; one that lacks what is gone is cut off. */
  #feed(response: Response): void {
    let last = this.#streams.get(response)
    while (last !== undefined) {
      if (!this.#replay.follows(last)) return void response.destroy()
      if (response.writableNeedDrain) return
      const piece = this.#replay.after(last)
      if (piece.text === '') return
      last = piece.last
      this.#streams.set(response, last)
      response.write(piece.text)
    }
  }

  #ping(): void {
    for (const response of this.#streams.keys()) {
      if (!response.writableNeedDrain) response.write(': ping\n\n')
    }
  }
}

function forward(hub: EventHub, { node, peer }: HubOptions, event: NodeEvent): void {
  if (event.kind === 'mode') hub.publish('mode', transitionShape(event.transition))
  else if (event.kind === 'peer') {
    const shape = peerShape(event.peer, peer(event.peer.nodeId), node.status().root)
    hub.publish('peer', { previous_path: event.previousPath, peer: shape })
  } else {
    const { key, deleted, version, author, via } = event
    hub.publish('change', { key, deleted, version: versionText(version), author, via })
  }
}

/** Adds the stream. Close the hub to end all streams and to stop listening to the node. */
export function mountEvents(mount: Mount, options: HubOptions): EventHub {
  const hub = new Hub(options)
  const unsubscribe = options.node.subscribe(event => forward(hub, options, event))
  mount(routes.getEvents, (_input, request, response) => {
    if (request.method === 'HEAD') {
      response.type('text/event-stream').end()
      return
    }
    const lastId = request.headers['last-event-id']
    hub.attach(readerOf(options.callerOf, request, response), typeof lastId === 'string' ? lastId : undefined)
  })
  return {
    publish: (event, data) => hub.publish(event, data),
    close: () => {
      unsubscribe()
      hub.close()
    },
  }
}
