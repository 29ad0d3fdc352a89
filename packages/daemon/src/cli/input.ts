/** What a command reads: standard input or a file. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'

/**
 * The text of a file, or of standard input for `-`, without a byte order mark; ends the command as a usage
 * error where there is none, or where it is not UTF-8: read as if it were, it would be another text.
 */
export async function readInput(io: CliIo, file: string): Promise<string> {
  if (file === '-') return textOf(await readAll(io), 'standard input')
  const path = resolve(io.cwd, file)
  return textOf(await readBytes(path), path)
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
  }
}

async function readAll(io: CliIo): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
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
