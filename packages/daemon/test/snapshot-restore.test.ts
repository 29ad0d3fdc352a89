/** Restores that break off, and snapshots that may hold more than the store: nothing of it is lost. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { LatticeError } from '@lattice/core'
import type { Store } from '@lattice/core'
import { createMemoryStore } from '@lattice/core/testing'

import { silentLog } from '../src/host/log.ts'
import { restoreAtStart, type AtStart } from '../src/snapshot/index.ts'
import { openSqliteStore } from '../src/sqlite-store.ts'
import { large, one, put, restoreParts, rootOf, SnapshotPlace } from './fixtures/snapshot-place.ts'

let place: SnapshotPlace
beforeEach(() => void (place = new SnapshotPlace()))
afterEach(() => place.clear())

/** Commit number `count` of `store` from now on, and no other, fails. */
function failAt(store: Store, count: number, error: LatticeError): void {
  const commit = store.commit.bind(store)
  let done = 0
  store.commit = batch => ((done += 1) === count ? Promise.reject(error) : commit(batch))
}

const at = (name: string): string => join(place.directory, name)

describe('a restore that does not come to its end', () => {
  it('makes the start fail with what to do, and is begun anew at the next one, on the disk too', async () => {
    const store = createMemoryStore()
    const root = await put(store, one, large)
    await place.keeper(store).snapshots.take()
    const stateDir = place.stores.newDirectory()
    const full = await openSqliteStore(stateDir)
    failAt(full, 3, new LatticeError('STORE_FULL', 'the disk is nearly full'))
    await expect(place.restoreInto(full)).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringMatching(
        /restored from .*: the disk is nearly full; mend that and start .* again/,
      ),
    })
    expect([full.lastSeq > 0, full.lastSeq < store.lastSeq]).toEqual([true, true])
    await full.close()
    const next = await openSqliteStore(stateDir)
    const { restored, said } = await place.restoreInto(next)
    expect([restored?.name, rootOf(next), said]).toEqual([
      place.kept()[0],
      root,
      [expect.stringMatching(/anew$/)],
    ])
    await next.close()
    const third = await openSqliteStore(stateDir)
    expect(await place.restoreInto(third)).toMatchObject({ restored: undefined, said: [] })
    await third.close()
  })

  it('is begun anew after a power cut, wherever that comes', async () => {
    const store = createMemoryStore()
    const root = await put(store, one, large)
    await place.keeper(store).snapshots.take()
    for (let commits = 0; commits < 6; commits++) {
      const cut = createMemoryStore()
      cut.hold()
      void place.restoreInto(cut).catch(() => undefined)
      for (let done = 0; done < commits; done++) {
        while (cut.waiting === 0) await new Promise(resolve => setImmediate(resolve))
        cut.release(1)
      }
      cut.crash()
      const next = createMemoryStore({ image: cut.image })
      await place.restoreInto(next)
      expect(rootOf(next)).toBe(root)
    }
  })
})

describe('what may be the only whole copy is never deleted:', () => {
  const unused = (): string[] => fs.readdirSync(place.directory).filter(name => name.startsWith('unused-'))
  const startOn = (store: Store): Promise<AtStart> =>
    restoreAtStart(place.directory, { ...restoreParts(store), log: silentLog })

  /** As many changed snapshots as rotation needs to delete all others. */
  async function writeMany(store: Store, start: AtStart): Promise<void> {
    const { snapshots } = place.keeper(store, start)
    for (const round of ['a', 'b', 'c', 'd']) {
      await put(store, one, { [`${store.lastSeq} ${round}`]: 'v' })
      await snapshots.take()
    }
  }

  /** Two snapshots, the older first. */
  async function writeTwo(): Promise<readonly [older: string, newer: string]> {
    const store = createMemoryStore()
    await put(store, one, { a: '1' })
    await place.keeper(store).snapshots.take()
    const [older = ''] = place.kept()
    await put(store, one, { b: '2' })
    await place.keeper(store).snapshots.take()
    return [older, place.kept().find(name => name !== older) ?? '']
  }

  it('snapshots of which a start could use none', async () => {
    const names = await writeTwo()
    for (const name of names) fs.appendFileSync(at(name), 'x')
    const store = createMemoryStore()
    await startOn(store)
    // The process ends before it has written a snapshot, and the store holds something by then.
    await put(store, one, { c: '3' })
    await writeMany(store, await startOn(store))
    expect(unused().sort()).toEqual(names.map(name => `unused-${name}`).sort())
    expect(place.kept()).toHaveLength(3 + names.length)
    await writeMany(store, await startOn(store))
    expect([unused().length, place.kept().length]).toEqual([names.length, 3 + names.length])
  })

  it('one that could not be read, where an older one could', async () => {
    const [older, newer] = await writeTwo()
    const bytes = fs.readFileSync(at(newer))
    fs.rmSync(at(newer))
    fs.mkdirSync(at(newer))
    fs.writeFileSync(join(at(newer), 'held'), bytes)
    const store = createMemoryStore()
    const { restored, said } = await place.restoreInto(store)
    expect([restored?.name, said]).toEqual([older, [expect.stringMatching(/cannot be read: EISDIR/)]])
    const again = createMemoryStore()
    await writeMany(again, await startOn(again))
    expect([unused(), fs.existsSync(at(older))]).toEqual([[`unused-${newer}`], false])
    fs.rmSync(at(`unused-${newer}`), { recursive: true })
    fs.writeFileSync(at(newer), bytes)
    fs.writeFileSync(at('LATEST'), newer)
    expect([(await place.restoreInto(store)).restored?.name, store.slots('b').length]).toEqual([newer, 1])
    expect((await place.restoreInto(store)).restored).toBeUndefined()
  })

  it('those in a directory that could not be read, and could at the next start', async () => {
    await writeTwo()
    const aside = `${place.directory}-aside`
    fs.renameSync(place.directory, aside)
    fs.writeFileSync(place.directory, 'not a directory')
    const store = createMemoryStore()
    await startOn(store)
    await put(store, one, { c: '3' })
    fs.rmSync(place.directory)
    fs.renameSync(aside, place.directory)
    await startOn(store)
    expect(store.keys('', '', 9)).toEqual(['a', 'b', 'c'])
  })

  it('those that were mounted too late', async () => {
    const aside = `${place.directory}-aside`
    const names = await writeTwo()
    fs.renameSync(place.directory, aside)
    const store = createMemoryStore()
    const start = await startOn(store)
    fs.renameSync(aside, place.directory)
    await writeMany(store, start)
    expect(unused().sort()).toEqual(names.map(name => `unused-${name}`).sort())
  })
})
