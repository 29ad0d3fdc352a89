/**
 * Logs to one stream: for people on a terminal, JSON lines everywhere else, with the priority prefix of sd-
 * daemon(3) where journald reads. Secrets never come out, and a closed stream never takes the process down.
 */
import { fstatSync } from 'node:fs'
import { styleText } from 'node:util'
import type { Writable } from 'node:stream'
import winston from 'winston'

import { Secret, secretMask } from '../config/secret.ts'
import { visible } from '../visible.ts'
import { wantsColour } from './colour.ts'

/** Severity, worst first. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** What a line may carry besides level and message. `code` names the kind of event, `peer` a node id. */
export interface LogFields {
  readonly code?: string
  readonly peer?: string
  readonly [name: string]: unknown
}

/** Writes lines; each takes a sentence and fields. */
export interface Log {
  error(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  debug(msg: string, fields?: LogFields): void
  /** A log that adds `fields` to each line. */
  child(fields: LogFields): Log
  /** Changes the level of this log and all its children. */
  setLevel(level: LogLevel): void
  /** Resolves when everything written so far has left the process, or cannot. */
  flush(): Promise<void>
}

/** How a log is made. */
export interface LogOptions {
  readonly stream: Writable & { readonly isTTY?: boolean; readonly fd?: number }
  readonly level: LogLevel
  readonly format: 'auto' | 'human' | 'json'
  /** Name of this node, on every JSON line. */
  readonly node: string
  /** Sync mode at the moment of writing; undefined before the engine runs. */
  readonly mode?: () => string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Secrets that must not appear even inside other text. */
  readonly secrets?: readonly Secret[]
}

const levels: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 }
// syslog(3) severities for journald.
const priorities: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 }
const levelStyles = { error: 'red', warn: 'yellow', info: 'green', debug: 'gray' } as const
const secretNamePattern = /token|secret|password|passphrase|privkey|private.?key|^seed$|authorization|cookie/i
// A flush that waits longer than this would hold up a shutdown for a reader that is gone.
const flushMsMax = 1000

type Line = Record<string, unknown> & {
  readonly level: LogLevel
  readonly msg: string
  readonly code?: string
}

/** Makes the log of a process. */
export function createLog(options: LogOptions): Log {
  const { stream } = options
  const human = options.format === 'human' || (options.format === 'auto' && stream.isTTY === true)
  const colour = human && wantsColour(stream, options.env)
  const journal = readsJournal(options.env, stream.fd)
  const render = (line: Line): string => {
    const body = human ? humanLine(line, colour) : JSON.stringify(line)
    return mask((journal ? `<${priorities[line.level]}>` : '') + body, options.secrets ?? [])
  }
  const format = winston.format(info => {
    const { level, message, code, peer, ...rest } = info as Record<string, unknown>
    const head = { ts: new Date().toISOString(), level, msg: String(message), code, node: options.node, peer }
    const line = plain({ ...head, mode: options.mode?.(), ...rest }) as Line
    return Object.assign(info, { [Symbol.for('message')]: render(line) })
  })
  muteWhenBroken(stream)
  const transport = new winston.transports.Stream({ stream })
  const logger = winston.createLogger({
    levels,
    level: options.level,
    format: format(),
    transports: [transport],
  })
  return wrap(logger, {}, stream)
}

/** A log that says nothing. */
export const silentLog: Log = Object.freeze({
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
  setLevel: () => undefined,
  flush: () => Promise.resolve(),
})

/** Whether journald reads this very stream: JOURNAL_STREAM names its device and inode (systemd.exec(5)). */
export function readsJournal(
  env: Readonly<Record<string, string | undefined>>,
  fd: number | undefined,
): boolean {
  const named = env['JOURNAL_STREAM']
  if (named === undefined || fd === undefined) return false
  try {
    const { dev, ino } = fstatSync(fd)
    return named === `${dev}:${ino}`
  } catch {
    return false
  }
}

function wrap(logger: winston.Logger, own: LogFields, stream: Writable): Log {
  const at =
    (level: LogLevel) =>
    (msg: string, fields: LogFields = {}): void => {
      const { level: _level, message: _message, ...safe } = { ...own, ...fields }
      logger.log({ ...safe, level, message: msg })
    }
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: fields => wrap(logger, { ...own, ...fields }, stream),
    setLevel: level => {
      logger.level = level
    },
    flush: () => drained(stream),
  }
}

/**
 * A reader that went away (EPIPE) or a terminal that closed (EIO) must not end a daemon: lines are dropped
 * instead.
 */
function muteWhenBroken(stream: Writable): void {
  stream.on('error', () => undefined)
}

async function drained(stream: Writable): Promise<void> {
  if (stream.destroyed || !stream.writable) return
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, flushMsMax)
    stream.write('', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function humanLine(line: Line, colour: boolean): string {
  const { ts, level, msg, code, node: _node, mode: _mode, ...rest } = line
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text
  const fields = Object.entries(rest).filter(([, value]) => value !== undefined)
  const tail = fields.map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const time = String(ts).slice(11, 23)
  return [
    paint('dim', time),
    paint(levelStyles[level], level.toUpperCase().padEnd(5)),
    visible(code === undefined ? msg : `${msg} [${code}]`),
    ...(tail.length > 0 ? [paint('dim', visible(tail.join(' ')))] : []),
  ].join(' ')
}

/** JSON-safe copy: errors as name, code and message, big integers as text, bytes as hex, secrets masked. */
function plain(value: unknown, name = '', depth = 0): unknown {
  if (value instanceof Secret) return secretMask
  if (typeof value === 'string' && secretNamePattern.test(name)) return secretMask
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (Error.isError(value)) return errorFields(value, depth)
  if (value instanceof Uint8Array)
    return secretNamePattern.test(name) ? secretMask : Buffer.from(value).toString('hex')
  // Deeper than any field of ours; a cycle ends here too.
  if (depth >= 6) return '…'
  if (Array.isArray(value)) return value.map(item => plain(item, name, depth + 1))
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  return Object.fromEntries(entries.map(([key, item]) => [String(key), plain(item, String(key), depth + 1)]))
}

function errorFields(error: Error, depth: number): unknown {
  const code = 'code' in error ? String(error.code) : undefined
  const cause = error.cause === undefined || depth >= 6 ? undefined : plain(error.cause, '', depth + 1)
  // The stack of an outside error only says where we noticed it; that of a bug is the finding.
  const stack = code === undefined ? error.stack : undefined
  return { name: error.name, code, message: error.message, stack, cause }
}

function mask(text: string, secrets: readonly Secret[]): string {
  return secrets.reduce((masked, secret) => {
    const plainText = secret.reveal()
    if (plainText === '') return masked
    return masked
      .replaceAll(plainText, secretMask)
      .replaceAll(JSON.stringify(plainText).slice(1, -1), secretMask)
  }, text)
}
