/**
 * The P2P lung as a model: connections that look healthy for about ten seconds after a silent cut, requests
 * that hang until the connection is declared dead, gossip that loses, repeats, reorders and relays (measured
 * on js-libp2p 3.3; docs/reliability.md).
 *
 * A connection has two ends, and each end has its own opinion of whether it lives.
 */
import { LatticeError, type AddressStatus, type Inbox, type NodeId, type Transport } from '@lattice/core'
import { Connection } from './connection.ts'
import type { Life } from './life.ts'
import { asking, serving, unreachable, type Asking, type Station, type Surroundings } from './wire.ts'

/** Time a restart of the stack takes, in ms. */
const restartMs = 500

/** The mesh of all P2P stacks. */
export class P2pNet {
  readonly surroundings: Surroundings
  readonly #ports = new Map<number, P2pPort>()
  readonly #connections = new Map<number, Connection>()

  constructor(surroundings: Surroundings) {
    this.surroundings = surroundings
    surroundings.weather.onChange(() => this.reassess())
  }

  /** Makes the stack of one process. */
  attach(station: Station, traits: PortTraits): P2pPort {
    const port = new P2pPort(this, station, traits)
    this.#ports.set(station.index, port)
    return port
  }

  /** The process is gone. `silent`: with its machine, so that nobody is told. */
  detach(index: number, silent: boolean): void {
    const port = this.#ports.get(index)
    if (port === undefined) return
    this.#ports.delete(index)
    for (const connection of this.of(index)) connection.abandon(index, silent)
  }

  port(index: number): P2pPort | undefined {
    return this.#ports.get(index)
  }

  between(a: number, b: number): Connection | undefined {
    return this.#connections.get(pair(a, b))
  }

