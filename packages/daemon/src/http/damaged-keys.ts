/**
 * Answers over many keys are whole, or say what they lack: a key whose entry is damaged on the disk of this
 * node must not pass for one that is not there.
 */
import { compareBytes, toUtf8 } from '@lattice/core'
import type { LatticeNode } from '../node.ts'
import { HttpProblem } from './problems.ts'

/** As the quarantine tells them: undefined stands for those whose names the damage took. */
type DamagedKeys = LatticeNode['quarantine']['damagedKeys']

/** Keys named in a refusal: as many as `lattice integrity` shows. */
const namedMax = 20

/** Stands for the name of a key that the damage took, as in the answer of the integrity check. */
const nameless = '?'

/**
 * Refuses to tell the whole state while something of it cannot be read.
 * @throws HttpProblem ENTRY_DAMAGED with the first of the keys
 */
export function refuseDamaged(damagedKeys: DamagedKeys): void {
  if (damagedKeys.length === 0) return
  const named = damagedKeys.filter(key => key !== undefined).slice(0, namedMax)
  const others = damagedKeys.length - named.length
  const words = named.map(key => JSON.stringify(key))
  if (others > 0) words.push(named.length > 0 ? `${others} more` : `${others} whose names are lost`)
  const left = 'the state without them can be read page by page, with ?limit= and ?cursor='
  throw new HttpProblem('ENTRY_DAMAGED', `damaged on the disk of this node: ${words.join(', ')}; ${left}`)
}

/** Which keys a page was asked for, and where the next one begins. */
export interface PageRange {
  readonly prefix: string
  readonly from: string
  readonly next: string | undefined
}

/** The damaged keys that belong on a page, sorted, and `?` where one may whose name the damage took. */
export function damagedWithin(damagedKeys: DamagedKeys, { prefix, from, next }: PageRange): string[] {
  const [start, end] = [toUtf8(from), next === undefined ? undefined : toUtf8(next)]
  const belongs = (key: string): boolean => {
    const place = toUtf8(key)
    const isBeforeNext = end === undefined || compareBytes(place, end) < 0
    return key.startsWith(prefix) && compareBytes(place, start) >= 0 && isBeforeNext
  }
  const keys = damagedKeys.filter(key => key === undefined || belongs(key)).map(key => key ?? nameless)
  return keys.sort((a, b) => compareBytes(toUtf8(a), toUtf8(b)))
}
