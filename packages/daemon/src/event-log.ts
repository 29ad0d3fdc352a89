/** What happens to mode and peers, as log lines. */
import type { NodeEvent } from '@lattice/core'

/** Where the lines go. */
export type EventLog = (
  level: 'info' | 'warn',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void

/** Writes the line for one event; changes of keys are too many for lines. */
export function logEvent(event: NodeEvent, log: EventLog): void {
  if (event.kind === 'mode') {
    const { from, to, reason, trigger } = event.transition
    log('info', `mode ${from} → ${to}: ${reason}`, { from, mode: to, trigger })
  }
  if (event.kind === 'peer') {
    const { nodeId, name, path, why, asleep } = event.peer
    const fields = { peer: name ?? nodeId, nodeId, from: event.previousPath, to: path }
    log(
      path === 'none' && asleep !== true ? 'warn' : 'info',
      `peer ${name ?? nodeId.slice(0, 8)}: ${asleep === true ? 'asleep' : path} (${why})`,
      fields,
    )
  }
}
