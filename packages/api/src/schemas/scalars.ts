/** The scalar shapes that several answers share. */
import type { JsonValue } from '@lattice/core'
import { z } from 'zod'

/** Longest key in bytes of UTF-8 (contract §3). The core holds the same bound; api imports only its types. */
export const keyBytesMax = 512

/** Most operations in one transaction (contract §3). */
export const operationsMax = 1000

/** Most keys in one page: the bound of the node's own listing. */
export const pageLimitMax = 1000

const encoder = new TextEncoder()
const controlCharacter = /\p{Cc}/u

function isKey(text: string): boolean {
  return (
    text !== '' &&
    text.isWellFormed() &&
    !controlCharacter.test(text) &&
    encoder.encode(text).length <= keyBytesMax
  )
}

/** A key: 1–512 bytes of UTF-8 without control characters. */
export const keySchema = z
  .string()
  .refine(isKey, '1 to 512 bytes of UTF-8 without control characters')
  .describe('1 to 512 bytes of UTF-8 without control characters')

/**
 * Any JSON value, passed on by reference and never rebuilt, so that members such as `__proto__` survive.
 * Its depth, numbers and strings are checked where the text is parsed.
 */
export const jsonValueSchema = z
  .unknown()
  .refine(value => value !== undefined, 'a JSON value is needed')
  .describe('any JSON value') as unknown as z.ZodType<JsonValue, JsonValue>

/** A Merkle root. */
export const rootSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('64 lower-case hex digits')

/** A version: 48 bits of Unix milliseconds and 16 bits of counter, in hex. */
export const versionSchema = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .describe('16 lower-case hex digits; later writes sort after earlier ones')

/** A node id: an Ed25519 public key in hex. */
export const nodeIdSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('Ed25519 public key, 64 lower-case hex digits')

/** A moment, RFC 3339 in UTC. */
export const momentSchema = z.iso.datetime().describe('RFC 3339, UTC')

/** The last second that a Date can tell (ECMA-262, time values). */
const secondsMax = 8_640_000_000_000

/** Whole Unix seconds, as earlier clients read `timestamp`. */
export const secondsSchema = z.int().min(0).max(secondsMax).describe('Unix seconds')

/** What the operator may ask for. */
export const requestedModeSchema = z.enum(['auto', 'p2p', 'http'])

/** What carries the state now. */
export const syncModeSchema = z.enum(['P2P', 'HTTP', 'NONE'])

/** Where the sync-mode state machine stands. */
export const phaseSchema = z.enum(['P2P', 'GRACE', 'HTTP', 'TRIAL', 'NONE', 'FORCED'])

/** One of the two paths, or none. */
export const pathSchema = z.enum(['p2p', 'http', 'none'])

/** A switch in a query string. */
export const flagSchema = z.enum(['true', 'false'])
