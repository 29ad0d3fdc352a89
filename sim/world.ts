/**
 * A federation in virtual time: machines with disks and clocks, two networks between them, and on each
 * machine one process after another, each a whole `Runtime`.
 */
import type { EngineParams, NodeId, Random, Signer, Transport } from '@lattice/core'
import { defaultParams } from '@lattice/core'
import { Runtime, type RuntimeParts } from '@lattice/daemon/runtime'
import { createHttpSyncTransport, type HttpSyncTransport } from '@lattice/http-sync'
import { createDice, type Dice } from './dice.ts'
import { Disk } from './disk.ts'
import { HttpNet, urlOf, type HttpPort } from './http-net.ts'
import { createKeyRing, sha256, type KeyRing } from './keys.ts'
import { Life, ProcessClock, WallClock } from './life.ts'
import { P2pNet, type P2pPort } from './p2p-net.ts'
import { liar } from './mischief.ts'
import { rewriting } from './rewriting.ts'
import { Timeline } from './timeline.ts'
import { Trace } from './trace.ts'
import { Weather } from './weather.ts'

/** How a machine is connected, for good. */
export interface Site {
  readonly p2pEnabled: boolean
  /** Others can dial it over P2P. */
  readonly p2pDialable: boolean
  /** Others know a URL of it. */
  readonly httpReachable: boolean
  readonly crystalRate: number
  /** Runs a build that speaks version 1 of the protocol only. */
  readonly oldProtocol: boolean
}

/** One process of a node. */
export interface Process {
  readonly runtime: Runtime
  readonly life: Life
  readonly clock: ProcessClock
  readonly trusts: ReadonlySet<NodeId>
  readonly former: ReadonlySet<NodeId>
  readonly p2p: P2pPort | undefined
  readonly http: HttpPort
  readonly startedAt: number
}

/** One member: a machine, its identity, and the process that runs there now, if any. */
export interface Member {
  readonly index: number
  readonly id: NodeId
  readonly site: Site
  readonly disk: Disk
  readonly wall: WallClock
  process: Process | undefined
  lives: number
  /** Whom its configuration names: takes effect with the next life. */
  trusts: ReadonlySet<NodeId>
  /** Whom its configuration names as a member of the past. */
  former: ReadonlySet<NodeId>
  /** It has been set up, and operators want it to run. */
  isSetUp: boolean
  /** It was a member, and never comes back. */
  isGone: boolean
  /** A second machine with the identity of another member. */
  readonly isDouble: boolean
  /** P2P cannot start on its machine. */
  p2pBroken: boolean
  /** How often it has distrusted its disk. */
  distrusts: number
  /** What it sends is tampered with by its own hand. */
  lies: boolean
  /** True time until which it stays switched off. */
  downUntil: number
}

/** Changes what a runtime is made of: how planted bugs get in. */
export type Tamper = (parts: RuntimeParts, member: Member, world: World) => RuntimeParts

/** What a world is made from. */
export interface WorldOptions {
  readonly seed: number
  readonly count: number
  readonly params?: Partial<EngineParams>
  readonly sites?: readonly Partial<Site>[]
  readonly slowestMs?: number
  readonly commitMs?: number
  readonly realSignatures?: boolean
  /** This many of the last members are set up later. */
  readonly late?: number
  /** There is one more machine, on which a copy of this member may run. */
  readonly doubleOf?: number | undefined
  readonly print?: ((line: string) => void) | undefined
  readonly tamper?: Tamper | undefined
}

/** What hears of lives and logs. */
export interface Observer {
  born(member: Member, process: Process): void
  log(member: Member, level: string, message: string, fields: Readonly<Record<string, unknown>>): void
}

/** More often than operators can put old copies in place within a history. */
const distrustsMax = 200

/** What looks after the processes of a machine starts the next one this long after the last, in ms. */
const bootAfterMs = 50

/** Everything there is. */
export class World {
  readonly dice: Dice
  readonly timeline: Timeline
  readonly trace: Trace
  readonly weather: Weather
  readonly p2p: P2pNet
  readonly http: HttpNet
  readonly keys: KeyRing
  readonly params: EngineParams
  readonly members: readonly Member[]
  readonly coverage = new Map<string, number>()
  readonly violations: string[] = []
  /** Requests since this was last cleared, by asker and asked. */
  readonly asked = new Map<string, number>()
  /** Members that have lost what their disks held, and whether their directories cannot tell. */
  readonly losses = new Map<number, boolean>()
  /** When two machines last ran as one member. */
  doubledAt = Number.NEGATIVE_INFINITY
  observer: Observer | undefined
  readonly #lungs: HttpSyncTransport[] = []
  readonly #tamper: Tamper | undefined

