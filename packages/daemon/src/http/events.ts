/**
 * The event stream (WHATWG server-sent events). Events are numbered within this process; the last ones are
 * kept, so a client that comes back names the last id it saw and misses nothing, or is told by `resync` that
 * it did.
 */
import { randomBytes } from 'node:crypto'
import { routes } from '@lattice/api'
import type { NodeEvent } from '@lattice/core'
import type { Response } from 'express'
import { versionText } from './conditions.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { HttpProblem } from './problems.ts'
import { peerShape, transitionShape } from './shapes.ts'

/** Events kept for replay: a minute of a busy node, a few megabytes at most. */
const replayMax = 4096

/** Streams at once: dashboards and watchers of one federation, with room. */
const streamsMax = 256

/** A client this far behind is cut off; it comes back with its last id. */
const backlogBytesMax = 1024 * 1024

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

type HubOptions = Pick<HttpAppOptions, 'node' | 'peer' | 'pingMs'>

/** The last events in wire form, and what a client that comes back has missed of them. */
class Replay {
  /** Ids of an earlier process must not be taken for ours. */
  readonly #boot = randomBytes(6).toString('hex')
  readonly #kept: Array<readonly [event: EventName, data: unknown]> = []
  readonly #node: HubOptions['node']
  #number = 0

  constructor(node: HubOptions['node']) {
    this.#node = node
  }

  /** Keeps an event. It becomes text only where somebody listens. */
  append(event: EventName, data: unknown): void {
    this.#number += 1
    this.#kept.push([event, data])
    // Trimmed in blocks: shifting one by one would move the whole array for every event.
    if (this.#kept.length >= replayMax * 2) this.#kept.splice(0, this.#kept.length - replayMax)
  }

  newest(): string {
    return this.#after(this.#number - 1)
  }

  since(lastId: string | undefined): string {
    if (lastId === undefined) return `${this.#id()}\n`
    const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(lastId)
    if (match?.[1] !== this.#boot) return this.#resync('the id is not of this run of the node')
    const last = Number(match[2])
    const oldest = this.#number - this.#kept.length
    if (last > this.#number || last < oldest) return this.#resync('events after this id are no longer kept')
    return this.#after(last)
  }

  /** The events after number `last`, all of which are kept. */
  #after(last: number): string {
    const oldest = this.#number - this.#kept.length
    return this.#kept
      .slice(last - oldest)
      .map(([event, data], at) => {
        return `${this.#id(last + at + 1)}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
      })
      .join('')
  }

  #resync(reason: string): string {
    const data = JSON.stringify({ reason, merkle_root: this.#node.status().root })
    return `${this.#id()}event: resync\ndata: ${data}\n\n`
  }

  /** The id line of an event, the newest unless told otherwise. */
  #id(number = this.#number): string {
    return `id: ${this.#boot}-${number}\n`
  }
}

/** The open streams of one node. */
class Hub implements EventHub {
  readonly #replay: Replay
  readonly #streams = new Set<Response>()
  readonly #pings: NodeJS.Timeout
  #closed = false

  constructor({ node, pingMs }: HubOptions) {
    this.#replay = new Replay(node)
    this.#pings = setInterval(() => this.#send(': ping\n\n'), pingMs ?? pingMsDefault)
    this.#pings.unref()
  }

  publish(event: EventName, data: unknown): void {
    this.#replay.append(event, data)
    if (this.#streams.size > 0) this.#send(this.#replay.newest())
  }

  attach(response: Response, lastId: string | undefined): void {
    if (this.#closed) throw new HttpProblem('NOT_READY', 'the node is stopping')
    if (this.#streams.size >= streamsMax)
      throw new HttpProblem('OVERLOADED', `${streamsMax} event streams are open already`)
    response.on('close', () => this.#streams.delete(response))
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    })
    response.write(`retry: ${retryMs}\n${this.#replay.since(lastId)}`)
    this.#streams.add(response)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#pings)
    for (const response of this.#streams) response.end()
  }

  #send(text: string): void {
    for (const response of this.#streams) {
      response.write(text)
      if (response.writableLength > backlogBytesMax) response.destroy()
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
    hub.attach(response, typeof lastId === 'string' ? lastId : undefined)
  })
  return {
    publish: (event, data) => hub.publish(event, data),
    close: () => {
      unsubscribe()
      hub.close()
    },
  }
}
