/**
 * One P2P connection: TCP underneath, so what is sent into a cut is stuck and comes late, or ends with the
 * connection.
 *
 * Each end pings; it declares the connection dead when nothing has come back for 8 to 14 seconds, whichever
 * direction fails. Until then everything looks healthy from there.
 */
import { LatticeError, type NodeId } from '@lattice/core'
import type { P2pPort } from './p2p-net.ts'
import { unreachable, type Asking, type Surroundings } from './wire.ts'

/** When an end notices that nothing comes back, in ms (measured: 10 s). */
const noticeMs = { from: 8_000, to: 14_000 }

/** When TCP tries again what was stuck, once the way is open, in ms. */
const retransmitMs = { from: 200, to: 3_000 }

/** A mesh forms within this after the connection, in ms; gossip before that is lost. */
const meshMs = { from: 0, to: 1_200 }

interface End {
  readonly port: P2pPort
  up: boolean
  /** From when on gossip goes out at this end; Infinity once its stream has closed. */
  gossipFrom: number
  /** Arrival of the last thing sent from this end: TCP keeps the order. */
  lastArrival: number
  /** Questions asked from here. */
  readonly open: Set<Asking>
  /** Questions being answered here. */
  readonly serving: Set<AbortController>
}

interface Stuck {
  readonly from: number
  readonly arrive: () => void
}

/** A connection between two stacks. */
export class Connection {
  readonly #surroundings: Surroundings
  readonly #ends: readonly [End, End]
  #stuck: Stuck[] = []
  #impairments = 0
  #impaired = false
  /** Nodes whose process has gone without a word. */
  readonly #silent = new Set<number>()

  constructor(surroundings: Surroundings, a: P2pPort, b: P2pPort) {
    this.#surroundings = surroundings
    const { dice, timeline } = surroundings
    const end = (port: P2pPort): End => ({
      port,
      up: true,
      gossipFrom: timeline.now + dice.between(meshMs.from, meshMs.to),
      lastArrival: timeline.now,
      open: new Set(),
      serving: new Set(),
    })
    this.#ends = [end(a), end(b)]
    this.reassess()
  }

  has(index: number): boolean {
    return this.#ends.some(({ port }) => port.index === index)
  }

  /** Whether this end believes in the connection. */
  isUp(index: number): boolean {
    return this.#end(index).up
  }

  get isWhole(): boolean {
    return this.#ends.every(({ up }) => up)
  }

  /** The stack at the other end. */
  far(index: number): P2pPort {
    return this.#other(index).port
  }

  /** Whether gossip sent at this end goes out. */
  carriesGossip(index: number): boolean {
    const { up, gossipFrom } = this.#end(index)
    return up && gossipFrom <= this.#surroundings.timeline.now
  }

