/**
 * What the set-up of a measurement has just made and still needs is copied by the next collections of young
 * garbage, whoever causes them: twice, until it counts as old. Done before, it is not measured.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void

/** Makes all that lives old. */
export function emptyNursery(): void {
  collect({ type: 'minor' })
  collect({ type: 'minor' })
}
