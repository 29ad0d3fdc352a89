/** The replicated state: listings, single keys, writes, transactions. */
import { z } from 'zod'
import { keyProofSchema } from './proof.ts'
import {
  flagSchema,
  jsonValueSchema,
  keySchema,
  nodeIdSchema,
  operationsMax,
  pageLimitMax,
  rootSchema,
  secondsSchema,
  versionSchema,
} from './scalars.ts'

/** `GET /api/lattice/state`: the signed state, whole, as a page, or as a summary without `state`. */
export const stateSchema = z.object({
  success: z.literal(true),
  merkle_root: rootSchema,
  state: z.record(z.string(), z.unknown()).optional().describe('left out with summary=true'),
  state_size: z.int().min(0).describe('keys in this answer'),
  entry_count: z.int().min(0).describe('keys in total'),
  timestamp: secondsSchema,
  signature: z
    .string()
    .regex(/^[0-9a-f]{128}$/)
    .describe('hex Ed25519 over the text <merkle_root>:<timestamp>'),
  public_key: nodeIdSchema,
  signed: z.literal(true),
  next_cursor: z.string().nullable().optional().describe('pages only: pass as cursor; null at the end'),
  damaged_keys: z
    .array(z.string())
    .optional()
    .describe(
      'pages only: keys that belong here and are missing, because they are damaged on the disk of this node; ' +
        '`?` where one may whose name the damage took',
    ),
})

/** One key. */
export const keyReadingSchema = z.object({
  success: z.literal(true),
  key: z.string(),
  value: jsonValueSchema,
  version: versionSchema,
  author: nodeIdSchema,
  type: z.enum(['register', 'counter', 'set']),
  proof: keyProofSchema.optional().describe('with ?proof=true'),
})

/** A durable write of one key. */
export const writeReceiptSchema = z.object({
  success: z.literal(true),
  key: z.string(),
  version: versionSchema,
  merkle_root: rootSchema,
})

/** A durable transaction. */
export const transactionReceiptSchema = z.object({
  success: z.literal(true),
  transaction_id: versionSchema,
  version: versionSchema,
  merkle_root: rootSchema,
})

const stepSchema = z
  .int()
  .refine(step => step !== 0, 'a safe integer other than 0')
  .describe('a safe integer other than 0')

/** One operation; unknown members are refused. */
export const operationSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), key: keySchema, value: jsonValueSchema }),
  z.strictObject({ op: z.literal('delete'), key: keySchema }),
  z.strictObject({ op: z.literal('increment'), key: keySchema, by: stepSchema }),
  z.strictObject({ op: z.literal('add'), key: keySchema, element: jsonValueSchema }),
  z.strictObject({ op: z.literal('remove'), key: keySchema, element: jsonValueSchema }),
])

/** The body of `POST /api/lattice/transactions`. */
export const transactionSchema = z.strictObject({
  operations: z.array(operationSchema).min(1).max(operationsMax),
})

/** Path parameter of the single-key routes. */
export const keyParamsSchema = z.strictObject({ key: keySchema })

const proofQuery = {
  proof: flagSchema.optional().describe('true adds a proof against the signed root'),
}

/** Query of `GET /api/lattice/state/{key}`. */
export const keyReadQuerySchema = z.strictObject(proofQuery)

/** The key as a query, for keys that a URL path cannot carry (`.` and `..`). */
export const keyQuerySchema = z.strictObject({ key: keySchema })

const limitText = z
  .string()
  .regex(/^[1-9]\d{0,3}$/, { message: `a whole number from 1 to ${pageLimitMax}`, abort: true })
  .refine(text => Number(text) <= pageLimitMax, `a whole number from 1 to ${pageLimitMax}`)

/** Query of `GET /api/lattice/state`. `key` reads a single key instead. */
export const stateQuerySchema = z.strictObject({
  prefix: z.string().optional().describe('only keys that start with this; pages the answer'),
  limit: limitText.optional().describe(`keys per page, 1 to ${pageLimitMax}; pages the answer`),
  cursor: z.string().max(2000).optional().describe('next_cursor of the page before; pages the answer'),
  summary: flagSchema.optional().describe('true leaves state out'),
  key: keySchema.optional().describe('answers like /api/lattice/state/{key}; needed for . and ..'),
  ...proofQuery,
})
