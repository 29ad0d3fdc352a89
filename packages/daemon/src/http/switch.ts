/** The operator's hand on the sync mode. */
import { parseDuration, requestedModeSchema, routes } from '@lattice/api'
import type { NodeStatus, RequestedMode } from '@lattice/core'
import type { RequestHandler } from 'express'
import type { LatticeNode } from '../node.ts'
import type { CallerOf } from './caller.ts'
import type { Mount } from './mount.ts'
import type { HttpLog } from './options.ts'
import { HttpProblem, invalid } from './problems.ts'
import { moment, momentOrNull } from './shapes.ts'

/** A forced mode lasts at least this long: anything shorter ends before it can be seen. */
const forMsMin = 1000

/** … and at most 30 days when limited: longer is no limit, leave `for` out. */
const forMsMax = 30 * 24 * 3_600_000

/**
 * Refuses an unknown mode in the words that deployed clients show their users. Comes before all other checks.
 */
export const refuseUnknownMode: RequestHandler = (request, _response, next) => {
  const { mode } = request.query
  if (requestedModeSchema.safeParse(mode).success) return next()
  const named = mode === undefined ? '(none)' : [mode].flat().map(String).join(', ')
  const message = `Invalid mode: ${named}. Use 'p2p', 'http', or 'auto'`
  const fields = [{ field: 'mode', message: "expected 'p2p', 'http', or 'auto', once" }]
  return next(new HttpProblem('MODE_INVALID', message, { fields, extra: { message } }))
}

function limitOf(text: string | undefined, mode: RequestedMode): number | undefined {
  if (text === undefined) return undefined
  const ms = parseDuration(text)
  const message =
    mode === 'auto'
      ? 'only p2p and http can be limited in time; auto has no end'
      : ms === undefined || ms < forMsMin || ms > forMsMax
        ? 'a duration from 1s to 30d, e.g. 30m'
        : undefined
  if (message === undefined) return ms
  throw invalid('for', message)
}

function sentence(status: NodeStatus): string {
  const carries = {
    P2P: 'P2P carries the state',
    HTTP: 'HTTP carries the state',
    NONE: 'no path is proven yet',
  }
  const until = status.forcedUntilWall === undefined ? '' : ` until ${moment(status.forcedUntilWall)}`
  return `Sync mode is ${status.requested}${until}; ${carries[status.syncMode]}.`
}

/** Adds the switch route. */
export function mountSwitch(
  mount: Mount,
  node: LatticeNode,
  callerOf: CallerOf,
  log: HttpLog | undefined,
): void {
  mount(routes.switchMode, async ({ query }, request, response) => {
    const forMs = limitOf(query.for, query.mode)
    const previous = node.status().requested
    const status = await node.switchMode(query.mode, {
      ...(forMs === undefined ? {} : { forMs }),
      ...(query.reason === undefined ? {} : { reason: query.reason }),
    })
    log?.info('operator switched the sync mode', {
      from: previous,
      to: query.mode,
      forMs,
      address: callerOf(request),
    })
    // Only while auto weighs one path against the other has the answer not settled.
    const unsettled = status.phase === 'GRACE' || status.phase === 'TRIAL'
    response.status(unsettled ? 202 : 200).json({
      success: true,
      mode: status.syncMode,
      message: sentence(status),
      requested: status.requested,
      previous,
      phase: status.phase,
      since: moment(status.sinceWall),
      reason: status.reason,
      until: momentOrNull(status.forcedUntilWall),
    })
  })
}
