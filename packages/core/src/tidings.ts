/** What listeners and the log are told of a commit. */
import type { Entry } from './entry.ts'
import { parseStored } from './entry.ts'
import type { Effect } from './events.ts'
import { horizonKey } from './horizon.ts'
import type { Replica } from './replica.ts'
import type { Committed, StagedRow } from './staged.ts'
import type { KeyReading, NodeEvent } from './status.ts'

/** A change event per visible row; what ended unseen is told as a number, what vanished as changes. */
export function tidings({ rows, drops }: Committed, replica: Replica): Effect[] {
  const changes = rows.filter(row => row.key !== horizonKey).map(changeOf)
  const vanished = drops.flatMap(row => {
    const entry = row.wasAlive ? parseStored(row.bytes, row.digest) : undefined
    return entry === undefined ? [] : [vanishing(entry, replica.read(entry.key))]
  })
  const effects = [...changes, ...vanished].map((event): Effect => ({ type: 'emit', event }))
  if (drops.length === 0) return effects
  const fields = { ended: drops.length - vanished.length, endedWhileAway: vanished.length }
  const level = vanished.length > 0 ? 'warn' : 'info'
  const message =
    vanished.length > 0 ? 'entries dropped that had ended while this node was away' : 'deletes ended'
  return [...effects, { type: 'log', level, message, fields }]
}

function changeOf(row: StagedRow): NodeEvent {
  const { key, version, author, slot, value } = row.entry
  return {
    kind: 'change',
    key,
    deleted: slot === '' && value === undefined,
    version,
    author,
    via: row.origin === 'disk' || row.origin === 'copy' ? 'local' : row.origin,
  }
}

function vanishing(entry: Entry, left: KeyReading | undefined): NodeEvent {
  const { version, author } = left ?? entry
  return { kind: 'change', key: entry.key, deleted: left === undefined, version, author, via: 'local' }
}
