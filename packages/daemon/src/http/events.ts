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

/** The stream's source. */
export interface EventHub {
  /** Tells all listeners. `data` must be JSON. */
  readonly publish: (event: 'change' | 'mode' | 'peer' | 'alert', data: unknown) => void
  /** Ends all streams and refuses new ones. */
  readonly close: () => void
}

/** Kept by a node for its streams. */
interface Hub extends EventHub {
  attach(response: Response, lastId: string | undefined): void
}

interface Kept {
  readonly number: number
  readonly text: string
}

type HubOptions = Pick<HttpAppOptions, 'node' | 'peer' | 'pingMs'>

function createHub(options: HubOptions): Hub {
  // Ids of an earlier process must not be taken for ours.
  const boot = randomBytes(6).toString('hex')
  const kept: Kept[] = []
  const streams = new Set<Response>()
  let number = 0
  let closed = false

  const send = (response: Response, text: string): void => {
    response.write(text)
    if (response.writableLength > backlogBytesMax) response.destroy()
  }
  const timer = setInterval(() => {
    for (const response of streams) send(response, ': ping\n\n')
  }, options.pingMs ?? 15_000)
  timer.unref()

  const resync = (reason: string): string => {
    const data = JSON.stringify({ reason, merkle_root: options.node.status().root })
    return `id: ${boot}-${number}\nevent: resync\ndata: ${data}\n\n`
  }
  const missed = (lastId: string | undefined): string => {
    if (lastId === undefined) return `id: ${boot}-${number}\n\n`
    const match = /^([0-9a-f]{12})-(\d{1,15})$/.exec(lastId)
    if (match?.[1] !== boot) return resync('the id is not of this run of the node')
    const last = Number(match[2])
    const oldest = number - kept.length
    if (last > number || last < oldest) return resync('events after this id are no longer kept')
    return kept
      .slice(last - oldest)
      .map(event => event.text)
      .join('')
  }

  return {
    publish: (event, data) => {
      number += 1
      const text = `id: ${boot}-${number}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
      kept.push({ number, text })
      // Trimmed in blocks: shifting one by one would move the whole array for every event.
      if (kept.length >= replayMax * 2) kept.splice(0, kept.length - replayMax)
      for (const response of streams) send(response, text)
    },
    attach: (response, lastId) => {
      if (closed) throw new HttpProblem('NOT_READY', 'the node is stopping')
      if (streams.size >= streamsMax)
        throw new HttpProblem('OVERLOADED', `${streamsMax} event streams are open already`)
      response.on('close', () => streams.delete(response))
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-store, no-transform',
        'X-Accel-Buffering': 'no',
      })
      response.write(`retry: ${retryMs}\n${missed(lastId)}`)
      streams.add(response)
    },
    close: () => {
      closed = true
      clearInterval(timer)
      for (const response of streams) response.end()
    },
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
  const hub = createHub(options)
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
    publish: hub.publish,
    close: () => {
      unsubscribe()
      hub.close()
    },
  }
}
