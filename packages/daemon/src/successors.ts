/**
 * One daemon after another in one process: where the store of one cannot be trusted any more, a successor
 * checks it, rebuilds it or gives it a new life, and serves on the same addresses.
 */
import { isLatticeError, LatticeError, type StoreRemedy } from '@lattice/core'
import type { Daemon } from './daemon.ts'

/** More than this and the disk is beyond what a fresh start mends: the process ends, and others decide. */
const successorsMax = { count: 3, windowMs: 600_000 }

/** What to do when even opening the store shows damage: a closer look, then a fresh one. */
const nextRemedy = { usual: 'check', check: 'rebuild', 'new-life': 'check', rebuild: undefined } as const

/** How successors are made. */
export interface SuccessionParts {
  readonly start: (remedy?: StoreRemedy) => Promise<Daemon>
  /** Told of each daemon once it serves. */
  readonly onDaemon: (daemon: Daemon) => void
  /** Monotonic ms. */
  readonly now: () => number
  readonly stop: AbortSignal
}

/**
 * Serves until `stop` fires; the daemon that served last, still running.
 *
 * @throws LatticeError what the first start was refused for, or STORE_SUSPECT where successors do not help
 */
export async function serveWithSuccessors(parts: SuccessionParts): Promise<Daemon> {
  const { start, onDaemon, now, stop } = parts
  const stopped = new Promise<'stopped'>(resolve => {
    if (stop.aborted) resolve('stopped')
    stop.addEventListener('abort', () => resolve('stopped'), { once: true })
  })
  let remedy: StoreRemedy | undefined
  for (let begun: number[] = []; ;) {
    const daemon = await startOver(start, remedy)
    onDaemon(daemon)
    const ended = await Promise.race([stopped, daemon.distrusted])
    if (ended === 'stopped') return daemon
    remedy = ended
    await daemon.stop(true)
    begun = [...begun.filter(at => now() - at < successorsMax.windowMs), now()]
    if (begun.length > successorsMax.count)
      throw new LatticeError('STORE_SUSPECT', `the store failed ${begun.length} times within 10 minutes`)
  }
}

async function startOver(start: SuccessionParts['start'], first: StoreRemedy | undefined): Promise<Daemon> {
  for (let remedy = first; ;) {
    try {
      return await start(remedy)
    } catch (error) {
      const ill = isLatticeError(error) && (error.code === 'STORE_CORRUPT' || error.code === 'STORE_SUSPECT')
      const next: StoreRemedy | undefined = nextRemedy[remedy ?? 'usual']
      if (!ill || next === undefined) throw error
      remedy = next
    }
  }
}
