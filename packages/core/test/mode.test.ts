/** The sync-mode machine: total, never stuck, on HTTP in time, back on P2P, and calm. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { defaultParams, phases, type EngineParams } from '@lattice/core'
import { assertProperty } from '@lattice/core/testing'
import {
  forceMode,
  initialMode,
  modeWakeAt,
  preferredPath,
  releaseMode,
  requestedMode,
  stepMode,
  type Facts,
  type Mode,
  type ModeState,
} from '../src/mode.ts'

const params = defaultParams
const { peerlessTimeoutMs, stableAfterMs, holdDownMs, holdDownMaxMs, flapWindowMs, flapLimit } = params
const start = 1_000_000

/** What the world does; the watchdog makes facts of it. */
interface World {
  p2p: boolean
  http: boolean
  usable: boolean
}

/** The machine with a clock and a watchdog around it, as the mode keeper runs it. */
class Node {
  mode: Mode
  now = start
  p2pLastAlive = start
  p2pSince: number | undefined
  /** The path before and after each change that was not the operator's. */
  readonly changes: number[] = []
  steps = 0
  #path: string | undefined

  readonly #params: EngineParams

  constructor(mode = initialMode(start), limits = params) {
    this.mode = mode
    this.#params = limits
    this.#path = preferredPath(mode.state)
  }

  facts(world: World): Facts {
    const alive = world.p2p && world.usable
    if (alive) this.p2pLastAlive = this.now
    this.p2pSince = alive ? (this.p2pSince ?? this.now) : undefined
    const { since } = this.mode.state
    const trialPassed = alive && this.now - Math.max(since, this.p2pSince ?? this.now) >= stableAfterMs
    return {
      p2pUsable: world.usable,
      p2pAlive: alive,
      p2pLastAlive: this.p2pLastAlive,
      httpAlive: world.http,
      httpFresh: world.http,
      trialPassed,
    }
  }

