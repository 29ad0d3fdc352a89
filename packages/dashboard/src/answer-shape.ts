/** Whether an answer has the fields a page is going to show: a small check for browsers, not a schema. */

/** What a field must be; a pair is a kind with a rule about it. */
export type Kind =
  'string' | 'number' | 'boolean' | 'object' | Shape | readonly ['or null', Kind] | readonly ['each', Shape]

/** Field → what it must be. Fields that are not named may be anything. */
export type Shape = { readonly [field: string]: Kind }

/** The same, or null, or missing. */
export function nullable(kind: Kind): Kind {
  return ['or null', kind]
}

/** A list whose members all have these fields. */
export function listOf(shape: Shape): Kind {
  return ['each', shape]
}

/** Whether a value is an object with members, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `value` is an object whose fields are as `shape` says. */
export function areFields(value: unknown, shape: Shape): boolean {
  return isObject(value) && Object.entries(shape).every(([field, kind]) => isKind(value[field], kind))
}

function isPair(kind: Kind): kind is readonly ['or null', Kind] | readonly ['each', Shape] {
  return Array.isArray(kind)
}

function isKind(value: unknown, kind: Kind): boolean {
  if (kind === 'object') return isObject(value)
  if (typeof kind === 'string') return typeof value === kind
  if (!isPair(kind)) return areFields(value, kind)
  if (kind[0] === 'or null') return value === null || value === undefined || isKind(value, kind[1])
  return Array.isArray(value) && value.every(each => areFields(each, kind[1]))
}
