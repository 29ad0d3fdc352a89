/**
 * While what a damaged database held is being taken in again, no answer about the state is whole: a key may
 * seem to be missing, a counter be too low. Such answers are refused, and so are writes that depend on what
 * is there; others are taken.
 */
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { HttpProblem } from './problems.ts'

/** Mounts routes of the state so. */
export function mountWhole(mount: Mount, { salvage }: Pick<HttpAppOptions, 'salvage'>): Mount {
  return (route, handler) =>
    mount(route, (input, request, response) => {
      const progress = salvage?.()
      const { 'if-match': match, 'if-none-match': noneMatch } = request.headers
      const dependsOnState = route.method === 'GET' || (match ?? noneMatch) !== undefined
      if (progress === undefined || !dependsOnState) return handler(input, request, response)
      throw new HttpProblem('NOT_READY', `${progress}; until then nothing is whole`)
    })
}
