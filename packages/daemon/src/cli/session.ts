/**
 * A command's talk with one daemon: where it is, by which token, and what its failures mean for the user.
 */
import { resolve } from 'node:path'

import { createClient } from '@lattice/api'
import type { ApiError, Client, ClientOptions } from '@lattice/api'
import type { Command } from 'commander'

import { isLoopbackHost } from '../config/index.ts'
import type { Loaded, Secret } from '../config/index.ts'
import { findAdminToken } from '../host/admin-token.ts'
import { CliError, exitCodes } from './exit.ts'
import type { ExitCode } from './exit.ts'
import { painter } from './io.ts'
import type { CliIo, Paint } from './io.ts'
import { loadFrom, refuseFaults, withConfigFile } from './settings.ts'

/** What a REST command works with. */
export interface Session {
  readonly client: Client
  /** Base URL of the daemon, without trailing slash. */
  readonly url: string
  readonly json: boolean
  readonly paint: Paint
}

/** Adds `--url`, `--config` and `--json`; `schema` names the answer for the help text. */
export function withRemote(command: Command, schema: string): Command {
  return withConfigFile(command)
    .option('--url <url>', 'base URL of the daemon (default: LATTICE_URL, else the configured address)')
    .option('--json', `machine-readable answer (lattice.${schema}/v1)`)
}

/** Opens the session a command asked for; sends nothing yet. */
export function openSession(command: Command, io: CliIo, timeoutMs?: ClientOptions['timeoutMs']): Session {
  const { json } = command.opts<{ json?: boolean }>()
  const loaded = loadFrom(command, io)
  // A write must not go to whatever listens at the default address.
  if (namedUrl(command, io) === undefined) refuseFaults(loaded, ['HTTP_HOST', 'HTTP_PORT'])
  const url = urlOf(command, io, loaded)
  const token = tokenFor(url, loaded, io.cwd)
  const client = createClient({
    baseUrl: url,
    fetch: interruptible(io.signal),
    ...(token === undefined ? {} : { token: token.reveal() }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  })
  return { client, url, json: json === true, paint: painter(io) }
}

/** Base URL of the daemon as far as it is known: settings at fault count as not set. */
export function urlOf(command: Command, io: CliIo, loaded: Loaded): string {
  return parseUrl(namedUrl(command, io) ?? configuredUrl(loaded))
}

function namedUrl(command: Command, io: CliIo): string | undefined {
  const { url } = command.opts<{ url?: string }>()
  return url ?? nonEmpty(io.env['LATTICE_URL'])
}

/** A fetch that ends when the user interrupts the command. */
export function interruptible(interrupted: AbortSignal): typeof fetch {
  return (resource, init) => {
    const signals = [interrupted, ...(init?.signal ? [init.signal] : [])]
    return fetch(resource, { ...init, signal: AbortSignal.any(signals) })
  }
}

/** A base URL typed by a user; ends the command as a usage error when it is none. */
export function parseUrl(text: string): string {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (url === undefined) throw noBaseUrl(`"${text}" is not a URL`)
  // Neither is told back: it may be a secret.
  if (url.username !== '' || url.password !== '')
    throw noBaseUrl(`a URL with a user name or password (…@${url.host}) cannot be used`)
  if (!/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw noBaseUrl(`"${text}" is not the base URL of a daemon`)
  return full.replace(/\/+$/, '')
}

function noBaseUrl(message: string): CliError {
  return new CliError(exitCodes.usage, message, { hint: 'write one like http://127.0.0.1:8000' })
}

/**
 * The daemon's failure as the end of a command. Anything that is no answer of a daemon is passed on as it
 * is.
 */
export function clientFailure(error: unknown, url: string): unknown {
  if (!isApiError(error)) return error
  const { code, message } = error
  if (code === 'UNREACHABLE') {
    const hint = 'start one with `lattice start` or `lattice up`, or name another with --url or LATTICE_URL'
    const reason = message.replace(`cannot reach ${url}`, '')
    return new CliError(exitCodes.unavailable, `no daemon answers at ${url}${reason}`, { code, hint })
  }
  if (code === 'UNAUTHORIZED') {
    const hint =
      'set LATTICE_ADMIN_TOKEN or LATTICE_ADMIN_TOKEN_FILE; the token is in STATE_DIR/admin.token there'
    return new CliError(exitCodes.failed, message, { code, hint })
  }
  return new CliError(exitByCode[code] ?? exitCodes.failed, message, { code, hint: error.hint })
}

/** Runs calls to a daemon and turns their failures into the end of the command. */
export async function calling<T>(session: Session, body: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await body(session.client)
  } catch (error) {
    throw clientFailure(error, session.url)
  }
}

/** Whether an error came from the typed client, whichever copy of its module made it. */
export function isApiError(error: unknown): error is ApiError {
  return Error.isError(error) && error.name === 'ApiError'
}

const exitByCode: Readonly<Record<string, ExitCode>> = {
  TIMEOUT: exitCodes.timeout,
  UNEXPECTED_ANSWER: exitCodes.unavailable,
  NOT_READY: exitCodes.unavailable,
  OVERLOADED: exitCodes.unavailable,
  KEY_INVALID: exitCodes.usage,
  VALUE_INVALID: exitCodes.usage,
  REQUEST_INVALID: exitCodes.usage,
  TRANSACTION_INVALID: exitCodes.usage,
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** Where a daemon with these settings is reached from this machine. */
function configuredUrl(loaded: Loaded): string {
  const host = loaded.lookup('HTTP_HOST') ?? '127.0.0.1'
  const port = loaded.lookup('HTTP_PORT') ?? 8000
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port === 0 ? 8000 : port}`
}

/** The configured token for any URL; the one in STATE_DIR only for this machine, lest it leak to another. */
function tokenFor(url: string, loaded: Loaded, cwd: string): Secret | undefined {
  const configured = loaded.lookup('ADMIN_TOKEN')
  if (configured !== undefined) return configured
  if (!isLoopbackHost(new URL(url).hostname)) return undefined
  return findAdminToken(resolve(cwd, loaded.lookup('STATE_DIR') ?? './data'))
}
