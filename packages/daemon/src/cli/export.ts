/** `lattice export`: the whole state of one moment as JSON Lines, sorted: equal states give equal files. */
import { createHash, randomBytes } from 'node:crypto'
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import type { Command } from 'commander'

import { counted } from '../counted.ts'
import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import { toldKey } from './exported-keys.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import { stepper } from './progress.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote, type Session } from './session.ts'
import { SortedLines } from './sorted-lines.ts'

/** Adds the command. */
export const registerExport: Register = (program, { io, run }) => {
  const command = withRemote(program.command('export [file]'), 'export')
    .description('write every key with its type and value to a file; - or none is standard output')
    .option('--prefix <prefix>', 'only keys that start with this')
    .addHelpText(
      'after',
      '\nA file that exists is replaced, as a whole or not at all.\n\nExample:\n  $ lattice export ledger.jsonl',
    )
  command.action(
    run(async (given: string | undefined, options: { prefix?: string }, self: Command) => {
      const file = given === '-' ? undefined : given
      const path = file === undefined ? undefined : await fileAt(resolve(io.cwd, file))
      const session = openSession(self, io, 0)
      const step = stepper(io, session.json || path === undefined)
      using lines = new SortedLines()
      const sha256 = await step('read the state', async tell => {
        await readState(session, lines, options.prefix)
        tell('sort the keys')
        return path === undefined ? undefined : writeWhole(path, lines, io.signal)
      })
      if (path === undefined || sha256 === undefined) {
        await printAll(io, lines)
        return exitCodes.ok
      }
      const keys = lines.count
      if (session.json) printJson(io, { schema: 'lattice.export/v1', file: path, keys, sha256 })
      else print(io, `exported ${counted(keys, 'key')} to ${path}`, `sha256 ${sha256}`)
      return exitCodes.ok
    }),
  )
}

async function readState(session: Session, lines: SortedLines, prefix = ''): Promise<void> {
  await calling(session, async client => {
    for await (const line of client.exportLines()) {
      const { key } = toldKey(line)
      if (key.startsWith(prefix)) lines.add(key, `${line}\n`)
    }
  })
}

/** Where a link leads; ends the command where a device or a pipe would have to make way for the file. */
async function fileAt(path: string): Promise<string> {
  const isOther = await stat(path).then(
    found => !found.isFile(),
    () => false,
  )
  if (isOther)
    throw new CliError(exitCodes.failed, `${path} is no regular file, and is not replaced`, {
      hint: 'name another file, or - for standard output',
    })
  return realpath(path).catch(() => path)
}

/** Written at once: few system calls. */
const blockChars = 64 * 1024

/** Whole lines; until `signal` fires. */
async function* blocksOf(lines: SortedLines, signal: AbortSignal): AsyncGenerator<string> {
  let block = ''
  for await (const line of lines.sorted(signal)) {
    block += line
    if (block.length < blockChars) continue
    yield block
    block = ''
  }
  yield block
}

/** Until nobody reads it any more: who has seen enough is no failure. */
async function printAll(io: CliIo, lines: SortedLines): Promise<void> {
  try {
    for await (const block of blocksOf(lines, io.signal)) io.stdout.write(block)
  } catch (error) {
    const isInterrupted = Error.isError(error) && error.name === 'AbortError'
    if (error !== io.signal.reason || isInterrupted) throw error
  }
}

/** The file is complete or as it was; answers its SHA-256. */
async function writeWhole(path: string, lines: SortedLines, signal: AbortSignal): Promise<string> {
  const aside = `${path}.${randomBytes(4).toString('hex')}.new`
  const hash = createHash('sha256')
  const hashed = async function* (): AsyncGenerator<string> {
    for await (const block of blocksOf(lines, signal)) {
      hash.update(block)
      yield block
    }
  }
  try {
    await writeFile(aside, hashed(), { mode: 0o600, flag: 'wx', flush: true, signal })
    await rename(aside, path)
  } catch (error) {
    // Not ours to remove where it was there before; where nothing can be looked at, nothing was left.
    if (codeOf(error) !== 'EEXIST') await rm(aside, { force: true }).catch(() => undefined)
    if (error instanceof CliError) throw error
    throw new CliError(exitCodes.failed, `${path} cannot be written (${codeOf(error)})`)
  }
  return hash.digest('hex')
}
