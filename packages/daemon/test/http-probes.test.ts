/** The probes tell the truth about this process and disk; the scrub finds every damaged row and no other. */
import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from '@jest/globals'
import type { Clock, Row } from '@lattice/core'
import { createIntegrityCheck } from '../src/host/integrity.ts'
import type { IntegrityCheck } from '../src/host/integrity.ts'
import { watchDisk, watchEventLoop } from '../src/host/probes.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

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
    using probe = watchEventLoop({ windowMs: 150 })
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

  function rowsOf(count: number, damaged: ReadonlySet<number> = new Set()): Row[] {
    return Array.from({ length: count }, (_, index) => {
      const bytes = new TextEncoder().encode(`entry ${index}`)
      const digest = sha256(bytes)
      if (damaged.has(index)) bytes[0] = 0
      return { seq: index * 2 + 1, key: `k${index}`, slot: '', digest, bytes }
    })
  }

  const storeOf = (rows: readonly Row[]) => ({
    lastSeq: rows.at(-1)?.seq ?? 0,
    after: (seq: number, limit: number) => rows.filter(row => row.seq > seq).slice(0, limit),
  })

  it('a sound store is healthy, with every row counted and the age told', async () => {
    const clock = testClock()
    check = createIntegrityCheck({ store: storeOf(rowsOf(1000)), hash: sha256, clock })
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

  it('names damaged rows, tells the operator once, and heals when the store does', async () => {
    const told: unknown[] = []
    const rows = rowsOf(200, new Set([0, 77, 199]))
    const clock = testClock()
    const onCorrupt = (report: unknown): void => void told.push(report)
    check = createIntegrityCheck({ store: storeOf(rows), hash: sha256, clock, onCorrupt })
    const report = await check.run()
    expect(report).toMatchObject({ status: 'corrupt', rows_checked: 200, rows_corrupt: 3 })
    expect(report.corrupt.map(({ key }) => key)).toEqual(['k0', 'k77', 'k199'])
    expect(told).toHaveLength(1)
    rows.splice(0, rows.length, ...rowsOf(200))
    expect(await check.run()).toMatchObject({ status: 'healthy', rows_corrupt: 0 })
    expect(told).toHaveLength(1)
  })

  it('a store that cannot be read is corrupt, with the reason', async () => {
    const after = (): never => {
      throw new Error('disk I/O error')
    }
    check = createIntegrityCheck({ store: { lastSeq: 1, after }, hash: sha256, clock: testClock() })
    expect(await check.run()).toMatchObject({ status: 'corrupt', reason: 'disk I/O error' })
  })

  it('asked again too soon, it keeps the result it has', async () => {
    const clock = testClock()
    check = createIntegrityCheck({ store: storeOf(rowsOf(10)), hash: sha256, clock })
    await check.run()
    check.request()
    expect(check.last().running).toBe(false)
    clock.advance(61_000)
    check.request()
    expect(check.last().running).toBe(true)
  })

  it('stops in the middle of a run', async () => {
    check = createIntegrityCheck({ store: storeOf(rowsOf(100_000)), hash: sha256, clock: testClock() })
    const run = check.run()
    check.stop()
    expect((await run).checked).toBe(false)
  })
})
