/** The probes tell the truth about this process and disk; the scrub reports what it has found. */
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Clock, Scan } from '@lattice/core'
import { createIntegrityCheck } from '../src/host/integrity.ts'
import type { IntegrityCheck } from '../src/host/integrity.ts'
import { watchDisk, watchEventLoop } from '../src/host/probes.ts'

describe('event loop', () => {
  it('an idle loop is healthy, a blocked one says by how much', async () => {
    using idle = watchEventLoop()
    await wait(100)
    expect(idle.probe()).toMatchObject({ status: 'healthy', unit: 'milliseconds' })
    using busy = watchEventLoop()
    await wait(50)
    for (const end = performance.now() + 1300; performance.now() < end;);
    await wait(50)
    const health = busy.probe()
    expect(health.status).toBe('degraded')
    expect(health.value).toBeGreaterThan(1000)
  })

  it('forgets the past after a window', async () => {
    using probe = watchEventLoop({ windowMs: 500 })
    await wait(50)
    for (const end = performance.now() + 1200; performance.now() < end;);
    for (let tries = 0; tries < 100 && probe.probe().status !== 'degraded'; tries += 1) await wait(10)
    expect(probe.probe().status).toBe('degraded')
    for (let tries = 0; tries < 200 && probe.probe().status !== 'healthy'; tries += 1) await wait(10)
    expect(probe.probe().status).toBe('healthy')
  })
})

describe('disk', () => {
  it('measures the real file system', async () => {
    using disk = await watchDisk({ path: '.' })
    const health = disk.probe()
    expect(health.unit).toBe('ratio')
    expect(health.value).toBeGreaterThan(0)
    expect(health.value).toBeLessThanOrEqual(1)
  })

  it.each([
    [50, 'healthy'],
    [4, 'degraded'],
    [0, 'unhealthy'],
  ])('%i of 100 blocks free is %s', async (bavail, status) => {
    const freeSpace = async () => ({ bavail, blocks: 100, bsize: 4096 })
    using disk = await watchDisk({ path: '/', freeSpace })
    expect(disk.probe()).toMatchObject({ status, value: bavail / 100 })
  })

  it('a path that is gone is degraded and says why', async () => {
    using disk = await watchDisk({ path: './no/such/directory' })
    expect(disk.probe()).toMatchObject({
      status: 'degraded',
      reason: 'the file system does not answer: ENOENT',
    })
  })
})