  constructor(options: WorldOptions) {
    const { seed, count, print, slowestMs = 40, commitMs = 2 } = options
    this.dice = createDice(`lattice/${seed}`)
    this.trace = new Trace(print)
    this.timeline = new Timeline(error => this.violate(`exception: ${sentence(error)}`))
    const machines = count + (options.doubleOf === undefined ? 0 : 1)
    this.weather = new Weather(machines, this.dice.fork('weather'), slowestMs)
    this.keys = createKeyRing(count, this.dice.fork('keys'), options.realSignatures ?? false)
    this.params = { ...defaultParams, ...options.params }
    this.#tamper = options.tamper
    const each = this.keys.signers.map(({ nodeId }) => nodeId)
    const early = new Set(each.slice(0, count - (options.late ?? 0)))
    const double = options.doubleOf === undefined ? [] : [each[options.doubleOf] as NodeId]
    const ids = [...each, ...double]
    const { timeline, weather, trace } = this
    const surroundings = {
      timeline,
      weather,
      trace,
      ids,
      count: this.count.bind(this),
      asks: this.#asks.bind(this),
      admits: this.admits.bind(this),
    }
    this.p2p = new P2pNet({ ...surroundings, dice: this.dice.fork('p2p') })
    this.http = new HttpNet({ ...surroundings, dice: this.dice.fork('http') })
    this.members = ids.map((id, index): Member => {
      const rate = 1 + this.dice.between(-5e-5, 5e-5)
      const site = {
        p2pEnabled: true,
        p2pDialable: true,
        httpReachable: true,
        crystalRate: rate,
        oldProtocol: false,
      }
      const disk = new Disk(timeline, this.dice.fork(`disk/${index}`), commitMs)
      const wall = new WallClock(timeline)
      const given = options.sites?.[index]
      const rest = { process: undefined, lives: 0, p2pBroken: false, lies: false, distrusts: 0, downUntil: 0 }
      const isDouble = index >= count
      const isSetUp = early.has(id) && !isDouble
      const membership = { trusts: early, former: new Set<NodeId>(), isSetUp, isGone: false, isDouble }
      return { index, id, site: { ...site, ...given }, disk, wall, ...membership, ...rest }
    })
  }

  get now(): number {
    return this.timeline.now
  }

  /** Members whose process runs, paused or not. */
  get running(): (Member & { process: Process })[] {
    return this.members.filter(
      (member): member is Member & { process: Process } => member.process !== undefined,
    )
  }

  count(what: string): void {
    this.coverage.set(what, (this.coverage.get(what) ?? 0) + 1)
  }

