/** Damage in the index of keys hides nothing for longer than a scrub takes, and costs no other its row. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { writeBackup } from '../src/backup/index.ts'
import { systemClock } from '../src/host/clock.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { createIntegrityCheck } from '../src/host/integrity.ts'
import { openSqliteStore, type SqliteStore } from '../src/sqlite-store.ts'
import type { Runtime } from '../src/runtime.ts'
import { openLoneRuntime } from './lone-runtime.ts'

const identity = identityFromSeed(Buffer.alloc(32, 7), 'file')
const keys = ['a', 'b', 'c', 'd', 'e']

let directory = ''
let store: SqliteStore
let runtime: Runtime

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-astray-'))
  await start()
  for (const key of keys) await put(key, key)
})
afterEach(async () => {
  await stop()
  rmSync(directory, { recursive: true, force: true })
})

/** The indexes lag as usual: all is in them after a stop, and what is written since is not. */
async function start(): Promise<void> {
  store = await openSqliteStore(directory)
  runtime = openLoneRuntime(identity.signer, { store }).runtime
}

async function stop(): Promise<void> {
  await runtime.stop()
  await store.close()
}

const put = (key: string, value: string): Promise<unknown> => runtime.write([{ op: 'put', key, value }])

/** While the store is open: of a large one the look at the start would miss it. */
function change(sql: string): void {
  const database = new DatabaseSync(join(directory, 'store.db'))
  database.exec(sql)
  database.close()
}

async function scrub(): Promise<{ rows_corrupt: number }> {
  const check = createIntegrityCheck({
    node: {
      scan: (after, limit) => runtime.scan(after, limit),
      readmit: signed => runtime.readmit(signed),
      damage: () => runtime.status().damage,
      mendPlaces: (after, upTo) => store.mendPlaces(after, upTo),
    },
    clock: systemClock,
  })
  const report = await check.run()
  check.stop()
  return report
}

const listed = (): unknown => runtime.list({ prefix: '', from: '', limit: 9 }).items.map(({ value }) => value)

async function backup(): Promise<string> {
  const { root } = await writeBackup(join(directory, 'backup.tar'), {
    stateDir: directory,
    identity,
    name: 'one',
    version: '1',
    settings: '',
    signal: new AbortController().signal,
    tell: () => undefined,
  })
  return root
}

const damages: Record<string, string> = {
  gone: "DELETE FROM place WHERE key = 'c'",
  'that of a key that never was': "UPDATE place SET key = 'cc' WHERE key = 'c'",
  'said to be where the row of another is': "UPDATE place SET seq = 4 WHERE key = 'c'",
}

it.each(Object.entries(damages))('a place that is %s is mended by a scrub', async (_what, sql) => {
  await stop()
  await start()
  change(sql)
  await scrub()
  expect(listed()).toEqual(keys)
  expect(store.slots('c').map(({ key }) => key)).toEqual(['c'])
})

it.each(Object.entries(damages))(
  'a place that is %s costs no row when it is written to, and no backup after a scrub',
  async (_what, sql) => {
    await stop()
    await start()
    change(sql)
    await put('c', 'new')
    expect(keys.map(key => runtime.read(key)?.value)).toEqual(['a', 'b', 'new', 'd', 'e'])
    await scrub()
    expect(await scrub()).toMatchObject({ rows_corrupt: 0 })
    expect(listed()).toEqual(['a', 'b', 'new', 'd', 'e'])
    const { root } = runtime.status()
    expect(await backup()).toBe(root)
    await stop()
    await start()
    expect(runtime.status().root).toBe(root)
    expect(listed()).toEqual(['a', 'b', 'new', 'd', 'e'])
    expect(await backup()).toBe(root)
  },
)
