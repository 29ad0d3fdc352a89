/** Exit codes (contract §4, after sysexits.h) and the one error that carries them. */
import { errorCatalog, isLatticeError } from '@lattice/core'
import type { ErrorCode } from '@lattice/core'
import { NoScratchRoom } from '../scratch-database.ts'

/** The few exit codes every command keeps to. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  warning: 2,
  usage: 64,
  unavailable: 69,
  config: 78,
  timeout: 124,
} as const

/** One of the exit codes. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends a command: a sentence, what to do next, and the exit code. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  readonly hint: string | undefined
  /** Code of the closed list, where the failure has one. */
  readonly code: string | undefined

  constructor(
    exitCode: ExitCode,
    message: string,
    options: { hint?: string | undefined; code?: string | undefined } = {},
  ) {
    super(message)
    this.exitCode = exitCode
    this.hint = options.hint
    this.code = options.code
  }
}

const exitCodeByError: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  CONFIG_INVALID: exitCodes.config,
  IDENTITY_INVALID: exitCodes.config,
  STATE_DIR_UNUSABLE: exitCodes.config,
  PORT_IN_USE: exitCodes.unavailable,
  PEER_UNREACHABLE: exitCodes.unavailable,
  PEER_TIMEOUT: exitCodes.timeout,
  NOT_READY: exitCodes.unavailable,
}

/** The exit code a failure deserves. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode
  if (isLatticeError(error)) return exitCodeByError[error.code] ?? exitCodes.failed
  return exitCodes.failed
}

/** What to tell about a failure: sentence, code and next step. */
export function describeError(error: unknown): { message: string; code?: string; hint?: string } {
  if (error instanceof CliError) {
    const { message, code, hint } = error
    return { message, ...(code === undefined ? {} : { code }), ...(hint === undefined ? {} : { hint }) }
  }
  if (isLatticeError(error))
    return { message: error.message, code: error.code, hint: errorCatalog[error.code][1] }
  if (error instanceof NoScratchRoom) return { message: error.message, hint: error.hint }
  if (Error.isError(error)) return { message: error.message }
  return { message: String(error) }
}
