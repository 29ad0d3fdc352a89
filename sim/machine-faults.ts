/** Faults of processes, disks and clocks, and what operators do. */
import type { RequestedMode } from '@lattice/core'
import type { Fault, Scene } from './faults.ts'
import type { Member } from './world.ts'

const minute = 60_000

/** Longest time a machine stays off. */
const offMs = 6 * minute

/** Ends a process some way, and starts the next one later. */
function ending(
  name: string,
  end: (scene: Scene, member: Member) => void,
  mayHit: (scene: Scene, member: Member) => boolean = () => true,
): Fault {
  return {
    name,
    lastsMs: 1,
    begin(scene) {
      const { world, dice } = scene
      const candidates = world.running.filter(each => mayHit(scene, each))
      if (candidates.length === 0) return undefined
      const member = dice.pick(candidates)
      const pauseMs = dice.chance(0.5) ? dice.between(10, 3_000) : offMs * dice.unit() ** 2
      member.downUntil = world.now + pauseMs
      end(scene, member)
      return () => {}
    },
  }
}

/** Ends the process of a member at once. */
export function kill(
  { world, ledger }: Pick<Scene, 'world' | 'ledger'>,
  member: Member,
  silent: boolean,
): void {
  world.crash(member, silent)
  ledger.ended(member)
}

/** Ends a process, and with it what its disk held. */
function losing(
  name: string,
  lose: (scene: Scene, member: Member) => void,
  mayHit: (scene: Scene, member: Member) => boolean,
): Fault {
  const end = (scene: Scene, member: Member): void => {
    kill(scene, member, false)
    scene.ledger.excuse(member)
    const { losses } = scene.world
    losses.set(member.index, name === 'rollback' || losses.get(member.index) === true)
    lose(scene, member)
  }
  return ending(name, end, mayHit)
}

/**
 * A node whose whole directory is older than it knows learns of it from its peers. They can tell only what
 * they hold, so that once one was so, no other member loses anything.
 */
function noneForgot({ world }: Pick<Scene, 'world'>, { index }: Member): boolean {
  return [...world.losses].every(([other, unaware]) => !unaware || other === index)
}

function noneLost({ world }: Pick<Scene, 'world'>, { index }: Member): boolean {
  return [...world.losses.keys()].every(other => other === index)
}

/** A copy of a whole machine is started beside it; who did that stops it again some time. */
const clone: Fault = {
  name: 'clone',
  lastsMs: 20 * minute,
  begin({ world, ledger }) {
    const { double } = world
    const owner = world.present.find(({ id }) => id === double?.id)
    if (double === undefined || owner === undefined || double.isSetUp) return undefined
    if (!noneLost({ world }, owner)) return undefined
    // Until it has heard of the other one from its peers it does not know what it has written.
    world.losses.set(owner.index, true)
    ledger.doubled(owner)
    double.disk.clone(owner.disk)
    double.trusts = owner.trusts
    double.former = owner.former
    double.isSetUp = true
    world.boot(double)
    world.doubledAt = Number.POSITIVE_INFINITY
    return () => {
      double.isSetUp = false
      world.doubledAt = world.now
      ledger.excuse(double)
      kill({ world, ledger }, double, false)
    }
  },
}

/** What processes do. */
export const processFaults: readonly Fault[] = [
  ending('crash', (scene, member) => kill(scene, member, false)),
  ending('power-loss', (scene, member) => kill(scene, member, true)),
  ending('restart', ({ world }, member) => world.leave(member)),
  ending('p2p-unusable', (scene, member) => {
    kill(scene, member, false)
    member.p2pBroken = true
  }),
  clone,
  losing('amnesia', ({ dice }, { disk }) => disk.replace(dice.chance(0.5)), noneForgot),
  losing('time-travel', (_, { disk }) => disk.restore(), noneForgot),
  losing('rollback', (_, { disk }) => disk.rollBack(), noneLost),
  {
    name: 'pause',
    lastsMs: 10 * minute,
    begin({ world, dice }) {
      const candidates = world.running.filter(({ process }) => !process.life.paused)
      if (candidates.length === 0) return undefined
      const { process, ...member } = dice.pick(candidates)
      const paused = world.members[member.index] as Member
      world.pause(paused)
      return () => {
        if (paused.process === process) world.resume(paused)
      }
    },
  },
  {
    name: 'malicious',
    lastsMs: 10 * minute,
    begin({ world, dice, ledger }) {
      const [first, ...others] = dice.shuffle(world.running)
      if (first === undefined || others.length < 2 || world.members.some(({ lies }) => lies)) return undefined
      const member = world.members[first.index] as Member
      member.lies = true
      kill({ world, ledger }, member, false)
      return () => {
        if (!member.lies) return
        member.lies = false
        kill({ world, ledger }, member, false)
      }
    },
  },
  {
    name: 'operator',
    lastsMs: minute,
    begin({ world, dice }) {
      const candidates = world.running
      if (candidates.length === 0) return undefined
      const { process, index } = dice.pick(candidates)
      const mode = dice.pick<RequestedMode>(['auto', 'auto', 'p2p', 'http'])
      const options = dice.chance(0.5) ? { forMs: dice.between(1_000, 5 * minute) } : {}
      world.note(`n${index}`, `operator says ${mode}`)
      process.life.enter(
        () => void process.runtime.switchMode(mode, options).catch(() => world.count('operator-refused')),
      )
      return () => {}
    },
  },
]

