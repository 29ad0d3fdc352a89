/**
 * Exported state: JSON Lines, one key each, `{"key","type","value"}`, sorted by the UTF-8 bytes of the keys.
 */
import { fieldName, inWords, jsonValueSchema, keySchema } from '@lattice/api'
import { encodeValue, isLatticeError } from '@lattice/core'
import type { JsonValue } from '@lattice/core'
import { z } from 'zod'

import { repeatedName } from '../json-repetition.ts'
import { CliError, exitCodes } from './exit.ts'

const elements = z.array(jsonValueSchema)

const exportedKeySchema = z.discriminatedUnion('type', [
  z.strictObject({ key: keySchema, type: z.literal('register'), value: jsonValueSchema }),
  z.strictObject({ key: keySchema, type: z.literal('counter'), value: z.int() }),
  z.strictObject({ key: keySchema, type: z.literal('set'), value: elements }),
])

/** One key as it is exported. */
export type ExportedKey = z.infer<typeof exportedKeySchema>

/** Problems named at once: enough to see a pattern. */
export const problemsMax = 20

/** The key that stands in a line of an export, or what is wrong with it. */
export function readLine(line: string): ExportedKey | string {
  const json = readJson(line)
  if (typeof json === 'string') return json
  const read = readExportedKey(json.value)
  if (typeof read === 'string') return read
  const name = repeatedName(line)
  return name === undefined ? read : `the name ${JSON.stringify(name)} stands twice in one object`
}

/** A key to be written, or why no node can hold it. */
export function readExportedKey(candidate: unknown): ExportedKey | string {
  const parsed = exportedKeySchema.safeParse(candidate, inWords)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return `${fieldName(issue?.path ?? []) || 'not of the form {key, type, value}'}: ${issue?.message}`
  }
  const { type, value } = parsed.data
  const problem =
    type === 'set'
      ? value.map((element, index) => unfit(element, `value[${index}]`)).find(each => each !== undefined)
      : unfit(value, 'value')
  return problem ?? parsed.data
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

/**
 * What a node has said in a line, believed as it is: a counter may have grown beyond what a file may ask for,
 * and must not pass for absent. Ends the command where no node has said it.
 */
export function toldKey(line: string): ExportedKey {
  const told = parsed(line) as Partial<ExportedKey> | null | undefined
  if (typeof told?.key === 'string') return told as ExportedKey
  throw new CliError(exitCodes.unavailable, 'what answers there is no export of a node', {
    code: 'UNEXPECTED_ANSWER',
    hint: 'check that the URL is that of a Lattice node',
  })
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/** What a line says, or why it says nothing that is sure. */
function readJson(line: string): { readonly value: unknown } | string {
  try {
    return {
      value: JSON.parse(line, (name, value: unknown) => {
        if (!Number.isInteger(value) || Number.isSafeInteger(value)) return value
        throw new Rounded(`${name}: a whole number beyond ±(2^53 − 1), which would be rounded`)
      }),
    }
  } catch (error) {
    if (error instanceof Rounded) return error.message
    if (error instanceof RangeError) return 'it nests far deeper than any value'
    const reason = Error.isError(error) ? error.message.replace(/ \(line 1 column \d+\)$/, '') : ''
    const isCut = reason.startsWith('Unexpected end') || reason.endsWith(` at position ${line.length}`)
    return `not JSON: ${isCut ? 'it ends too early; was the file cut short?' : reason}`
  }
}

/** A number that this system cannot hold exactly. */
class Rounded extends Error {
  override readonly name = 'Rounded'
}
