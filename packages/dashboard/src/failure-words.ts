/** Why the node could not be asked, and why it refused, in words that say what to do. */
import { visible } from './visible-text.ts'

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
  if (code === 'UNREACHABLE') return 'The node cannot be reached: it is stopped, or the network is cut.'
  if (code === 'TIMEOUT') return 'The node does not answer in time.'
  if (status === 503) return 'The node is starting or stopping.'
  if (status === 429) return 'The node asks for a pause: too many requests come from this address.'
  if (status === 401 || status === 403)
    return 'Something in front of the node asks for a login: load the page again.'
  if (code === 'UNEXPECTED_ANSWER')
    return 'What answers here is not a Lattice node, or is one of another version.'
  return `The node reports an error: ${visible(detail, 200)}`
}

/** Why a switch was refused, as a sentence. */
export function switchFailureWords(error: unknown, hadToken: boolean): string {
  const { code, detail, hint, status } = failureOf(error)
  if (status === 401)
    return hadToken ? 'The node does not accept this token.' : 'The node needs its admin token for this.'
  if (status === 429) return 'Too many wrong tokens: wait a minute and try again.'
  if (code === 'MODE_IMPOSSIBLE')
    return 'This mode is impossible here: P2P is turned off in the settings of the node.'
  if (code === 'UNREACHABLE' || code === 'TIMEOUT')
    return `${readFailureWords(error)} The mode may not have changed.`
  return (
    [detail, hint]
      .filter(text => text !== '')
      .map(text => visible(text, 200))
      .join('; ') || 'The node refused.'
  )
}

/** Whether a refusal can be mended by a token. */
export function wantsToken(error: unknown): boolean {
  return failureOf(error).status === 401
}
