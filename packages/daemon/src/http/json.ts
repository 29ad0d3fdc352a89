/**
 * JSON text from strangers: bounded in depth, exact in numbers, well-formed in strings.
 *
 * An integer outside ±(2^53 − 1) always parses to a number outside that range, so looking at the parsed
 * numbers is enough to refuse what would have been rounded. Members such as `__proto__` are own members after
 * JSON.parse and stay so.
 */
import { valueDepthMax } from '@lattice/core'
import type { ErrorCode, JsonValue } from '@lattice/core'
import { repeatedName } from '../json-repetition.ts'
import { invalid } from './problems.ts'

interface Visit {
  readonly value: unknown
  readonly path: string
  readonly depth: number
}

/** For one text at a time, so that all share it. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

/** Longest path shown in an error: enough to find the place, short enough for any log line. */
const pathCharsMax = 120

function refuse(code: ErrorCode, path: string, message: string): never {
  const field = path.length > pathCharsMax ? `${path.slice(0, pathCharsMax)}…` : path
  throw invalid(field, message, code)
}

function checkString(text: string, path: string): void {
  if (!text.isWellFormed()) refuse('VALUE_INVALID', path, 'a lone surrogate is not Unicode text')
}

function checkNumber(value: number, path: string): void {
  if (!Number.isFinite(value)) refuse('VALUE_INVALID', path, 'the number is beyond the range of a double')
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    refuse('VALUE_INVALID', path, 'the number would be rounded; integers must lie within ±(2^53 − 1)')
  }
}

/** How many members its objects have in all. */
function checkJson(root: unknown, depthMax: number): number {
  let members = 0
  const open: Visit[] = [{ value: root, path: 'body', depth: 1 }]
  for (let visit = open.pop(); visit !== undefined; visit = open.pop()) {
    const { value, path, depth } = visit
    if (typeof value === 'string') checkString(value, path)
    else if (typeof value === 'number') checkNumber(value, path)
    else if (typeof value === 'object' && value !== null) {
      if (depth > depthMax)
        refuse('VALUE_TOO_DEEP', path.slice(0, pathCharsMax), `deeper than ${depthMax} levels`)
      const list = Array.isArray(value)
      for (const [name, member] of Object.entries(value)) {
        if (!list) {
          members += 1
          checkString(name, `a member name of ${path}`)
        }
        open.push({ value: member, path: list ? `${path}[${name}]` : `${path}.${name}`, depth: depth + 1 })
      }
    }
  }
  return members
}

/**
 * Reads a JSON body. Throws VALUE_INVALID, VALUE_TOO_DEEP or REQUEST_INVALID with the place that is wrong.
 */
export function parseJson(bytes: Uint8Array, depthMax: number = valueDepthMax): JsonValue {
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch {
    throw invalid('body', 'not valid UTF-8')
  }
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch (error) {
    const reason =
      typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : ''
    throw invalid('body', `not JSON${reason === '' ? '' : `: ${reason}`}`)
  }
  const name = repeatedName(text, checkJson(value, depthMax))
  if (name !== undefined) refuse('VALUE_INVALID', name, 'the name stands twice in one object')
  return value
}
