/**
 * One history: a federation is drawn, lives with faults for a while, then everything is mended and must be
 * well again.
 *
 * Two phases, as in FoundationDB's and TigerBeetle's simulators: safety while things go wrong, progress once
 * they have stopped.
 */
import { wallOf, type NodeStatus, type Scan } from '@lattice/core'
import { createDice } from './dice.ts'
import { drawSwarm, startFaults, type Swarm } from './faults.ts'
import { horizonKey } from './entries.ts'
import { dump, Ledger, winners } from './ledger.ts'
import { epochWall } from './life.ts'
import { Sentinel } from './sentinel.ts'
import { drawHabits, startClients } from './workload.ts'
import { World, type Member, type Site, type Tamper } from './world.ts'

/** What a history is told from. */
export interface HistoryOptions {
  readonly seed: number
  /** Virtual time with faults, in ms. */
  readonly faultsMs: number
  /** Virtual time at least, in ms: a history that is well again early goes on in peace. */
  readonly atLeastMs?: number
  /** Faults instead of the drawn ones. */
  readonly swarm?: Swarm
  /** Of the drawn faults these only: how a history is made short. */
  readonly only?: readonly string[] | undefined
  readonly count?: number
  /** How long deletes are remembered, instead of the drawn time. */
  readonly retentionMs?: number
  /** Ends with the first broken promise. */
  readonly stopsEarly?: boolean
  readonly print?: ((line: string) => void) | undefined
  readonly tamper?: Tamper | undefined
}

/** How it went. */
export interface Outcome {
  readonly seed: number
  /** Hash over everything that happened. */
  readonly digest: string
  readonly violations: readonly string[]
  /** How often what happened, by class. */
  readonly coverage: ReadonlyMap<string, number>
  readonly simulatedMs: number
  readonly acknowledged: number
  /** Happenings on the timeline. */
  readonly steps: number
  /** The faults that were drawn. */
  readonly swarm?: readonly string[]
}

/** All equal within this after the heal, in ms: a dial back-off, a time-out, a descent with its pauses. */
const convergeWithinMs = 120_000

/** Back on P2P within this: longest hold-down or latch, trial, and the way there (docs/reliability.md). */
const returnWithinMs = 750_000

/** What was handed to a slow disk before the heal is on it after this, in ms, and may be from the future. */
const lastCommitMs = 20_000

/** How often the world is asked whether it is well: a status is dear. */
const askEveryMs = 2_000

/** Entries stamped further ahead than this wait until their time has come; a horizon until it is this old. */
const futureMs = 600_000

/** No clock of a history is further ahead than this. */
const waitMsMax = 3_600_000

/** Rows that a check of a store reads at once. */
const rowsPerSlice = 500

/** Sizes of federations: mostly three, as in production; the dearer ones now and then. */
const sizes = [...Array<number>(40).fill(3), ...Array<number>(6).fill(4), 5, 7]

/**
 * How long deletes are remembered: the default never ends in a history; the others make horizons by the
 * dozen.
 */
const retentionsMs = [30 * 86_400_000, 660_000, 1_200_000]

/**
 * How often nodes beat: the default, and slower as operators may set it. Beats are most of what a quiet
 * history costs.
 */
const heartbeatsMs = [5_000, 10_000, 20_000]

/**
 * How much calmer than dense a history is: between faults and writes passes so many times the drawn interval.
 * Some states are reached only where something happens every few seconds, others only in calm stretches.
 */
const calms = [1, 4, 8, 8, 16]

/** Slowest beats: three fit into the peerless timeout. */
const heartbeatMsMax = 20_000

