/**
 * Watches the promises about modes, deadlines and bounds while the world goes on. What it demands is stated
 * here, not taken from the product.
 */
import type { NodeEvent, Phase, Transition } from '@lattice/core'
import type { Member, Process, World } from './world.ts'

/** Every step the mode machine may take by itself (docs/reliability.md). */
const legalSteps = new Set([
  'NONE>P2P',
  'NONE>HTTP',
  'P2P>GRACE',
  'P2P>HTTP',
  'P2P>NONE',
  'GRACE>P2P',
  'GRACE>HTTP',
  'GRACE>NONE',
  'HTTP>TRIAL',
  'HTTP>P2P',
  'HTTP>NONE',
  'TRIAL>P2P',
  'TRIAL>HTTP',
  'FORCED>P2P',
  'FORCED>HTTP',
  'FORCED>NONE',
])

/**
 * No more changes of the preferred path than this within ten minutes (docs/reliability.md): by choice, and
 * with those that were none because the other path had gone. Each pair of those takes a peerless timeout.
 */
const changesMax = { chosen: 6, all: 21 }
const changesWindowMs = 600_000

/** How often bounds and deadlines are looked at, in ms. */
const lookEveryMs = 1_000

/** The status of a node is asked for at every so many looks. */
const statusEveryLooks = 15

/**
 * More requests than this from one node to another within a minute are a storm: two orders of magnitude above
 * what heartbeats, polls and the busiest clients of a history need.
 */
const stormPerMinute = 2_500

/**
 * What HTTP may need beyond the peerless timeout: one time-out of an exchange, a redial pause and one of our
 * looks.
 */
const deadlineSlackMs = 25_000

/** Who has just started may not have been asked again: the longest pause between tries, and an exchange. */
const redialMs = 15_000

/**
 * A peer answers once what it was given is durable: two commits, each up to one and a half of this, fit into
 * the time-out of an exchange over HTTP.
 */
const promptCommitMs = 3_000

const preferred: Readonly<Record<Phase, 'p2p' | 'http' | undefined>> = {
  P2P: 'p2p',
  GRACE: 'p2p',
  HTTP: 'http',
  TRIAL: 'http',
  NONE: undefined,
  FORCED: undefined,
}

/** Since when something holds, per member; undefined while it does not. */
type Since = (number | undefined)[]

/** The mode of one process, as its steps tell it: asking for the whole status every second would be dear. */
interface Course {
  phase: Phase
  /** Since when the choice is its own. */
  freeSince: number
  path: 'p2p' | 'http' | undefined
  /** When the preferred path changed, and whether another path answered then. */
  changes: { at: number; chosen: boolean }[]
}

/** The watch. */
export class Sentinel {
  readonly #world: World
  readonly #p2pDead: Since = []
  readonly #httpWorks: Since = []
  #looks = 0
  readonly #courses = new Map<Process, Course>()

  constructor(world: World) {
    this.#world = world
    world.observer = { born: (member, process) => this.#born(member, process), log: () => {} }
    const minute = (): void => {
      for (const [pair, asked] of world.asked)
        if (asked > stormPerMinute) world.violate(`storm: ${asked} requests ${pair} within a minute`)
      world.asked.clear()
      world.timeline.after(60_000, minute)
    }
    world.timeline.after(60_000, minute)
    const look = (): void => {
      this.#look()
      world.timeline.after(lookEveryMs, look)
    }
    world.timeline.after(lookEveryMs, look)
  }

  #born(member: Member, process: Process): void {
    const { phase } = process.runtime.status()
    this.#courses.set(process, { phase, freeSince: this.#world.now, path: undefined, changes: [] })
    process.runtime.subscribe((event: NodeEvent) => {
      if (event.kind === 'mode' && process.life.alive) this.#stepped(member, process, event.transition)
    })
  }

