/**
 * A page asks every 5 s, pauses unseen, asks at once when seen, backs off on errors, and says when it is
 * stale.
 */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Poller } from '../src/poller.ts'
import type { PollWorld } from '../src/poller.ts'
import { backoffMsMax, pollDelayMs, pollMs, staleAfterMs } from '../src/poll-schedule.ts'

/** Time and attention in the hands of the test. */
class TestWorld implements PollWorld {
  time = 1_000_000
  unseen = false
  readonly #timers = new Map<symbol, { at: number; act: () => void }>()
  readonly #attention = new Set<() => void>()

  now(): number {
    return this.time
  }
  random(): number {
    return 0.5
  }
  hidden(): boolean {
    return this.unseen
  }
  after(ms: number, act: () => void): () => void {
    const id = Symbol('timer')
    this.#timers.set(id, { at: this.time + ms, act })
    return () => this.#timers.delete(id)
  }
  onAttention(act: () => void): () => void {
    this.#attention.add(act)
    return () => this.#attention.delete(act)
  }
  get idle(): boolean {
    return this.#timers.size === 0 && this.#attention.size === 0
  }
  see(seen: boolean): void {
    this.unseen = !seen
    for (const act of this.#attention) act()
  }
  /** Lets time pass, and what was promised meanwhile settle. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms
    await settle()
    for (;;) {
      const next = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0]
      if (next === undefined || next[1].at > end) break
      this.#timers.delete(next[0])
      this.time = next[1].at
      next[1].act()
      await settle()
    }
    this.time = end
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

function started(answers: (call: number) => unknown): {
  world: TestWorld
  poller: Poller<unknown>
  calls: () => number
} {
  const world = new TestWorld()
  let calls = 0
  const poller = new Poller<unknown>(() => {
    calls += 1
    const answer = answers(calls)
    return Error.isError(answer) ? Promise.reject(answer) : Promise.resolve(answer)
  }, world)
  poller.start()
  return { world, poller, calls: () => calls }
}

describe('the schedule', () => {
  it('is 5 s ± 10 % while all is well', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(random, chance => {
        const ms = pollDelayMs(0, chance)
        expect(ms).toBeGreaterThanOrEqual(pollMs * 0.9)
        expect(ms).toBeLessThanOrEqual(pollMs * 1.1)
      }),
    )
  })

  it('grows with errors in a row up to its bound, and obeys Retry-After', () => {
    const delays = [1, 2, 3, 4, 50].map(failures => pollDelayMs(failures, 0.5))
    expect(delays).toEqual([5000, 10_000, 20_000, backoffMsMax, backoffMsMax])
    for (const chance of [0, 0.5, 0.999]) {
      expect(pollDelayMs(1, chance, 20)).toBeGreaterThanOrEqual(20_000)
      expect(pollDelayMs(1, chance, 1e9)).toBeLessThanOrEqual(2.2 * backoffMsMax)
    }
  })
})

describe('the poller', () => {
  it('asks at once and then every 5 s', async () => {
    const { world, poller, calls } = started(call => call)
    await world.pass(0)
    expect(poller.reading()).toMatchObject({ data: 1, stale: false, error: undefined })
    await world.pass(20_000)
    expect(calls()).toBe(5)
  })

  it('is silent while nobody looks, and asks at once when somebody does', async () => {
    const { world, poller, calls } = started(call => call)
    await world.pass(0)
    world.see(false)
    await world.pass(3_600_000)
    expect(calls()).toBe(1)
    expect(poller.reading().stale).toBe(true)
    world.see(true)
    await world.pass(0)
    expect(calls()).toBe(2)
    expect(poller.reading()).toMatchObject({ data: 2, stale: false })
  })

  it('keeps the last data through errors, says why, and is stale from 15 s on', async () => {
    const { world, poller } = started(call => (call === 1 ? 'good' : new Error('cut')))
    await world.pass(staleAfterMs - 1)
    expect(poller.reading()).toMatchObject({ data: 'good', stale: false, error: { message: 'cut' } })
    await world.pass(1)
    expect(poller.reading()).toMatchObject({ data: 'good', stale: true })
  })

  it('is stale at once when nobody takes the call, and keeps the data', async () => {
    const gone = Object.assign(new Error('refused'), { code: 'UNREACHABLE' })
    const { world, poller } = started(call => (call === 2 ? gone : call))
    await world.pass(pollMs)
    expect(poller.reading()).toMatchObject({ data: 1, stale: true })
    await world.pass(pollMs)
    expect(poller.reading()).toMatchObject({ data: 3, stale: false })
  })

  it('asks once for all that says somebody looks again', async () => {
    const { world, calls } = started(call => call)
    await world.pass(0)
    world.see(true)
    world.see(true)
    await world.pass(1)
    expect(calls()).toBe(2)
  })

  it('is fresh again with the first good answer', async () => {
    const { world, poller } = started(call => (call > 1 && call < 6 ? new Error('cut') : call))
    await world.pass(60_000)
    expect(poller.reading().stale).toBe(true)
    await world.pass(backoffMsMax)
    expect(poller.reading()).toMatchObject({ stale: false, error: undefined })
  })

  it('asks again after the attempt under way when told to meanwhile', async () => {
    const { world, poller, calls } = started(call => call)
    poller.refresh()
    poller.refresh()
    await world.pass(1)
    expect(calls()).toBe(2)
  })

  it('leaves nothing behind when stopped', async () => {
    const { world, poller, calls } = started(call => call)
    await world.pass(0)
    poller.stop()
    expect(world.idle).toBe(true)
    poller.refresh()
    await world.pass(60_000)
    expect(calls()).toBe(1)
  })
})
