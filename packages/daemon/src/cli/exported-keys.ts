/**
 * Exported state: JSON Lines, one key each, `{"key","type","value"}`, sorted by the UTF-8 bytes of the keys.
 */
import { jsonValueSchema, keySchema } from '@lattice/api'
import { compareBytes, encodeValue, isLatticeError, toUtf8 } from '@lattice/core'
import type { JsonValue } from '@lattice/core'
import { z } from 'zod'

import { repeatedName } from '../json-repetition.ts'

const elements = z.array(jsonValueSchema)

const exportedKeySchema = z.discriminatedUnion('type', [
  z.strictObject({ key: keySchema, type: z.literal('register'), value: jsonValueSchema }),
  z.strictObject({ key: keySchema, type: z.literal('counter'), value: z.int() }),
  z.strictObject({ key: keySchema, type: z.literal('set'), value: elements }),
])

/** One key as it is exported. */
export type ExportedKey = z.infer<typeof exportedKeySchema>

/** Problems named at once: enough to see a pattern. */
const problemsMax = 20

/** The keys of an export, or what is wrong with it, line by line. */
export function parseExport(text: string): { keys: ExportedKey[]; problems: readonly string[] } {
  const keys = new Map<string, ExportedKey>()
  const problems: string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    if (problems.length === problemsMax) break
    const parsed = exportedKeySchema.safeParse(readJson(line))
    const [issue] = parsed.error?.issues ?? []
    const problem = parsed.success
      ? (problemOf(parsed.data, keys) ?? repetitionIn(line))
      : `${issue?.path.join('.') || 'no exact JSON of the form {key, type, value}'}: ${issue?.message}`
    if (problem !== undefined) problems.push(`line ${index + 1}: ${problem}`)
    else if (parsed.success) keys.set(parsed.data.key, parsed.data)
  }
  return { keys: [...keys.values()], problems }
}

/** What no shape shows: a key that stands there twice, a value that no node can hold. */
function problemOf(exported: ExportedKey, before: ReadonlyMap<string, unknown>): string | undefined {
  const { key, type, value } = exported
  if (before.has(key)) return `the key ${JSON.stringify(key)} stands there twice`
  if (type !== 'set') return unfit(value, 'value')
  return value.map((element, index) => unfit(element, `value[${index}]`)).find(each => each !== undefined)
}

/** A set is held element by element, and so is bounded only in these. */
function unfit(value: JsonValue, place: string): string | undefined {
  try {
    encodeValue(value)
    return undefined
  } catch (error) {
    if (isLatticeError(error)) return `${place}: ${error.message}`
    throw error
  }
}

function repetitionIn(json: string): string | undefined {
  const name = repeatedName(json)
  return name === undefined ? undefined : `the name ${JSON.stringify(name)} stands twice in one object`
}

/**
 * The keys in the answer of a node, believed as they are: a counter may have grown beyond what a file may ask
 * for, and must not pass for absent.
 */
export function keysOf(text: string): ReadonlyMap<string, ExportedKey> {
  const lines = text.split('\n').filter(line => line !== '')
  const keys = lines.map(line => JSON.parse(line) as ExportedKey)
  return new Map(keys.map(each => [each.key, each]))
}

/** The lines whose key starts with `prefix`, in order, each with its line feed. Equal states, equal texts. */
export function sortExport(text: string, prefix = ''): string {
  const lines = text.split('\n').filter(line => line !== '')
  const keyed = lines.map(line => ({ line, key: (JSON.parse(line) as ExportedKey).key }))
  return keyed
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ line, key }) => ({ line, order: toUtf8(key) }))
    .sort((a, b) => compareBytes(a.order, b.order))
    .map(({ line }) => `${line}\n`)
    .join('')
}

/** Undefined where the line is no JSON, or holds an integer that would be rounded. */
function readJson(line: string): unknown {
  try {
    return JSON.parse(line, (_name, value: unknown) => {
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError('rounded')
      return value
    })
  } catch {
    return undefined
  }
}
