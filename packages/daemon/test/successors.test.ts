/**
 * A daemon whose store fails is replaced in its process, a few times, and with the remedy that it asked for.
 */
import { describe, expect, it } from '@jest/globals'
import { LatticeError, type StoreRemedy } from '@lattice/core'
import type { Daemon } from '../src/daemon.ts'
import { serveWithSuccessors } from '../src/successors.ts'

/** Starts daemons that end as told, one after the other; the last serves until stopped. */
function world(ends: readonly (StoreRemedy | LatticeError)[]) {
  const stop = new AbortController()
  const remedies: (StoreRemedy | undefined)[] = []
  const stopped: number[] = []
  let nowMs = 0
  const start = async (remedy?: StoreRemedy): Promise<Daemon> => {
    const index = remedies.push(remedy) - 1
    const end = ends[index]
    if (end instanceof LatticeError) throw end
    const distrusted = end === undefined ? new Promise<StoreRemedy>(() => undefined) : Promise.resolve(end)
    if (end === undefined) queueMicrotask(() => stop.abort())
    const daemon: Pick<Daemon, 'distrusted' | 'stop'> = {
      distrusted,
      stop: async isReplaced => void (isReplaced === true && stopped.push(index)),
    }
    return daemon as Daemon
  }
  const now = (): number => (nowMs += 1000)
  const served = serveWithSuccessors({ start, onDaemon: () => undefined, now, stop: stop.signal })
  return { served, remedies, stopped, later: () => void (nowMs += 600_000) }
}

const corrupt = new LatticeError('STORE_CORRUPT')

describe('a daemon that distrusts its store', () => {
  it('is stopped and followed by one with the remedy it asked for', async () => {
    const { served, remedies, stopped } = world(['check', 'new-life'])
    await served
    expect([remedies, stopped]).toEqual([
      [undefined, 'check', 'new-life'],
      [0, 1],
    ])
  })

  it('has three successors within ten minutes, and then the process gives up', async () => {
    const { served, remedies } = world(['check', 'check', 'check', 'check', 'check'])
    await expect(served).rejects.toMatchObject({ code: 'STORE_SUSPECT' })
    expect(remedies).toHaveLength(4)
  })
})

describe('a start that meets damage', () => {
  it('is tried with a closer look, and then with a fresh store', async () => {
    const { served, remedies } = world([corrupt, corrupt])
    await served
    expect(remedies).toEqual([undefined, 'check', 'rebuild'])
  })

  it('fails where even a fresh store does not help, and at once for any other reason', async () => {
    await expect(world([corrupt, corrupt, corrupt]).served).rejects.toBe(corrupt)
    const locked = new LatticeError('STORE_LOCKED')
    const { served, remedies } = world([locked])
    await expect(served).rejects.toBe(locked)
    expect(remedies).toEqual([undefined])
  })
})
