/** Errors of whatever kind as what the engine and the log are told. */
import { isLatticeError, LatticeError, type ErrorCode, type Malformed } from '@lattice/core'

/** An error as a sentence. */
export function sentence(error: unknown): string {
  return Error.isError(error) ? error.message : String(error)
}

/** What the engine is told of a failed question. */
export function failureOf(error: unknown): { reason: string; code?: ErrorCode; retryAfterMs?: number } {
  const retryAfterMs: unknown =
    typeof error === 'object' && error !== null && 'retryAfterMs' in error ? error.retryAfterMs : undefined
  return {
    reason: sentence(error),
    ...(isLatticeError(error) ? { code: error.code } : {}),
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  }
}

/** An answer that could not be read, as the engine is told. */
export function unreadAnswer({ malformed, speaks }: Malformed): {
  reason: string
  code: ErrorCode
  speaks?: readonly [lowest: number, highest: number]
} {
  return { reason: malformed, code: 'PEER_MALFORMED', ...(speaks === undefined ? {} : { speaks }) }
}

/** Whether nothing that the store says can be believed after this error. */
export function isStoreFailure(error: unknown): error is LatticeError {
  return isLatticeError(error) && (error.code === 'STORE_CORRUPT' || error.code === 'STORE_SUSPECT')
}

/** Why a commit failed; what the store has no code for only says that it is unavailable. */
export function storeFailureOf(error: unknown): LatticeError {
  return isLatticeError(error)
    ? error
    : new LatticeError('STORE_UNAVAILABLE', sentence(error), { cause: error })
}
