/** `lattice export`: the whole state of one moment as JSON Lines, sorted: equal states give equal files. */
import { createHash, randomBytes } from 'node:crypto'
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import type { Command } from 'commander'

import { counted } from '../counted.ts'
import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import { sortExport } from './exported-keys.ts'
import { print, printJson } from './io.ts'
import { stepper } from './progress.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'

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
      const lines = await step('read the state', async tell => {
        const read: string[] = []
        await calling(session, async client => {
          for await (const line of client.exportLines()) read.push(line)
        })
        tell('sort the keys')
        return sortExport(read, options.prefix)
      })
      if (path === undefined) {
        for (const block of blocksOf(lines)) if (!io.signal.aborted) io.stdout.write(block)
        return exitCodes.ok
      }
      await writeWhole(path, lines)
      const keys = lines.length
      const hash = createHash('sha256')
      for (const block of blocksOf(lines)) hash.update(block)
      const sha256 = hash.digest('hex')
      if (session.json) printJson(io, { schema: 'lattice.export/v1', file: path, keys, sha256 })
      else print(io, `exported ${counted(keys, 'key')} to ${path}`, `sha256 ${sha256}`)
      return exitCodes.ok
    }),
  )
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

/** Characters written at once: few system calls, and no longer text than a runtime can hold. */
const blockChars = 1024 * 1024

function* blocksOf(lines: readonly string[]): Generator<string> {
  let block = ''
  for (const line of lines) {
    block += line
    if (block.length < blockChars) continue
    yield block
    block = ''
  }
  yield block
}

/** The file is complete or as it was. */
async function writeWhole(path: string, lines: readonly string[]): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}.new`
  try {
    await writeFile(aside, blocksOf(lines), { mode: 0o600, flag: 'wx', flush: true })
    await rename(aside, path)
  } catch (error) {
    // Not ours to remove where it was there before; where nothing can be looked at, nothing was left.
    if (codeOf(error) !== 'EEXIST') await rm(aside, { force: true }).catch(() => undefined)
    throw new CliError(exitCodes.failed, `${path} cannot be written (${codeOf(error)})`)
  }
}
