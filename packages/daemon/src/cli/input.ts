/** What a command reads: standard input or a file. */
import { constants } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'

const chunkBytes = 1024 * 1024

/**
 * The text of a file, or of standard input for `-`, without a byte order mark; ends the command as a usage
 * error where there is none, where it is longer than a text can be, or where it is not UTF-8: read as if it
 * were, it would be another text.
 */
export async function readInput(io: CliIo, file: string): Promise<string> {
  if (file === '-') return textOf(await collect(io.stdin, 'standard input'), 'standard input')
  const path = resolve(io.cwd, file)
  return textOf(await readBytes(path), path)
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    // Nothing is read of what is too long anyway.
    if ((await stat(path)).size > constants.MAX_STRING_LENGTH) throw tooLong(path)
    return await collect(createReadStream(path, { highWaterMark: chunkBytes }), path)
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
  }
}

async function collect(stream: AsyncIterable<Uint8Array | string>, source: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream) {
    const piece = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    bytes += piece.length
    if (bytes > constants.MAX_STRING_LENGTH) throw tooLong(source)
    chunks.push(piece)
  }
  return Buffer.concat(chunks)
}

function tooLong(source: string): CliError {
  const hint = 'JSON Lines may be split between lines: split -C 256M FILE'
  return new CliError(exitCodes.usage, `${source} holds more than 511 MiB`, { hint })
}

function textOf(bytes: Uint8Array, source: string): string {
  const text = decode(bytes)
  if (text !== undefined) return text
  const message = `${source}, line ${lineOfFault(bytes)}: not UTF-8`
  throw new CliError(exitCodes.usage, message, { hint: 'save the file as UTF-8' })
}

/** Undefined where it is not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') return undefined
    throw error
  }
}

/** No line feed is part of another character, so each line can be tried alone. */
function lineOfFault(bytes: Uint8Array): number {
  let line = 1
  for (let from = 0; ; line++) {
    const end = bytes.indexOf(0x0a, from)
    if (end < 0 || decode(bytes.subarray(from, end)) === undefined) return line
    from = end + 1
  }
}