  settle(world: World): void {
    for (let steps = 0; ; steps++) {
      if (steps > 6) throw new Error(`the machine spins in ${this.mode.state.phase}`)
      const step = stepMode(this.mode, this.facts(world), this.now, this.#params)
      if (step === undefined) break
      this.mode = step.mode
      this.steps++
      const path = preferredPath(step.mode.state)
      if (path !== undefined && this.#path !== undefined && path !== this.#path) this.changes.push(this.now)
      this.#path = path ?? this.#path
    }
  }

  /** Lets time pass in steps of a second. */
  run(world: World, ms: number, tickMs = 1000): void {
    this.settle(world)
    for (const end = this.now + ms; this.now < end;) {
      this.now = Math.min(end, this.now + tickMs)
      this.settle(world)
    }
  }

  get phase(): ModeState['phase'] {
    return this.mode.state.phase
  }
}

const truth = [false, true]
const worlds: World[] = truth.flatMap(p2p =>
  truth.flatMap(http => truth.map(usable => ({ p2p, http, usable }))),
)
const allStates = (since: number): ModeState[] => [
  { phase: 'NONE', since },
  { phase: 'P2P', since },
  { phase: 'GRACE', since },
  { phase: 'HTTP', since, holdUntil: since + holdDownMs },
  { phase: 'HTTP', since, holdUntil: since + holdDownMaxMs },
  { phase: 'TRIAL', since },
  { phase: 'FORCED', since, path: 'p2p', until: undefined },
  { phase: 'FORCED', since, path: 'http', until: since + 1000 },
]
const histories = [0, 4, 5, 6, 9].flatMap(count =>
  [undefined, start - 5].map(lastReturn => ({
    changes: Array.from({ length: count }, (_, at) => start - 60_000 + at),
    failedReturns: Array.from({ length: count }, (_, at) => start - 60_000 + at),
    lastReturn,
  })),
)
const allModes: Mode[] = allStates(start).flatMap(state =>
  histories.flatMap(history =>
    ([undefined, 'p2p', 'http'] as const).map(lastPath => ({ state, ...history, lastPath })),
  ),
)

describe('the machine', () => {
  it('answers every state and all facts at any time, and comes to rest', () => {
    const times = [0, 1, 999, holdDownMs, stableAfterMs, peerlessTimeoutMs, holdDownMaxMs, flapWindowMs, 1e9]
    const ages = [0, 1, peerlessTimeoutMs - 1, peerlessTimeoutMs, 1e8]
    let tried = 0
    const wrong: unknown[] = []
    for (const mode of allModes) {
      for (const { p2p, http, usable } of worlds) {
        for (const time of times) {
          for (const age of p2p && usable ? [0] : ages) {
            for (const trialPassed of p2p && usable ? truth : [false]) {
              tried++
              const now = start + time
              const p2pLastAlive = now - age
              const sight = { p2pUsable: usable, p2pAlive: p2p, httpAlive: http, httpFresh: http }
              const facts = { ...sight, p2pLastAlive, trialPassed }
              let state = mode
              let steps = 0
              for (;;) {
                const step = stepMode(state, facts, now, params)
                if (step === undefined) break
                if (step.reason.length < 6 || step.mode.state === state.state) wrong.push(step)
                state = step.mode
                if (++steps > 6) throw new Error(`spins: ${JSON.stringify({ mode, facts, time })}`)
              }
              const wake = modeWakeAt(state, facts, params)
              if (!phases.includes(state.state.phase) || Number.isNaN(wake)) wrong.push(state)
            }
          }
        }
      }
    }
    expect(wrong).toEqual([])
    expect(tried).toBeGreaterThan(20_000)
  })

  it('the wake-up it names is early enough: nothing moves by time alone before it', () => {
    assertProperty(
      fc.property(
        fc.constantFrom(...allModes),
        fc.constantFrom(...worlds),
        fc.integer({ min: 0, max: 2 * flapWindowMs }),
        fc.integer({ min: 1, max: 2 * flapWindowMs }),
        (mode, world, time, later) => {
          const node = new Node(mode)
          node.now = start + time
          node.settle(world)
          if (node.phase === 'TRIAL') return // its probes wake the engine
          const facts = node.facts(world)
          const wake = modeWakeAt(node.mode, facts, params) ?? Number.POSITIVE_INFINITY
          const next = node.now + later
          if (wake > node.now && next >= wake) return
          if (wake <= node.now) return expect(stepMode(node.mode, facts, next, params)).toBeUndefined()
          expect(stepMode(node.mode, facts, next, params)).toBeUndefined()
        },
      ),
      3000,
    )
  })

  it('with P2P alive for good reaches P2P from any state that was not forced, whatever HTTP does', () => {
    for (const mode of allModes.filter(({ state }) => state.phase !== 'FORCED')) {
      for (const http of truth) {
        const node = new Node(mode)
        node.run({ p2p: true, http, usable: true }, flapWindowMs + holdDownMaxMs + stableAfterMs + 9000, 3000)
        expect([node.phase, http, mode.state.phase]).toEqual(['P2P', http, mode.state.phase])
      }
    }
  })

  it('with only HTTP alive is on HTTP within the peerless timeout, unless forced', () => {
    for (const mode of allModes.filter(({ state }) => state.phase !== 'FORCED')) {
      const node = new Node(mode)
      node.run({ p2p: false, http: true, usable: true }, peerlessTimeoutMs)
      expect([node.phase, mode.state.phase]).toEqual(['HTTP', mode.state.phase])
    }
  })

  it('does not declare HTTP on what it proved before P2P fell silent: the probe decides', () => {
    const mode: Mode = { ...initialMode(start), state: { phase: 'GRACE', since: start } }
    const p2pGone = { p2pUsable: true, p2pAlive: false, p2pLastAlive: start, trialPassed: false }
    const step = (httpAlive: boolean, httpFresh: boolean): string | undefined =>
      stepMode(mode, { ...p2pGone, httpAlive, httpFresh }, start + peerlessTimeoutMs, params)?.mode.state
        .phase
    expect([step(true, false), step(true, true), step(false, false)]).toEqual([undefined, 'HTTP', 'NONE'])
  })

  it('is on HTTP at once where P2P cannot start and HTTP answers', () => {
    const node = new Node()
    node.settle({ p2p: false, http: true, usable: false })
    expect(node.phase).toBe('HTTP')
  })

  it('is on P2P at once where P2P answers first', () => {
    const node = new Node()
    node.settle({ p2p: true, http: true, usable: true })
    expect(node.phase).toBe('P2P')
  })

  it('says NONE within the peerless timeout when nothing answers any more', () => {
    for (const mode of allModes.filter(({ state }) => state.phase !== 'FORCED')) {
      const node = new Node(mode)
      node.run({ p2p: false, http: false, usable: true }, peerlessTimeoutMs)
      expect(node.phase).toBe('NONE')
    }
  })

  it('does not leave P2P before the timeout is over, to the millisecond', () => {
    const node = new Node()
    node.settle({ p2p: true, http: true, usable: true })
    const dead = { p2p: false, http: true, usable: true }
    node.run(dead, peerlessTimeoutMs - 1)
    expect(node.phase).toBe('GRACE')
    node.run(dead, 1)
    expect(node.phase).toBe('HTTP')
  })

  it('comes back through a trial after the hold-down, which a failed trial starts anew', () => {
    const node = new Node()
    const [dead, alive] = [false, true].map(p2p => ({ p2p, http: true, usable: true })) as [World, World]
    node.settle(alive)
    node.run(dead, peerlessTimeoutMs)
    node.run(alive, holdDownMs - 1)
    expect(node.phase).toBe('HTTP')
    node.run(alive, 1)
    expect(node.phase).toBe('TRIAL')
    node.run(alive, stableAfterMs - 1)
    expect(node.phase).toBe('TRIAL')
    node.settle(dead)
    expect(node.phase).toBe('HTTP')
    node.run(alive, 2 * holdDownMs - 1)
    expect(node.phase).toBe('HTTP')
    node.run(alive, 1)
    node.run(alive, stableAfterMs)
    expect(node.phase).toBe('P2P')
  })
})

describe('flapping', () => {
  const most = (changes: readonly number[]): number =>
    Math.max(0, ...changes.map(from => changes.filter(at => at >= from && at < from + flapWindowMs).length))
  const spans = (world: fc.Arbitrary<World>): fc.Arbitrary<[World, number][]> =>
    fc.array(fc.tuple(world, fc.constantFrom(1, 5, 20, 61, 62, 90, 200, 400)), {
      minLength: 60,
      maxLength: 250,
    })
  const flap = (history: [World, number][]): number => {
    const node = new Node()
    for (const [world, seconds] of history) node.run(world, seconds * 1000, 5000)
    return most(node.changes)
  }

  it('of P2P under a steady HTTP changes the path at most six times in ten minutes', () => {
    const p2pOnly = fc.record({ p2p: fc.boolean(), http: fc.constant(true), usable: fc.boolean() })
    assertProperty(
      fc.property(spans(p2pOnly), history => expect(flap(history)).toBeLessThanOrEqual(flapLimit)),
      60,
    )
  })

  it.each([1, 2, 3])('is latched by a limit of %i: two more changes fit, since a return may fail', limit => {
    const node = new Node(initialMode(start), { ...params, flapLimit: limit })
    for (let turn = 0; turn < 6; turn++) {
      node.run({ p2p: true, http: true, usable: true }, 60_000, 5000)
      node.run({ p2p: false, http: true, usable: true }, 70_000, 5000)
    }
    expect(most(node.changes)).toBeLessThanOrEqual(Math.max(limit, 2))
  })

  it('of both paths, one of them always alive, changes the path at most six times in ten minutes', () => {
    const either = fc
      .tuple(fc.boolean(), fc.boolean(), fc.boolean())
      .map(([p2p, http, usable]) => ({ p2p, http: http || !p2p || !usable, usable }))
    assertProperty(
      fc.property(spans(either), history => expect(flap(history)).toBeLessThanOrEqual(flapLimit)),
      60,
    )
  })

  it('with total blackouts in between changes at most twice per peerless timeout', () => {
    const any = fc.record({ p2p: fc.boolean(), http: fc.boolean(), usable: fc.constant(true) })
    assertProperty(
      fc.property(spans(any), history =>
        expect(flap(history)).toBeLessThanOrEqual((2 * flapWindowMs) / peerlessTimeoutMs + 1),
      ),
      60,
    )
  })

  it('that is as regular as can be is latched, and ends on P2P once P2P holds', () => {
    const node = new Node()
    for (let hour = 0; hour < 3; hour++) {
      for (let at = 0; at < 24; at++) {
        node.run({ p2p: true, http: true, usable: true }, 60_000)
        node.run({ p2p: false, http: true, usable: true }, 90_000)
      }
    }
    expect(most(node.changes)).toBeGreaterThan(3)
    expect(most(node.changes)).toBeLessThanOrEqual(flapLimit)
    node.run({ p2p: true, http: true, usable: true }, flapWindowMs + holdDownMaxMs + stableAfterMs)
    expect(node.phase).toBe('P2P')
  })
})

describe('the operator', () => {
  const dead = { p2p: false, http: false, usable: true }

  it('is obeyed whatever is alive, until the time is over', () => {
    for (const path of ['p2p', 'http'] as const) {
      const node = new Node(forceMode(initialMode(start), path, start + 5000, start))
      expect(requestedMode(node.mode.state)).toBe(path)
      node.run(dead, 4999, 1)
      expect([node.phase, preferredPath(node.mode.state)]).toEqual(['FORCED', path])
      expect(modeWakeAt(node.mode, node.facts(dead), params)).toBe(start + 5000)
      node.run(dead, 1)
      expect([node.phase, requestedMode(node.mode.state)]).toEqual(['NONE', 'auto'])
    }
  })

  it('without a time is obeyed for good', () => {
    const node = new Node(forceMode(initialMode(start), 'http', undefined, start))
    node.run({ p2p: true, http: false, usable: true }, 24 * 3_600_000, 600_000)
    expect(node.phase).toBe('FORCED')
  })

  it('who gives the choice back gets whatever is alive', () => {
    for (const world of worlds) {
      const node = new Node(forceMode(initialMode(start), 'http', undefined, start))
      node.mode = releaseMode(node.mode, node.facts(world), node.now, params).mode
      const alive = world.p2p && world.usable ? 'P2P' : world.http ? 'HTTP' : 'NONE'
      expect(node.phase).toBe(alive)
    }
  })

  it('switching often is not taken for flapping', () => {
    let mode = initialMode(start)
    for (let at = 0; at < 40; at++) {
      mode = forceMode(mode, at % 2 === 0 ? 'p2p' : 'http', undefined, start + at)
      mode = releaseMode(
        mode,
        new Node().facts({ p2p: true, http: true, usable: true }),
        start + at,
        params,
      ).mode
    }
    expect(mode.changes).toEqual([])
  })
})
