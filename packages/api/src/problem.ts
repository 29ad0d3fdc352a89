/**
 * Errors on the wire: RFC 9457 problem details with the members `code`, `hint` and `success: false`.
 *
 * The codes are the closed list of the core; `INTERNAL` is added for our own bugs, about which nothing is
 * told.
 */
import type { ErrorCode } from '@lattice/core'
import { z } from 'zod'
import { keyProofSchema } from './schemas/proof.ts'

/** A code of the closed list, or `INTERNAL` for a bug of ours. */
export type ProblemCode = ErrorCode | 'INTERNAL'

/** Code → HTTP status. Total over the closed list, so that a new code cannot be forgotten. */
export const problemStatus = {
  KEY_INVALID: 400,
  VALUE_INVALID: 400,
  VALUE_TOO_LARGE: 413,
  VALUE_TOO_DEEP: 400,
  TRANSACTION_INVALID: 400,
  TYPE_CONFLICT: 409,
  COUNTER_OVERFLOW: 409,
  VERSION_MISMATCH: 412,
  KEY_NOT_FOUND: 404,
  IDEMPOTENCY_CONFLICT: 422,
  OVERLOADED: 503,
  STORE_UNAVAILABLE: 507,
  STORE_FULL: 507,
  STORE_SUSPECT: 503,
  ENTRY_DAMAGED: 503,
  NODE_CLONED: 503,
  STORE_LOCKED: 503,
  STORE_FOREIGN: 503,
  STORE_CORRUPT: 503,
  STORE_NEWER: 503,
  STATE_DIR_UNUSABLE: 503,
  IDENTITY_INVALID: 503,
  CONFIG_INVALID: 503,
  PORT_IN_USE: 503,
  UNAUTHORIZED: 401,
  MODE_INVALID: 400,
  MODE_IMPOSSIBLE: 409,
  REQUEST_INVALID: 400,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  MEDIA_TYPE_UNSUPPORTED: 415,
  RATE_LIMITED: 429,
  NOT_READY: 503,
  NOT_TRUSTED: 401,
  SIGNATURE_INVALID: 401,
  REPLAYED: 401,
  CLOCK_SKEWED: 401,
  PEER_UNKNOWN: 502,
  PEER_UNREACHABLE: 502,
  PEER_ASLEEP: 503,
  PEER_TIMEOUT: 504,
  PEER_MISMATCH: 502,
  PEER_REFUSED: 502,
  PEER_MALFORMED: 502,
  P2P_UNAVAILABLE: 503,
  INTERNAL: 500,
} as const satisfies Record<ProblemCode, number>

/** The media type of every error answer. */
export const problemMediaType = 'application/problem+json'

/** One field that is wrong, and why. */
export const fieldErrorSchema = z.object({
  field: z.string().describe('where, e.g. operations[3].key'),
  message: z.string().describe('what is expected there'),
})

/** The body of every error answer. */
export const problemSchema = z.object({
  type: z.string().describe('relative link to the section of /docs on this code'),
  title: z.string().describe('what this code means'),
  status: z.int().min(400).max(599),
  detail: z.string().describe('what went wrong in this request'),
  instance: z.string().optional().describe('names this occurrence in the log of the node'),
  success: z.literal(false),
  code: z.string().describe('one of the closed list of codes'),
  hint: z.string().describe('what to do about it'),
  docs: z.string().describe('relative link to the documentation'),
  message: z.string().optional().describe('same as detail, where earlier clients read it'),
  errors: z.array(fieldErrorSchema).optional(),
  proof: keyProofSchema.optional().describe('with ?proof=true: that the key is not there'),
})

/** A problem as read from the wire. */
export type Problem = z.infer<typeof problemSchema>
