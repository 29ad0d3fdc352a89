/**
 * Writes the ledger argv[3] to a store in argv[2] and says which sequence is durable after each commit. Some
 * batches are prepared before they are committed, some commits begin before the last has ended, and now and
 * then the store is closed and opened again.
 */
import { writeSync } from 'node:fs'
import type { Batch } from '@lattice/core'
import { openSqliteStore } from '@lattice/daemon'
import { ledger, ledgerLag } from './ledger.ts'

const [directory = '', seed = '1'] = process.argv.slice(2)
const reopenEvery = 150
const open = (): ReturnType<typeof openSqliteStore> => openSqliteStore(directory, { lag: ledgerLag })

let store = await open()
let last = Promise.resolve()

async function commit(batch: Batch, isPrepared: boolean): Promise<void> {
  if (isPrepared) {
    store.prepare?.([])
    store.prepare?.(batch.rows.slice(0, Math.ceil(batch.rows.length / 2)))
  }
  await store.commit(batch)
  writeSync(1, `durable ${batch.rows.at(-1)?.seq}\n`)
}

let number = 0
for (const batch of ledger(Number(seed))) {
  number++
  const isPrepared = batch.rows.length > 100 && number % 2 === 0
  // A prepared batch is the next one: nothing may be on its way.
  if (number % 4 !== 0 || isPrepared) await last
  const before = last
  const here = commit(batch, isPrepared)
  last = Promise.all([before, here]).then(() => undefined)
  if (number % reopenEvery !== 0) continue
  await last
  await store.close()
  store = await open()
}
await last
await store.close()
writeSync(1, 'closed\n')