  /** All connections that have an end at this node. */
  of(index: number): Connection[] {
    return [...this.#connections.values()].filter(connection => connection.has(index))
  }

  /** Looks at every connection again: something was cut, opened, paused or resumed. */
  reassess(): void {
    for (const connection of this.#connections.values()) connection.reassess()
  }

  /** A handshake has succeeded: the new connection takes the place of what may be left of an old one. */
  connect(a: P2pPort, b: P2pPort): Connection {
    const before = this.between(a.index, b.index)
    if (before?.isUp(a.index) === true && before.isUp(b.index)) return before
    before?.discard()
    const connection = new Connection(this.surroundings, a, b)
    this.#connections.set(pair(a.index, b.index), connection)
    return connection
  }

  /** Lets one connection end at a random place suffer: its gossip stream closes and is not opened again. */
  stallGossip(): boolean {
    const { dice, count } = this.surroundings
    const candidates = [...this.#connections.values()].filter(connection => connection.isWhole)
    if (candidates.length === 0) return false
    dice.pick(candidates).stallGossip(dice.below(2))
    count('gossip-stall')
    return true
  }
}

/** What is particular to the P2P of a machine. */
interface PortTraits {
  readonly dialable: boolean
  /** Whether it cannot start just now. */
  readonly isBroken: () => boolean
}

/** The P2P transport of one process. */
export class P2pPort implements Transport {
  readonly kind = 'p2p'
  readonly index: number
  readonly life: Life
  readonly dialable: boolean
  readonly #net: P2pNet
  readonly #isBroken: () => boolean
  readonly #open = new Set<Asking>()
  #inbox: Inbox | undefined
  /** Hears of lost peers also while the stack restarts, or could not start. */
  #owner: Inbox | undefined

  constructor(net: P2pNet, { index, life }: Station, { dialable, isBroken }: PortTraits) {
    this.#isBroken = isBroken
    this.#net = net
    this.index = index
    this.life = life
    this.dialable = dialable
  }

  /** Set while the stack runs. */
  get inbox(): Inbox | undefined {
    return this.#inbox
  }

  /** Requests under way. */
  get openCount(): number {
    return this.#open.size
  }

  start(inbox: Inbox): Promise<void> {
    this.#owner = inbox
    return this.#begin(inbox)
  }

  stop(): Promise<void> {
    this.#inbox = this.#owner = undefined
    for (const each of [...this.#open]) each.finish(unreachable('this node stops'))
    for (const connection of this.#net.of(this.index)) connection.abandon(this.index, false)
    return Promise.resolve()
  }

  /** Tears the stack down and sets it up again. */
  restart(): Promise<void> {
    const inbox = this.#owner
    if (inbox === undefined) return Promise.resolve()
    const { timeline, count } = this.#net.surroundings
    count('p2p-restart')
    for (const connection of this.#net.of(this.index)) connection.hangUp(this.index, 'the stack restarts')
    this.#inbox = undefined
    return new Promise(resolve =>
      timeline.after(restartMs, () => this.life.enter(() => resolve(this.#begin(inbox)))),
    )
  }

  #begin(inbox: Inbox): Promise<void> {
    if (this.#isBroken()) return Promise.reject(new Error('the P2P port is in use'))
    this.#inbox = inbox
    return Promise.resolve()
  }

  async connect(peer: NodeId, signal: AbortSignal): Promise<void> {
    const to = this.#indexOf(peer)
    if (this.#net.between(this.index, to)?.isUp(this.index) === true) return
    if (this.#net.port(to)?.dialable === false) throw new LatticeError('PEER_UNKNOWN')
    await asking(signal, dial => {
      this.#hop(this.index, to, dial, () => {
        if (this.#net.port(to)?.inbox === undefined)
          return this.#hop(to, this.index, dial, () => dial.finish(unreachable('connection refused')))
        if (!this.#net.surroundings.admits(to, this.index)) {
          this.#net.surroundings.count('stranger-turned-away')
          return this.#hop(to, this.index, dial, () => dial.finish(unreachable('the connection was denied')))
        }
        this.#net.port(to)?.life.enter(() => this.#hop(to, this.index, dial, () => this.#shake(to, dial)))
      })
    })
  }

  request(peer: NodeId, frame: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const connection = this.#net.between(this.index, this.#indexOf(peer))
    if (connection?.isUp(this.index) !== true) return Promise.reject(unreachable('not connected'))
    const { ids, asks } = this.#net.surroundings
    const self = ids[this.index] as NodeId
    asks(this.index, connection.far(this.index).index)
    return asking(signal, question => {
      this.#open.add(question)
      question.onEnd(() => void this.#open.delete(question))
      connection.ask(this.index, question, (signalThere, answer) => {
        const { inbox } = connection.far(this.index)
        if (inbox !== undefined) void serving(inbox, self, frame.slice(), signalThere).then(answer)
      })
    })
  }

  announce(frame: Uint8Array): Promise<void> {
    if (this.#inbox === undefined) return Promise.reject(unreachable('this transport is not running'))
    const { ids } = this.#net.surroundings
    for (let to = 0; to < ids.length; to++) if (to !== this.index) this.#gossip(to, frame)
    return Promise.resolve()
  }

  addresses(peer: NodeId): readonly AddressStatus[] {
    return [{ address: `sim:${peer.slice(0, 8)}` }]
  }

  /** A connection is gone. */
  lost(peer: NodeId, why: string): void {
    this.#owner?.peerDown(peer, why)
  }

  /** A gossip message reaches this end. */
  hear(from: number, frame: Uint8Array): void {
    const { ids, trace, timeline } = this.#net.surroundings
    this.life.enter(() => {
      trace.note(timeline.now, `n${this.index}`, `hears n${from} ${frame.length}`)
      trace.bytes(frame)
      this.#inbox?.announced(ids[from] as NodeId, frame)
    })
  }

  /** To one node: directly, or through a neighbour of both. */
  #gossip(to: number, frame: Uint8Array): void {
    const { dice, weather, count } = this.#net.surroundings
    const { loss, duplicates, reorder, heldMs } = weather.nuisance.p2p
    const copies = dice.chance(duplicates) ? 2 : 1
    if (copies === 2) count('gossip-duplicate')
    for (let copy = 0; copy < copies; copy++) {
      if (dice.chance(loss)) {
        count('gossip-lost')
        continue
      }
      const held = dice.chance(reorder) || copy > 0 ? dice.between(0, heldMs) : 0
      if (held > 0) count('gossip-reordered')
      const deliver = (): void => this.#net.port(to)?.hear(this.index, frame.slice())
      const direct = this.#net.between(this.index, to)
      if (direct?.carriesGossip(this.index) === true) direct.send(this.index, held, deliver)
      else if (direct?.isUp(this.index) !== true) this.#relay(to, held, deliver)
    }
  }

  #relay(to: number, held: number, deliver: () => void): void {
    const via = this.#net
      .of(this.index)
      .map(connection => connection.far(this.index).index)
      .find(each => this.#net.between(each, to)?.isUp(each) === true)
    const first = via === undefined ? undefined : this.#net.between(this.index, via)
    if (via === undefined || first?.carriesGossip(this.index) !== true) return
    first.send(this.index, held, () => {
      this.#net.surroundings.count('gossip-relayed')
      const second = this.#net.between(via, to)
      if (second?.carriesGossip(via) === true) second.send(via, 0, deliver)
    })
  }

  /** Third hop of the handshake: from now on both ends have a connection. */
  #shake(to: number, dial: Asking): void {
    const other = this.#net.port(to)
    if (dial.over) return
    if (this.#inbox === undefined || other?.inbox === undefined)
      return dial.finish(unreachable('connection reset'))
    const { ids } = this.#net.surroundings
    const connection = this.#net.connect(this, other)
    dial.finish(new Uint8Array())
    this.#inbox.peerUp(ids[to] as NodeId)
    connection.send(this.index, 0, () => other.inbox?.peerUp(ids[this.index] as NodeId))
  }

  /** A packet of a handshake: lost without a sign where the way is cut. */
  #hop(from: number, to: number, dial: Asking, arrive: () => void): void {
    const { weather, timeline } = this.#net.surroundings
    timeline.after(weather.hopMs('p2p', from, to), () => {
      if (dial.over || weather.isCut('p2p', from, to)) return
      if (to === this.index) this.life.enter(arrive)
      else arrive()
    })
  }

  /** The machine of a node; of two with one identity the one there is a connection to. */
  #indexOf(peer: NodeId): number {
    const { ids } = this.#net.surroundings
    const [first, last] = [ids.indexOf(peer), ids.lastIndexOf(peer)]
    if (first === last || this.#net.between(this.index, first)?.isUp(this.index) === true) return first
    return this.#net.between(this.index, last)?.isUp(this.index) === true ? last : first
  }
}

function pair(a: number, b: number): number {
  return Math.min(a, b) * 64 + Math.max(a, b)
}
