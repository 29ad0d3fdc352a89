/**
 * Watches the store of a running node: the scrub, the room on the disk, and what health says of both.
 */
import { dirname } from 'node:path'
import type { ComponentHealth, IntegrityReport } from '@lattice/api'
import type { Clock, NodeStatus } from '@lattice/core'
import { counted } from './counted.ts'
import { createIntegrityCheck, type IntegrityCheck } from './host/integrity.ts'
import type { Log } from './host/log.ts'
import { watchDisk, type RunningProbe } from './host/probes.ts'
import type { Runtime } from './runtime.ts'
import type { Salvaging } from './salvaging.ts'
import type { SqliteStore } from './sqlite-store.ts'

/** What is watched. */
export interface StoreWatchParts {
  readonly store: Pick<SqliteStore, 'path' | 'growthBytes' | 'mendPlaces'>
  readonly runtime: Runtime
  readonly salvaging: Pick<Salvaging, 'trouble'>
  readonly clock: Clock
  readonly log: Log
}

/** The watch of one store, until it is disposed. */
export interface StoreWatch extends Disposable {
  readonly integrity: IntegrityCheck
  readonly disk: RunningProbe['probe']
  readonly persistence: () => ComponentHealth
}

/** Starts watching; resolves after the first look at the disk. */
export async function watchStore({
  store,
  runtime,
  salvaging,
  clock,
  log,
}: StoreWatchParts): Promise<StoreWatch> {
  const disk = await watchDisk({
    path: dirname(store.path),
    onMeasured: (free, total) => runtime.diskMeasured(Math.max(0, free - store.growthBytes), total),
  })
  const integrity = createIntegrityCheck({
    node: {
      scan: (after, limit) => runtime.scan(after, limit),
      readmit: signed => runtime.readmit(signed),
      damage: () => runtime.status().damage,
      mendPlaces: async (after, upTo) => {
        const count = await store.mendPlaces(after, upTo)
        if (count === 0) return
        const text = `the index of keys was damaged for ${counted(count, 'row')}, and is mended`
        log.warn(text, { code: 'ENTRY_DAMAGED' })
      },
    },
    clock,
    onFailure: reason => log.error(`the store could not be checked: ${reason}`, { code: 'STORE_CORRUPT' }),
  })
  return {
    integrity,
    disk: disk.probe,
    persistence: () => persistence(integrity.last(), runtime.status(), salvaging.trouble),
    [Symbol.dispose]: () => {
      integrity.stop()
      disk[Symbol.dispose]()
    },
  }
}

/** Damage costs the keys it hit, a full disk the writes; a store that cannot be read costs everything. */
function persistence(
  { status, reason, quarantined }: IntegrityReport,
  node: NodeStatus,
  salvage: string | undefined,
): ComponentHealth {
  if (status === 'corrupt' && quarantined === 0) return { status: 'unhealthy', reason }
  if (salvage !== undefined) return { status: 'degraded', reason: salvage }
  if (node.fullSinceWall !== undefined)
    return { status: 'degraded', reason: 'the disk is full: only reads and deletes are taken' }
  return { status: quarantined > 0 ? 'degraded' : 'healthy', reason }
}
