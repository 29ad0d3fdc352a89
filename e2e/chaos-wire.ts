/**
 * A TCP proxy for what knows no HTTP, the P2P lung above all: slow, narrow, stalled, corrupting, and black
 * holes for whatever is larger than a path takes. Its weather may change at any time.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** What the wire does; everything is optional and combines. */
export interface WireWeather {
  /** One-way delay of a piece; may differ each time. Order is kept, as on a TCP connection. */
  readonly latencyMs?: () => number
  readonly bytesPerSecond?: number
  /** Reads nothing from either side: their windows fill. */
  readonly stalled?: boolean
  /** Changes a piece. */
  readonly corrupt?: (piece: Buffer) => Buffer
  /** A connection over which a larger piece was sent passes nothing more, as behind a broken path MTU. */
  readonly pieceBytesMax?: number
}

/** A running wire. */
export interface ChaosWire {
  readonly port: number
  weather: WireWeather
  /** Bytes that have passed, both directions. */
  readonly passedBytes: number
  /** Connections taken so far. */
  readonly connections: number
  close(): Promise<void>
}

/** How often a stalled or slow connection looks at the weather again. */
const lookMs = 50

interface State {
  weather: WireWeather
  passedBytes: number
  connections: number
}

/** Starts a wire from a port of 127.0.0.1 to another. */
export async function startChaosWire(upstreamPort: number, port = 0): Promise<ChaosWire> {
  const state: State = { weather: {}, passedBytes: 0, connections: 0 }
  const open = new Set<Socket>()
  const server = createServer(near => {
    state.connections++
    const far = connect(upstreamPort, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on('error', () => undefined)
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      void carry(state, from, to)
    }
  })

  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get weather() {
      return state.weather
    },
    set weather(weather) {
      state.weather = weather
    },
    get passedBytes() {
      return state.passedBytes
    },
    get connections() {
      return state.connections
    },
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function carry(state: State, from: Socket, to: Socket): Promise<void> {
  let readyAt = 0
  let swallowed = false
  let passed: Promise<unknown> = Promise.resolve()
  try {
    for await (const chunk of from) {
      while (state.weather.stalled === true && !from.destroyed) await sleep(lookMs)
      const { latencyMs, bytesPerSecond, corrupt, pieceBytesMax } = state.weather
      const piece = corrupt?.(chunk as Buffer) ?? (chunk as Buffer)
      swallowed ||= pieceBytesMax !== undefined && piece.length > pieceBytesMax
      if (swallowed) continue
      if (bytesPerSecond !== undefined) await sleep((piece.length / bytesPerSecond) * 1000)
      readyAt = Math.max(readyAt, performance.now() + (latencyMs?.() ?? 0))
      const at = readyAt
      // One after the other: timers alone could overtake each other by a millisecond.
      passed = passed.then(() => pass(state, to, piece, at))
      if (latencyMs === undefined) await passed
    }
  } catch {
    // A connection that broke is closed below like one that ended.
  }
  await passed
  to.destroySoon()
}

async function pass(state: State, to: Socket, piece: Buffer, at: number): Promise<void> {
  const early = at - performance.now()
  if (early > 0) await sleep(early)
  if (!to.writable) return
  state.passedBytes += piece.length
  if (!to.write(piece)) await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => undefined)
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
