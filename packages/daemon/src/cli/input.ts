/** What a command reads: standard input or a file. */
import { constants } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'

const chunkBytes = 64 * 1024
const lineFeed = 0x0a
const byteOrderMark = '\ufeff'

/**
 * The text of a file, or of standard input for `-`, without a byte order mark; ends the command as a usage
 * error where there is none, where it is longer than a text can be, or where it is not UTF-8: read as if it
 * were, it would be another text.
 */
export async function readInput(io: CliIo, file: string): Promise<string> {
  const source = sourceOf(io, file)
  const bytes = file === '-' ? 0 : await stat(source).then(({ size }) => size, unknownSize)
  // Nothing is read of what is too long anyway.
  if (bytes > constants.MAX_STRING_LENGTH) throw tooLong(source)
  return withoutMark(textOf(await collect(piecesOf(io, file), source), source, 1))
}

/** The lines of what `readInput` reads, one by one: each has to fit into a text, but not the whole. */
export async function* readInputLines(io: CliIo, file: string): AsyncGenerator<string> {
  const source = sourceOf(io, file)
  let line = 1
  for await (const bytes of wholeLines(piecesOf(io, file), source)) {
    io.signal.throwIfAborted()
    const text = textOf(bytes, source, line)
    for (const each of (line === 1 ? withoutMark(text) : text).split('\n')) {
      yield each
      line += 1
    }
  }
}

function sourceOf(io: CliIo, file: string): string {
  return file === '-' ? 'standard input' : resolve(io.cwd, file)
}

/** What cannot be looked at cannot be read either, and is told then. */
function unknownSize(): number {
  return 0
}

async function* piecesOf(io: CliIo, file: string): AsyncGenerator<Uint8Array> {
  if (file === '-')
    for await (const piece of io.stdin) yield typeof piece === 'string' ? Buffer.from(piece) : piece
  else yield* fileOf(sourceOf(io, file))
}

async function* fileOf(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
  }
}

async function collect(stream: AsyncIterable<Uint8Array>, source: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of stream) {
    bytes += piece.length
    if (bytes > constants.MAX_STRING_LENGTH) throw tooLong(source)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** The same bytes, cut only at line feeds, which are left out there. */
async function* wholeLines(stream: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  let restBytes = 0
  for await (const piece of stream) {
    restBytes += piece.length
    if (restBytes > constants.MAX_STRING_LENGTH) throw tooLong(`a line of ${source}`)
    const end = piece.lastIndexOf(lineFeed)
    if (end < 0) rest.push(piece)
    else {
      yield Buffer.concat([...rest, piece.subarray(0, end)])
      rest = [piece.subarray(end + 1)]
      restBytes = piece.length - end - 1
    }
  }
  yield Buffer.concat(rest)
}

function tooLong(source: string): CliError {
  return new CliError(exitCodes.usage, `${source} holds more than 511 MiB`)
}

/** `line` is the number of the first. */
function textOf(bytes: Uint8Array, source: string, line: number): string {
  const text = decode(bytes)
  if (text !== undefined) return text
  const message = `${source}, line ${line + linesBeforeFault(bytes)}: not UTF-8`
  throw new CliError(exitCodes.usage, message, { hint: 'save the file as UTF-8' })
}

function withoutMark(text: string): string {
  return text.startsWith(byteOrderMark) ? text.slice(1) : text
}

/** Undefined where it is not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA') return undefined
    throw error
  }
}

/** No line feed is part of another character, so each line can be tried alone. */
function linesBeforeFault(bytes: Uint8Array): number {
  let lines = 0
  for (let from = 0; ; lines++) {
    const end = bytes.indexOf(lineFeed, from)
    if (end < 0 || decode(bytes.subarray(from, end)) === undefined) return lines
    from = end + 1
  }
}