/** Tells one history from its seed. */
export async function tell(options: HistoryOptions): Promise<Outcome> {
  const { seed, faultsMs } = options
  const root = createDice(`lattice/${seed}`)
  const calm = options.swarm === undefined ? root.fork('calm').pick(calms) : 1
  const drawn = options.swarm ?? drawSwarm(root.fork('swarm'), calm)
  const swarm = new Map([...drawn].filter(([name]) => options.only?.includes(name) ?? true))
  const world = drawWorld(options, swarm, calm)
  const dice = world.dice.fork('history')
  const ledger = new Ledger(world)
  new Sentinel(world)
  world.note('history', `${world.members.length} nodes, ${JSON.stringify([...swarm])}`)
  for (const member of world.members) world.timeline.after(dice.between(0, 5_000), () => world.boot(member))
  const stopClients = startClients(world, ledger, drawHabits(dice, calm))
  const heal = startFaults(world, ledger, swarm)
  const isOver = (): boolean => options.stopsEarly === true && world.violations.length > 0
  await world.timeline.run(faultsMs, isOver)
  world.note('history', 'heals')
  stopClients()
  heal()
  mend(world, ledger)
  if (!isOver()) {
    await demandProgress(world, ledger)
    for (const member of world.present) ledger.audit(member)
  }
  await world.timeline.run(Math.max(world.now, options.atLeastMs ?? 0))
  for (const member of world.members) world.trace.note(0, `n${member.index}`, dump(member))
  const { violations, coverage, trace, timeline } = world
  const { acknowledged } = ledger
  const end = { digest: trace.digest, simulatedMs: world.now, steps: timeline.count, acknowledged }
  world.end()
  return { seed, violations, coverage, ...end, swarm: [...swarm.keys()] }
}

function drawWorld(options: HistoryOptions, swarm: Swarm, calm: number): World {
  const { seed, count, print, tamper, retentionMs } = options
  const dice = createDice(`lattice/${seed}`).fork('federation')
  const nodes = count ?? dice.pick(sizes)
  const sites = Array.from({ length: nodes }, (_, index): Partial<Site> => ({
    // The first two are always reachable both ways, so that the federation can become one.
    p2pEnabled: index < 2 || !dice.chance(0.08),
    p2pDialable: index < 2 || !dice.chance(0.15),
    httpReachable: index < 2 || !dice.chance(0.15),
    oldProtocol: dice.chance(0.1),
  }))
  const slowestMs = dice.pick([5, 40, 150])
  const commitMs = dice.pick([0.5, 4, 20])
  return new World({
    seed,
    count: nodes,
    sites,
    slowestMs,
    commitMs,
    params: {
      tombstoneRetentionMs: retentionMs ?? dice.pick(retentionsMs),
      heartbeatMs: Math.min(heartbeatMsMax, calm * dice.pick(heartbeatsMs)),
    },
    realSignatures: dice.chance(0.01),
    late: swarm.has('member-added') ? 1 : 0,
    doubleOf: swarm.has('clone') ? dice.fork('double').below(2) : undefined,
    print,
    tamper,
  })
}

/** Whatever is still wrong is put right. */
function mend(world: World, ledger: Ledger): void {
  if (world.double !== undefined) world.double.isGone = true
  const all = world.present.map(({ id }) => id)
  const gone = world.members.filter(({ isGone, isDouble }) => isGone && !isDouble).map(({ id }) => id)
  for (const member of world.present) {
    for (const id of gone) world.retire(member, id)
    world.introduce(member, all)
    const { process } = member
    if (process !== undefined && (process.trusts.size !== all.length || process.former.size < gone.length)) {
      world.crash(member, false)
      ledger.ended(member)
    }
    member.downUntil = 0
    member.p2pBroken = false
    member.wall.thaw()
    member.wall.set(0)
    world.boot(member)
    world.resume(member)
  }
}

/** The operator gives every node the choice back, also to those that were about to restart. */
function release({ present }: World, all: readonly (NodeStatus | undefined)[]): void {
  for (const [at, { process }] of present.entries())
    if (process !== undefined && all[at]?.requested !== 'auto')
      process.life.enter(() => void process.runtime.switchMode('auto').catch(() => {}))
}

