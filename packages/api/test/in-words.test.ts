/** What is wrong with a request or a file is said in words that name the field and what is wanted there. */
import { describe, expect, it } from '@jest/globals'
import type { z } from 'zod'

import {
  fieldName,
  inWords,
  keyProofSchema,
  stateQuerySchema,
  switchQuerySchema,
  transactionSchema,
} from '../src/index.ts'

const faults = (schema: z.ZodType, value: unknown): readonly string[] =>
  (schema.safeParse(value, inWords).error?.issues ?? []).map(
    ({ path, message }) => `${fieldName(path) || 'whole'}: ${message}`,
  )

const ops = '"put", "delete", "increment", "add" or "remove"'

describe('in a transaction', () => {
  it.each([
    [{ op: 'puz', key: 'a' }, `operations[0].op: must be ${ops}, not "puz"`],
    [{ key: 'a' }, `operations[0].op: must be ${ops}, and is missing`],
    [{ op: 'put', key: 'a' }, 'operations[0].value: a JSON value is needed'],
    [{ op: 'delete', key: 5 }, 'operations[0].key: must be a text, not 5'],
    [{ op: 'delete', key: '' }, 'operations[0].key: 1 to 512 bytes of UTF-8 without control characters'],
    [{ op: 'delete', key: 'a', by: 1, at: 2 }, 'operations[0]: unknown names "by", "at"'],
    [{ op: 'increment', key: 'a', by: 1.5 }, 'operations[0].by: must be a whole number, not 1.5'],
    [{ op: 'increment', key: 'a', by: '1' }, 'operations[0].by: must be a number, not "1"'],
    [{ op: 'increment', key: 'a' }, 'operations[0].by: must be a number, and is missing'],
    [{ op: 'increment', key: 'a', by: 2 ** 53 }, 'operations[0].by: must be at most 9007199254740991'],
    [{ op: 'increment', key: 'a', by: -(2 ** 53) }, 'operations[0].by: must be at least -9007199254740991'],
    [5, 'operations[0]: must be an object, not 5'],
    [[{ op: 'delete', key: 'a' }], 'operations[0]: must be an object, not a list'],
  ])('%j', (operation, told) => {
    expect(faults(transactionSchema, { operations: [operation] })).toEqual([told])
  })

  it.each([
    [[], ['operations: must have at least 1 item']],
    [Array(1001).fill({ op: 'delete', key: 'a' }), ['operations: must have at most 1000 items']],
    [{ op: 'delete', key: 'a' }, ['operations: must be a list, not an object']],
  ])('the list itself (%#)', (operations, told) => {
    expect(faults(transactionSchema, { operations })).toEqual(told)
  })

  it('what stands there is told back only as far as one needs to recognise it', () => {
    const [told] = faults(transactionSchema, { operations: 'x'.repeat(1000) })
    expect(told).toBe(`operations: must be a list, not "${'x'.repeat(39)}…`)
    const strange = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`n${at}`, at]))
    const put = { op: 'put', key: 'a', value: 1, ...strange }
    expect(faults(transactionSchema, { operations: [put] })).toEqual([
      'operations[0]: unknown names "n0", "n1", "n2", "n3", "n4", …',
    ])
  })
})

it('in queries and proofs', () => {
  expect(faults(stateQuerySchema, { proof: 'yes', foo: '1', key: ['a', 'b'] })).toEqual([
    'key: must be a text, not a list',
    'proof: must be "true" or "false", not "yes"',
    'whole: unknown name "foo"',
  ])
  expect(faults(switchQuerySchema, { mode: 'p2p', reason: 'x'.repeat(201) })).toEqual([
    'reason: must have at most 200 characters',
  ])
  const proof = { format: 'v0', key: 'a', merkle_root: 'AB', timestamp: 0, entries: ['0g'], branches: [] }
  expect(faults(keyProofSchema, { ...proof, public_key: '00', signature: 1 })).toEqual([
    'format: must be "lattice.proof/v1", not "v0"',
    'merkle_root: must be 64 lower-case hex digits',
    'signature: must be a text, not 1',
    'public_key: must be 64 lower-case hex digits',
    'entries[0]: must be bytes in lower-case hex',
  ])
})
