/** What a command reads: standard input or a file. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'

/**
 * The text of a file, or of standard input for `-`; ends the command as a usage error where there is none.
 */
export async function readInput(io: CliIo, file: string): Promise<string> {
  if (file === '-') return readAll(io)
  const path = resolve(io.cwd, file)
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
  }
}

async function readAll(io: CliIo): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