async function demandProgress(world: World, ledger: Ledger): Promise<void> {
  const healedAt = world.now
  await world.timeline.run(healedAt + lastCommitMs)
  const waitMs = Math.max(0, ...world.present.map(member => latestDue(member) - (epochWall + world.now)))
  if (waitMs > waitMsMax) return world.violate(`a disk holds an entry from ${waitMs / 1000} s ahead`)
  await world.timeline.run(world.now + waitMs)
  if (waitMs > 0) world.count('waited-for-the-future')
  checkEverything(world)
  await world.timeline.run(world.now + askEveryMs)
  const equalBy = world.now + convergeWithinMs
  await until(world, equalBy, areEqual)
  if (!areEqual(statuses(world)) && isLostEverywhere(world, ledger)) return world.count('lost-everywhere')
  if (!areEqual(statuses(world))) {
    world.violate(`no equal roots ${convergeWithinMs / 1000} s after the heal: ${standings(world)}`)
    return
  }
  world.note('history', 'roots are equal')
  if (new Set(world.present.map(dump)).size > 1) world.violate('equal roots over different entries')
  const isWell: Condition = all => all.every((status, at) => isBack(status, world.present[at] as Member))
  const backBy = healedAt + waitMs + returnWithinMs
  await until(world, backBy, isWell)
  const { present } = world
  statuses(world).forEach((status, at) => {
    const member = present[at] as Member
    if (!isBack(status, member)) world.violate(`n${member.index}: ${status?.phase} long after the heal`)
  })
}

/** Every store is checked, as each node does every few hours: so damage is found that nothing has touched. */
function checkEverything({ running }: World): void {
  for (const { process } of running)
    process.life.enter(() => {
      for (let next: number | undefined = 0; next !== undefined;) {
        const scan: Scan = process.runtime.scan(next, rowsPerSlice)
        if (scan.unvouched.length > 0) void process.runtime.readmit(scan.unvouched).catch(() => {})
        next = scan.next
      }
    })
}

/**
 * Whether all have lost something of one key: nobody can give it back, so each holds on to what it has, and
 * believes no other about what has ended.
 */
function isLostEverywhere({ present }: World, { keys }: Ledger): boolean {
  return [...keys].some(key =>
    present.every(({ process }) => process?.runtime.quarantine.isDamaged(key) === true),
  )
}

/** Judges by the status of every member that is not gone; undefined where none runs. */
type Condition = (all: readonly (NodeStatus | undefined)[]) => boolean

function statuses({ present }: World): (NodeStatus | undefined)[] {
  return present.map(({ process }) => process?.runtime.status())
}

async function until(world: World, limit: number, condition: Condition): Promise<void> {
  while (world.now < limit) {
    const all = statuses(world)
    release(world, all)
    if (condition(all)) return
    await world.timeline.run(Math.min(limit, world.now + askEveryMs))
  }
}

const areEqual: Condition = all => new Set(all.map(status => status?.root)).size === 1

/** On P2P, or where P2P is impossible on HTTP. */
function isBack(status: NodeStatus | undefined, { site }: Member): boolean {
  return status?.phase === (site.p2pEnabled ? 'P2P' : 'HTTP')
}

function standings(world: World): string {
  return world.present
    .map(({ process, index }) => {
      const status = process?.runtime.status()
      const peers = status?.peers.map(peer => `${peer.path}/${peer.behind}/${peer.ahead}`)
      return `n${index} ${status?.phase} ${status?.root.slice(0, 6)} ${status?.entryCount} ${peers?.join(' ')}`
    })
    .join('; ')
}

/** Wall time from which on every node takes in all that is on this disk; horizons have to be old. */
function latestDue(member: Member): number {
  let latest = 0
  for (const { key, version } of winners(member).values())
    latest = Math.max(latest, wallOf(version) + (key === horizonKey ? futureMs : -futureMs))
  return latest
}