describe('the scrub', () => {
  let check: IntegrityCheck | undefined
  afterEach(() => check?.stop())

  /** Time that passes only when somebody waits for it. */
  function testClock(): Clock & { alarms: number; advance(ms: number): void } {
    let mono = 0
    const pending = new Map<number, () => void>()
    let next = 0
    const fire = (): void => {
      for (const [id, run] of pending) {
        pending.delete(id)
        run()
      }
    }
    return {
      alarms: 0,
      now: () => ({ mono, wall: 1_700_000_000_000 + mono }),
      alarm(at, callback) {
        this.alarms += 1
        const id = next++
        if (at - mono > 1000) return () => undefined
        pending.set(id, callback)
        setImmediate(fire)
        return () => pending.delete(id)
      },
      advance: ms => void (mono += ms),
    }
  }

  /** A node with so many rows, some of them damaged until `mend` is called. */
  function nodeOf(count: number, damaged: ReadonlySet<number> = new Set()) {
    let lost = damaged
    const healed = (): number => damaged.size - lost.size
    return {
      scan: (after: number, limit: number): Scan => {
        const seqs = Array.from({ length: Math.min(limit, count - after) }, (_, index) => after + index + 1)
        const found = seqs.filter(seq => lost.has(seq)).map(seq => ({ seq, key: `k${seq}` }))
        const next = seqs.length < limit ? undefined : seqs.at(-1)
        const rows = { rowCount: seqs.length, bytes: 100 * seqs.length, damaged: found, unvouched: [] }
        return { ...rows, next, newest: count }
      },
      readmit: async () => true,
      damage: () => ({ lost: lost.size, unshared: 0, found: damaged.size, healed: healed(), keys: [] }),
      mend: () => void (lost = new Set()),
    }
  }

  it('a sound store is healthy, with every row counted and the age told', async () => {
    const clock = testClock()
    check = createIntegrityCheck({ node: nodeOf(1000), clock })
    expect(check.last()).toMatchObject({
      status: 'healthy',
      checked: false,
      running: true,
      age_seconds: null,
    })
    await check.run()
    expect(check.last()).toMatchObject({
      status: 'healthy',
      checked: true,
      running: false,
      rows_checked: 1000,
    })
    clock.advance(90_000)
    expect(check.last().age_seconds).toBe(90)
    expect(clock.alarms).toBeGreaterThanOrEqual(1000 / 64)
  })

  it('names damaged rows, and is healthy again once the node has them back', async () => {
    const node = nodeOf(200, new Set([1, 77, 199]))
    check = createIntegrityCheck({ node, clock: testClock() })
    const report = await check.run()
    expect(report).toMatchObject({ status: 'corrupt', rows_checked: 200, rows_corrupt: 3, quarantined: 3 })
    expect(report.corrupt.map(({ key }) => key)).toEqual(['k1', 'k77', 'k199'])
    node.mend()
    expect(check.last()).toMatchObject({ status: 'healthy', rows_corrupt: 3, quarantined: 0, healed: 3 })
    expect(check.last().reason).toBe('3 of 200 rows were damaged, and all are mended')
    expect(await check.run()).toMatchObject({ status: 'healthy', rows_corrupt: 0 })
  })

  it('comes to its end however fast rows are written behind it', async () => {
    let newest = 100
    const scan = (after: number, limit: number): Scan => {
      newest += limit
      const rows = { rowCount: limit, bytes: 100 * limit, damaged: [], unvouched: [] }
      return { ...rows, next: after + limit, newest }
    }
    check = createIntegrityCheck({ node: { ...nodeOf(1), scan }, clock: testClock() })
    const report = await check.run()
    expect(report).toMatchObject({ status: 'healthy', checked: true })
    expect(report.rows_checked).toBeLessThan(300)
  })

  it('an empty store has nothing to check, and is looked at again by itself and whenever somebody asks', async () => {
    const clock = testClock()
    const due: number[] = []
    const { alarm } = clock
    clock.alarm = (at, callback) => {
      due.push(at - clock.now().mono)
      return alarm.call(clock, at, callback)
    }
    let held = nodeOf(0)
    const node = { ...held, scan: (after: number, limit: number): Scan => held.scan(after, limit) }
    check = createIntegrityCheck({ node, clock })
    expect((await check.run()).reason).toBe('nothing to check yet: the last look found no rows')
    expect(due.at(-1)).toBe(60_000)
    held = nodeOf(3)
    check.request()
    expect(await check.run()).toMatchObject({ rows_checked: 3, reason: 'all 3 rows match their digests' })
    expect(due.at(-1)).toBe(6 * 3_600_000)
  })

  it('a store that cannot be read is corrupt, with the reason, told to the operator', async () => {
    const told: string[] = []
    const scan = (): never => {
      throw new Error('disk I/O error')
    }
    const node = { ...nodeOf(1), scan }
    check = createIntegrityCheck({ node, clock: testClock(), onFailure: reason => void told.push(reason) })
    expect(await check.run()).toMatchObject({ status: 'corrupt', reason: 'disk I/O error' })
    expect(await check.run()).toMatchObject({ status: 'corrupt', reason: 'disk I/O error' })
    expect(told).toEqual(['disk I/O error', 'disk I/O error'])
  })

  it('asked again too soon, it keeps the result it has', async () => {
    const clock = testClock()
    check = createIntegrityCheck({ node: nodeOf(10), clock })
    await check.run()
    check.request()
    expect(check.last().running).toBe(false)
    clock.advance(61_000)
    check.request()
    expect(check.last().running).toBe(true)
  })

  it('stops in the middle of a run', async () => {
    check = createIntegrityCheck({ node: nodeOf(100_000), clock: testClock() })
    const run = check.run()
    check.stop()
    expect((await run).checked).toBe(false)
  })
})
