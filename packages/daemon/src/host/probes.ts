/**
 * What health says about this process and its disk. Measured in the background; asking costs nothing.
 */
import { statfs } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { ComponentHealth } from '@lattice/api'

/** A probe that measures by itself until it is disposed. */
export interface RunningProbe extends Disposable {
  /** The latest finding, at once. */
  readonly probe: () => ComponentHealth
}

/** Resolution of the lag measurement: fine enough for the 50 ms goal, and cheap. */
const resolutionMs = 20

/** One finding per this long: recent enough for an operator, long enough for a percentile. */
const windowMsDefault = 10_000

/** Lag above which the node is slow to answer (performance.md: goal 50 ms p99; this is twenty times that). */
const slowMs = 1000

/** Lag above which the process watchdog counts the loop as stuck. */
const stuckMs = 5000

/** Watches how late timers fire: the p99 of the last window, in milliseconds. */
export function watchEventLoop(options: { readonly windowMs?: number } = {}): RunningProbe {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  // The histogram counts the whole interval between two ticks; the lag is what exceeds the interval asked
  // for.
  const lagMs = (): number =>
    histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - resolutionMs)
  let settled: { readonly lag: number; readonly wall: number } | undefined
  const timer = setInterval(() => {
    settled = { lag: lagMs(), wall: Date.now() }
    histogram.reset()
  }, options.windowMs ?? windowMsDefault)
  timer.unref()
  return {
    probe: () => {
      const lag = settled?.lag ?? lagMs()
      const status = lag > stuckMs ? 'unhealthy' : lag > slowMs ? 'degraded' : 'healthy'
      return {
        status,
        reason: `99 % of ticks are at most ${lag.toFixed(1)} ms late`,
        value: lag,
        unit: 'milliseconds',
        checked_at: new Date(settled?.wall ?? Date.now()).toISOString(),
      }
    },
    [Symbol.dispose]: () => {
      clearInterval(timer)
      histogram.disable()
    },
  }
}

/** Below this part of free space the operator should act. */
const lowRatio = 0.05

/** Below this part writes are about to fail. */
const fullRatio = 0.01

/** Disk figures change slowly; a call each ten seconds is nothing. */
const diskIntervalMsDefault = 10_000

/** What `statfs` tells, as far as it is used. */
export type FreeSpace = (
  path: string,
) => Promise<{ readonly bavail: number; readonly blocks: number; readonly bsize: number }>

/** Watches the free part of the file system under `path`. Resolves after the first measurement. */
export async function watchDisk(options: {
  readonly path: string
  readonly intervalMs?: number
  readonly freeSpace?: FreeSpace
  /** Told of every measurement, in bytes. */
  readonly onMeasured?: (free: number, total: number) => void
}): Promise<RunningProbe> {
  const { path, freeSpace = statfs, onMeasured } = options
  let last: ComponentHealth = { status: 'unknown', reason: 'not measured yet' }
  const measure = async (): Promise<void> => {
    const checked_at = new Date().toISOString()
    try {
      const { bavail, blocks, bsize } = await freeSpace(path)
      const value = blocks === 0 ? 1 : bavail / blocks
      if (blocks > 0) onMeasured?.(bavail * bsize, blocks * bsize)
      const status = value < fullRatio ? 'unhealthy' : value < lowRatio ? 'degraded' : 'healthy'
      const free = `${(value * 100).toFixed(1)} % free, ${Math.round((bavail * bsize) / 1_048_576)} MiB`
      last = {
        status,
        reason: status === 'healthy' ? free : `${free}; make room`,
        value,
        unit: 'ratio',
        checked_at,
      }
    } catch (error) {
      const code =
        typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
      last = { status: 'degraded', reason: `the file system does not answer: ${code}`, checked_at }
    }
  }
  await measure()
  const timer = setInterval(() => void measure(), options.intervalMs ?? diskIntervalMsDefault)
  timer.unref()
  return { probe: () => last, [Symbol.dispose]: () => clearInterval(timer) }
}