  #stepped({ index }: Member, process: Process, { from, to, trigger, reason }: Transition): void {
    const world = this.#world
    world.note(`n${index}`, `${from}>${to} by ${trigger}: ${reason}`)
    world.count(`${from}>${to}`)
    if (trigger === 'watchdog' && !legalSteps.has(`${from}>${to}`))
      world.violate(`n${index}: illegal step ${from}>${to}`)
    const course = this.#courses.get(process)
    if (course === undefined) return
    course.phase = to
    if (from === 'FORCED') course.freeSince = world.now
    const path = preferred[to]
    if (trigger !== 'watchdog' || from === 'FORCED') course.path = path ?? course.path
    if (path === undefined || path === course.path) return
    if (course.path !== undefined) course.changes.push({ at: world.now, chosen: from !== 'NONE' })
    course.path = path
    course.changes = course.changes.filter(({ at }) => world.now - at <= changesWindowMs)
    const all = course.changes.length
    const chosen = course.changes.filter(change => change.chosen).length
    if (!this.#isDoubled() && (chosen > changesMax.chosen || all > changesMax.all))
      world.violate(
        `n${index}: ${chosen} of ${all} changes of the preferred path within ten minutes by choice`,
      )
  }

  #look(): void {
    this.#looks++
    for (const member of this.#world.members) {
      const { process } = member
      if (process === undefined || process.life.paused) {
        this.#p2pDead[member.index] = this.#httpWorks[member.index] = undefined
        continue
      }
      this.#lookAtDeadline(member, process)
      this.#lookAtBounds(member, process)
    }
  }

  /** Property 61: no P2P path for the peerless timeout, an HTTP path all along ⇒ the node is on HTTP. */
  #lookAtDeadline(member: Member, process: Process): void {
    const { now, params } = this.#world
    const { index } = member
    const note = (since: Since, holds: boolean): number =>
      (since[index] = holds ? (since[index] ?? now) : undefined) ?? Number.POSITIVE_INFINITY
    const { phase, freeSince } = this.#courses.get(process) ?? { phase: 'NONE', freeSince: now }
    const since = Math.max(
      note(this.#p2pDead, !this.#hasPath(member, 'p2p')),
      note(this.#httpWorks, this.#hasPath(member, 'http')),
      freeSince,
    )
    if (now - since <= params.peerlessTimeoutMs + deadlineSlackMs || this.#isDoubled()) return
    if (phase !== 'HTTP' && phase !== 'TRIAL' && phase !== 'FORCED')
      this.#world.violate(`n${index}: ${phase} although only HTTP has worked for ${(now - since) / 1000} s`)
  }

  #lookAtBounds({ index, disk }: Member, { clock, p2p, http, runtime }: Process): void {
    const peers = this.#world.members.length - 1
    const bound = (what: string, value: number, most: number): void => {
      if (value > most) this.#world.violate(`n${index}: ${value} ${what}, at most ${most} expected`)
    }
    bound('batches at the disk', disk.waiting, 1)
    bound('requests over P2P', p2p?.openCount ?? 0, 3 * peers)
    bound('requests over HTTP', http.openCount, 4 * peers)
    bound('alarms', clock.alarms, 1 + 8 * peers)
    if (this.#looks % statusEveryLooks === 0)
      bound('deferred entries', runtime.status().deferredCount, 1_000 * (peers + 1))
  }

  /** Links of two machines with one identity are taken for each other's: paths promise nothing then. */
  #isDoubled(): boolean {
    const { doubledAt, now } = this.#world
    return now - doubledAt < changesWindowMs
  }

  /**
   * Whether P2P can carry to some peer, and whether HTTP does without any trouble: where either is in doubt,
   * nothing is owed. So who has just started is a peer over P2P, and none yet over HTTP.
   */
  #hasPath(member: Member, kind: 'p2p' | 'http'): boolean {
    const { weather, running, http } = this.#world
    const clear = (index: number): boolean => {
      const { unavailable, truncates, hangs } = http.proxies[index] as (typeof http.proxies)[number]
      return kind === 'p2p' || unavailable + truncates + hangs === 0
    }
    return running.some(other => {
      if (other.index === member.index || !weather.isOpen(kind, member.index, other.index)) return false
      if (!this.#world.admits(member.index, other.index) || !this.#world.admits(other.index, member.index))
        return false
      const { process } = other
      if (kind === 'p2p') return member.process?.p2p?.inbox !== undefined && process.p2p?.inbox !== undefined
      if (this.#world.now - process.startedAt < redialMs) return false
      // Who lies is refused, and takes that for a path that fails.
      const isHonest = !other.lies && !member.lies
      const calm = weather.nuisance.http.jitterMs === 0 && !process.life.paused && isHonest
      if (other.disk.health.commitMs > promptCommitMs) return false
      return (
        calm &&
        other.site.httpReachable &&
        member.site.httpReachable &&
        clear(other.index) &&
        clear(member.index)
      )
    })
  }
}
