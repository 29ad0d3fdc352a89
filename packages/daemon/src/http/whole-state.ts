/**
 * While what a damaged database held is being taken in again, no answer about the state is whole: a key may
 * seem to be missing, a counter be too low. Such answers are refused, and so are writes that depend on what
 * is there; others are taken.
 */
import { counted } from '../counted.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { HttpProblem } from './problems.ts'

/** Mounts routes of the state so. */
export function mountWhole(mount: Mount, { salvagedRows }: Pick<HttpAppOptions, 'salvagedRows'>): Mount {
  return (route, handler) =>
    mount(route, (input, request, response) => {
      const rows = salvagedRows?.()
      const { 'if-match': match, 'if-none-match': noneMatch } = request.headers
      const dependsOnState = route.method === 'GET' || (match ?? noneMatch) !== undefined
      if (rows === undefined || !dependsOnState) return handler(input, request, response)
      const soFar = `${counted(rows, 'row')} so far`
      throw new HttpProblem(
        'NOT_READY',
        `a damaged database was replaced, and what it held is being taken in: ${soFar}; until then nothing is whole`,
      )
    })
}
