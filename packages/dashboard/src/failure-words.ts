/** Why the node could not be asked, and why it refused, in words that say what to do. */
import { texts } from './texts.ts'
import { visible } from './visible-text.ts'

/** Stands for any redirect: a browser does not say which it was. */
export const redirectStatus = 302

interface Failure {
  readonly code: string
  readonly detail: string
  readonly hint: string
  readonly status: number
}

/** Reads an error of any realm. */
export function failureOf(error: unknown): Failure {
  const from = typeof error === 'object' && error !== null ? error : {}
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    code: 'code' in from ? text(from.code) : '',
    detail: 'message' in from ? text(from.message) : '',
    hint: 'hint' in from ? text(from.hint) : '',
    status: 'status' in from && typeof from.status === 'number' ? from.status : 0,
  }
}

/** Why a reading failed, as a sentence. */
export function readFailureWords(error: unknown): string {
  const { code, detail, status } = failureOf(error)
  if (isLogin(error)) return texts.failure.login
  if (code === 'UNREACHABLE') return texts.failure.unreachable
  if (code === 'TIMEOUT') return texts.failure.timeout
  if (code === 'ENTRY_DAMAGED') return texts.failure.damaged
  if (code === 'NOT_READY' || (status === 503 && code === 'UNEXPECTED_ANSWER')) return texts.failure.starting
  if (status === 429) return texts.failure.pause
  if (code === 'UNEXPECTED_ANSWER') return texts.failure.stranger
  return texts.failure.other(visible(detail, 200))
}

/** Why a switch was refused, as a sentence. */
export function switchFailureWords(error: unknown, hadToken: boolean): string {
  const { code, detail, hint, status } = failureOf(error)
  if (isLogin(error)) return texts.failure.login
  if (status === 401) return hadToken ? texts.failure.badToken : texts.failure.needsToken
  if (status === 429) return texts.failure.tooMany
  if (code === 'MODE_IMPOSSIBLE') return texts.failure.impossible
  if (code === 'UNREACHABLE' || code === 'TIMEOUT') return texts.failure.unsure(readFailureWords(error))
  const said = [detail, hint].filter(text => text !== '').map(text => visible(text, 200))
  return texts.clauses(said) || texts.failure.refused
}

/** Whether a refusal can be mended by a token. */
export function wantsToken(error: unknown): boolean {
  return failureOf(error).status === 401 && !isLogin(error)
}

/** Whether somebody else than the node wants to know who is there. */
function isLogin(error: unknown): boolean {
  const { code, status } = failureOf(error)
  return code === 'UNEXPECTED_ANSWER' && [401, 403, redirectStatus].includes(status)
}
