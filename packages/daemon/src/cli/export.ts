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
      const text = await step('read the state', async tell => {
        const answer = await calling(session, client => client.exportState())
        tell('sort the keys')
        return sortExport(answer, options.prefix ?? '')
      })
      if (path === undefined) {
        io.stdout.write(text)
        return exitCodes.ok
      }
      await writeWhole(path, text)
      const keys = text === '' ? 0 : text.split('\n').length - 1
      const sha256 = createHash('sha256').update(text).digest('hex')
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

/** The file is complete or as it was. */
async function writeWhole(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}.new`
  try {
    await writeFile(aside, text, { mode: 0o600, flag: 'wx', flush: true })
    await rename(aside, path)
  } catch (error) {
    // Not ours to remove where it was there before; where nothing can be looked at, nothing was left.
    if (codeOf(error) !== 'EEXIST') await rm(aside, { force: true }).catch(() => undefined)
    throw new CliError(exitCodes.failed, `${path} cannot be written (${codeOf(error)})`)
  }
}