/** Within this all operators have put a changed list of members into force. */
const rolloutMs = 10 * minute

/** What operators do with the list of members: each node learns of it by a restart of its own. */
export const membershipFaults: readonly Fault[] = [
  {
    name: 'member-added',
    lastsMs: 1,
    begin({ world, dice, later }) {
      const joining = world.present.find(({ isSetUp }) => !isSetUp)
      if (joining === undefined) return undefined
      const all = world.present.map(({ id }) => id)
      for (const member of world.present)
        later(dice.between(0, rolloutMs), () => {
          world.introduce(member, all)
          if (member.lives === 0) world.boot(member)
          else world.leave(member)
        })
      return () => {}
    },
  },
  {
    name: 'member-removed',
    lastsMs: 1,
    begin({ world, dice, ledger, later }) {
      // The first two are reachable by all, and two are the least that can be equal.
      const candidates = world.present.filter(
        member => member.index >= 2 && member.isSetUp && noneForgot({ world }, member),
      )
      if (candidates.length === 0) return undefined
      const leaving = dice.pick(candidates)
      ledger.excuse(leaving)
      kill({ world, ledger }, leaving, false)
      leaving.isGone = true
      // What only it held is lost to the others, as if its disk were.
      world.losses.set(leaving.index, false)
      for (const member of world.present)
        later(dice.between(0, rolloutMs), () => {
          world.retire(member, leaving.id)
          world.leave(member)
        })
      return () => {}
    },
  },
]

/** What disks do. */
export const diskFaults: readonly Fault[] = [
  {
    name: 'corruption',
    lastsMs: 1,
    begin({ world, dice, ledger }) {
      const member = dice.pick(world.members)
      const row = member.disk.corrupt()
      if (row === undefined) return undefined
      ledger.excuse(member, `${row.key}|${row.slot}`)
      world.note(`n${member.index}`, `corrupts ${row.key} ${row.slot}`)
      return () => {}
    },
  },
  {
    name: 'slow-disk',
    lastsMs: 5 * minute,
    begin({ world, dice }) {
      const { health } = dice.pick(world.members).disk
      const before = health.commitMs
      health.commitMs = dice.between(100, 12_000)
      return () => void (health.commitMs = Math.min(before, 20))
    },
  },
  {
    name: 'full-disk',
    lastsMs: 5 * minute,
    begin({ world, dice }) {
      const { health } = dice.pick(world.members).disk
      health.full = true
      return () => void (health.full = false)
    },
  },
]

/** What clocks do. Within the ten minutes that nodes tolerate, and beyond them. */
export const clockFaults: readonly Fault[] = [
  {
    name: 'clock-skew',
    lastsMs: 20 * minute,
    begin({ world, dice }) {
      const { wall } = dice.pick(world.members)
      wall.set(dice.between(-4 * minute, 4 * minute))
      return () => wall.set(0)
    },
  },
  {
    name: 'clock-far-off',
    lastsMs: 10 * minute,
    begin({ world, dice }) {
      const { wall } = dice.pick(world.members)
      wall.set(
        dice.chance(0.5) ? dice.between(10 * minute, 25 * minute) : -dice.between(minute, 600 * minute),
      )
      return () => wall.set(0)
    },
  },
  {
    name: 'clock-freeze',
    lastsMs: 10 * minute,
    begin({ world, dice }) {
      const { wall } = dice.pick(world.members)
      wall.freeze()
      return () => {
        wall.thaw()
      }
    },
  },
  {
    name: 'clock-strobe',
    lastsMs: 2 * minute,
    begin({ world, dice, later }) {
      const { wall } = dice.pick(world.members)
      const stepMs = dice.between(4, 262_000)
      let on = true
      const flip = (far: boolean): void => {
        if (!on) return
        wall.set(far ? stepMs : 0)
        later(dice.between(100, 10_000), () => flip(!far))
      }
      flip(true)
      return () => {
        on = false
        wall.set(0)
      }
    },
  },
]