  #asks(from: number, to: number): void {
    const pair = `n${from}>n${to}`
    this.asked.set(pair, (this.asked.get(pair) ?? 0) + 1)
  }

  note(who: string, what: string): void {
    this.trace.note(this.now, who, what)
  }

  /** A promise was broken. */
  violate(what: string): void {
    this.note('VIOLATION', what)
    if (this.violations.length < 20) this.violations.push(`${(this.now / 1000).toFixed(1)} s: ${what}`)
  }

  /** Signs in the name of a member. */
  signerOf({ id }: Member): Signer {
    return this.keys.signers.find(({ nodeId }) => nodeId === id) as Signer
  }

  /** Whether the process at one node takes the node `from` for a member. */
  admits(at: number, from: number): boolean {
    const { process } = this.members[at] as Member
    return process?.trusts.has((this.members[from] as Member).id) === true
  }

  /** From now on all of these know of each other: takes effect where a process starts. */
  introduce(member: Member, others: Iterable<NodeId>): void {
    member.isSetUp = true
    member.trusts = new Set([...member.trusts, ...others].filter(id => !member.former.has(id)))
  }

  /** Everybody who is a member or may become one. */
  get present(): Member[] {
    return this.members.filter(({ isGone, isDouble }) => !isGone && !isDouble)
  }

  /** The machine on which a copy of a member may run, if there is one. */
  get double(): Member | undefined {
    return this.members.find(({ isDouble }) => isDouble)
  }

  /** From now on a member is to know another as one of the past: takes effect where a process starts. */
  retire(member: Member, gone: NodeId): void {
    member.trusts = new Set([...member.trusts].filter(id => id !== gone))
    member.former = new Set([...member.former, gone])
  }

  /** Starts a process on the member's machine. */
  boot(member: Member): void {
    if (member.process !== undefined || !member.isSetUp || member.isGone) return
    const { index, trusts, former } = member
    member.disk.backUp()
    const life = new Life(this.timeline)
    const dice = this.dice.fork(`life/${index}/${member.lives++}`)
    const pace = { origin: dice.between(0, 1e8), rate: member.site.crystalRate }
    const clock = new ProcessClock(this.timeline, life, member.wall, pace)
    const station = { index, life }
    const traits = { dialable: member.site.p2pDialable, isBroken: () => member.p2pBroken }
    const p2p = member.site.p2pEnabled ? this.p2p.attach(station, traits) : undefined
    const signer = this.signerOf(member)
    const urls = this.members
      .filter(other => other.id !== member.id && !other.isDouble && other.site.httpReachable)
      .map(other => urlOf(other.index))
    const http = this.http.attach(station, connections =>
      createHttpSyncTransport({
        ...{ signer, clock, urls, connections, trusted: trusts, hash: sha256 },
        verify: (author, message, signature) => this.keys.check({ author, message, signature }),
        random: this.dice.fork(`http/${index}/${member.lives}`),
      }),
    )
    this.#lungs.push(http.lung)
    this.note(`n${index}`, `boots, life ${member.lives}, incarnation ${member.disk.image.incarnation}`)
    const parts = this.#parts(member, { life, clock, dice, p2p, http })
    const runtime = new Runtime(this.#tamper?.(parts, member, this) ?? parts)
    member.process = { runtime, life, clock, trusts, former, p2p, http, startedAt: this.now }
    this.observer?.born(member, member.process)
    runtime.start().catch((error: unknown) => this.violate(`start failed: ${sentence(error)}`))
  }

  /**
   * The process ends without a word of its own. `silent`: the machine too, so that no connection is reset.
   * The next one starts by itself, once the machine may be on again.
   */
  crash(member: Member, silent: boolean): void {
    const { process } = member
    if (process === undefined) return
    this.note(`n${member.index}`, silent ? 'loses power' : 'crashes')
    process.life.end()
    member.process = undefined
    member.disk.unmount()
    this.p2p.detach(member.index, silent)
    this.http.detach(member.index)
    this.timeline.at(Math.max(this.now, member.downUntil) + bootAfterMs, () => {
      if (this.now >= member.downUntil) this.boot(member)
    })
  }

  /**
   * The world ends: what dead processes still wait for is given up. Node keeps combined signals that somebody
   * listens to until they fire, and with them everything here.
   */
  end(): void {
    for (const member of this.members) this.crash(member, false)
    for (const lung of this.#lungs) void lung.stop()
  }

  /** The process ends in good order, or is killed after 8 s. */
  leave(member: Member): void {
    const { process } = member
    if (process === undefined) return
    this.note(`n${member.index}`, 'is told to stop')
    const end = (): void => {
      if (member.process === process) this.crash(member, false)
    }
    process.life.enter(
      () => void process.runtime.stop().then(end, (error: unknown) => this.violate(sentence(error))),
    )
    this.timeline.after(8_000, end)
  }

  pause(member: Member): void {
    member.process?.life.pause()
    this.note(`n${member.index}`, 'pauses')
    this.p2p.reassess()
  }

  resume(member: Member): void {
    this.note(`n${member.index}`, 'goes on')
    member.process?.life.resume()
    this.p2p.reassess()
  }

  #parts(
    member: Member,
    made: { life: Life; clock: ProcessClock; dice: Random; p2p: P2pPort | undefined; http: HttpPort },
  ): RuntimeParts {
    const { life, clock, dice, p2p, http } = made
    const signer = this.signerOf(member)
    const lie = liar(
      this.dice.fork(`lies/${member.index}/${member.lives}`),
      signer,
      () => member.wall.now,
      what => this.count(what),
    )
    const lung = (port: Transport): Transport => {
      if (member.lies) return rewriting(port, { sent: lie })
      return member.site.oldProtocol ? rewriting(port) : port
    }
    return {
      info: { name: `node${member.index}`, role: 'node', software: 'sim' },
      store: member.disk.mount(life),
      hash: sha256,
      signer,
      verifier: this.keys.verifier,
      random: dice,
      params: { ...this.params, p2pEnabled: member.site.p2pEnabled },
      members: member.trusts,
      former: member.former,
      clock,
      transports: p2p === undefined ? [lung(http.lung)] : [lung(p2p), lung(http.lung)],
      restartP2p: () => p2p?.restart() ?? Promise.resolve(),
      onDistrust: (reason, remedy) => {
        this.note(`n${member.index}`, `distrusts its disk: ${reason}`)
        this.count(`store-${remedy}`)
        if (++member.distrusts > distrustsMax) this.violate(`n${member.index} distrusts its disk for ever`)
        this.timeline.after(0, () => {
          if (!life.alive) return
          this.crash(member, false)
          if (remedy === 'new-life') member.disk.beginLife()
          if (remedy === 'rebuild') member.disk.replace(true)
        })
      },
      log: (level, message, fields) => {
        if (!life.alive) return
        this.note(`n${member.index}`, `${level} ${message} ${JSON.stringify(fields)}`)
        if (message === 'unexpected error') this.violate(`n${member.index}: ${JSON.stringify(fields)}`)
        this.observer?.log(member, level, message, fields)
      },
    }
  }
}

/** What went wrong, as a sentence. */
export function sentence(error: unknown): string {
  return Error.isError(error) ? (error.stack ?? error.message) : String(error)
}