  /** The outgoing gossip stream of one end closes; the library does not open another. */
  stallGossip(side: number): void {
    ;(this.#ends[side] as End).gossipFrom = Number.POSITIVE_INFINITY
  }

  /** Carries something to the other end, after everything sent before unless it is held back. */
  send(from: number, heldMs: number, arrive: () => void): void {
    const { weather, timeline } = this.#surroundings
    const near = this.#end(from)
    const to = this.far(from).index
    const onArrival = (): void => {
      if (!this.#other(from).up && !near.up) return
      if (weather.isCut('p2p', from, to)) this.#stuck.push({ from, arrive })
      else this.far(from).life.enter(() => void (this.isUp(to) && arrive()))
    }
    const arrival = Math.max(near.lastArrival, timeline.now + weather.hopMs('p2p', from, to))
    if (heldMs === 0) near.lastArrival = arrival
    timeline.at(arrival + heldMs, onArrival)
  }

  /** Sends a question and brings its answer back; it fails when this end gives the connection up. */
  ask(
    from: number,
    question: Asking,
    serve: (signal: AbortSignal, answer: (outcome: Uint8Array | LatticeError) => void) => void,
  ): void {
    const { timeline, trace } = this.#surroundings
    const [near, far] = [this.#end(from), this.#other(from)]
    const to = far.port.index
    const served = new AbortController()
    near.open.add(question)
    question.onEnd(givenUp => {
      near.open.delete(question)
      if (givenUp && near.up) this.send(from, 0, () => served.abort(new LatticeError('PEER_TIMEOUT')))
    })
    this.send(from, 0, () => {
      trace.note(timeline.now, `n${to}`, `asked by n${from}`)
      far.serving.add(served)
      serve(served.signal, outcome => {
        far.serving.delete(served)
        this.send(to, 0, () => {
          trace.note(timeline.now, `n${from}`, `answered by n${to} ${sizeOf(outcome)}`)
          if (outcome instanceof Uint8Array) trace.bytes(outcome)
          question.finish(outcome)
        })
      })
    })
  }

  /** Looks again at whether packets go both ways. */
  reassess(): void {
    const { weather, timeline, dice } = this.#surroundings
    const [a, b] = this.#ends
    const blocked = !weather.isOpen('p2p', a.port.index, b.port.index)
    const impaired = blocked || this.#silent.size > 0 || a.port.life.paused || b.port.life.paused
    if (impaired && !this.#impaired) {
      const token = ++this.#impairments
      for (const end of this.#ends)
        timeline.after(dice.between(noticeMs.from, noticeMs.to), () => {
          if (this.#impaired && this.#impairments === token) this.hangUp(end.port.index, 'ping timed out')
        })
    }
    this.#impaired = impaired
    this.#flush()
  }

  /** One end gives the connection up, and tells the other if it can. */
  hangUp(index: number, why: string): void {
    this.#drop(index, why)
    const other = this.far(index).index
    if (this.isUp(other)) this.send(index, 0, () => this.#drop(other, 'the peer closed the connection'))
  }

  /** The process at one end is gone. `silent`: without a word, as when its machine loses power. */
  abandon(index: number, silent: boolean): void {
    const near = this.#end(index)
    near.up = false
    near.open.clear()
    if (silent) this.#silent.add(index)
    else {
      const other = this.far(index).index
      if (this.isUp(other)) this.send(index, 0, () => this.#drop(other, 'connection reset'))
    }
    this.reassess()
  }

  /** A newer connection has replaced this one: nobody is told, what is under way fails. */
  discard(): void {
    this.#impairments++
    for (const end of this.#ends) {
      end.up = false
      for (const question of [...end.open])
        end.port.life.enter(() => question.finish(unreachable('the connection was replaced')))
      end.open.clear()
    }
  }

  #drop(index: number, why: string): void {
    const near = this.#end(index)
    if (!near.up) return
    near.up = false
    const open = [...near.open]
    const served = [...near.serving]
    near.open.clear()
    near.serving.clear()
    near.port.life.enter(() => {
      for (const each of served) each.abort(unreachable(why))
      for (const question of open) question.finish(unreachable(why))
      near.port.lost(this.#surroundings.ids[this.far(index).index] as NodeId, why)
    })
  }

  #flush(): void {
    const { weather, timeline, dice } = this.#surroundings
    const stuck = this.#stuck
    this.#stuck = []
    for (const { from, arrive } of stuck) {
      const to = this.far(from).index
      if (weather.isCut('p2p', from, to)) this.#stuck.push({ from, arrive })
      else {
        const near = this.#end(from)
        const retransmitted = timeline.now + dice.between(retransmitMs.from, retransmitMs.to)
        near.lastArrival = Math.max(near.lastArrival, retransmitted)
        timeline.at(near.lastArrival, () => this.send(from, 0, arrive))
      }
    }
  }

  #end(index: number): End {
    const [a, b] = this.#ends
    return a.port.index === index ? a : b
  }

  #other(index: number): End {
    const [a, b] = this.#ends
    return a.port.index === index ? b : a
  }
}

function sizeOf(outcome: Uint8Array | LatticeError): string {
  return outcome instanceof Uint8Array ? String(outcome.length) : outcome.code
}
