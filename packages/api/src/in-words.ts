/** What a schema finds wrong, in words for those who know JSON, and not the library that checks it. */
import type { z } from 'zod'

type Issue = z.core.$ZodRawIssue

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

/** Longest value that is told back: enough to recognise it. */
const toldCharsMax = 40

/** Unknown names that are told. */
const namesMax = 5

/** To be passed where something is checked. Words that a schema has of its own stay as they are. */
export const inWords = { error: (issue: Issue): string | undefined => wordsFor(issue) }

/** A place as people write it: `operations[3].key`; empty for the whole. */
export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  )
}

/** Undefined where the library's own words have to do. */
function wordsFor(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kinds[issue.expected] ?? issue.expected}${butIs(issue.input)}`
    case 'invalid_value':
      return `must be ${oneOf(issue.values)}${butIs(issue.input)}`
    case 'invalid_union':
      return wordsForUnion(issue)
    case 'unrecognized_keys':
      return `unknown ${issue.keys.length === 1 ? 'name' : 'names'} ${first(issue.keys)}`
    case 'too_big':
      return `must ${amount(issue.origin, 'at most', issue.maximum)}`
    case 'too_small':
      return `must ${amount(issue.origin, 'at least', issue.minimum)}`
    case 'invalid_format':
      return wordsForPattern(issue.pattern)
    case 'custom':
    case 'invalid_element':
    case 'invalid_key':
    case 'not_multiple_of':
      return undefined
  }
}

function wordsForPattern(pattern: string | undefined): string | undefined {
  const [, digits] = /^\/\^\[0-9a-f\]\{(\d+)\}\$\/$/.exec(pattern ?? '') ?? []
  return digits && `must be ${digits} lower-case hex digits`
}

function wordsForUnion(issue: Extract<Issue, { code: 'invalid_union' }>): string | undefined {
  const { discriminator, input, options } = issue as { [name: string]: unknown }
  if (typeof discriminator !== 'string' || !Array.isArray(options)) return undefined
  return `must be ${oneOf(options)}${butIs((input as Record<string, unknown>)[discriminator])}`
}

function amount(origin: string, bound: string, limit: number | bigint): string {
  const units: Readonly<Record<string, string>> = { array: 'item', string: 'character' }
  const unit = units[origin]
  const ending = Number(limit) === 1 ? '' : 's'
  return unit === undefined ? `be ${bound} ${limit}` : `have ${bound} ${limit} ${unit}${ending}`
}

/** A hostile request may have any number of them. */
function first(names: readonly string[]): string {
  return names.slice(0, namesMax).map(told).join(', ') + (names.length > namesMax ? ', …' : '')
}

function oneOf(values: readonly unknown[]): string {
  const [last = '', ...rest] = values.map(told).toReversed()
  return rest.length === 0 ? last : `${rest.toReversed().join(', ')} or ${last}`
}

function butIs(input: unknown): string {
  return input === undefined ? ', and is missing' : `, not ${told(input)}`
}

function told(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > toldCharsMax ? `${text.slice(0, toldCharsMax)}…` : text
}
