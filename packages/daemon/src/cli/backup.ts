/** `lattice backup`: everything a node is made of in one file, also while its daemon runs. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

import type { Command } from 'commander'

import { openBackup, storeFilesIn, writeBackup, type Manifest } from '../backup/index.ts'
import { settingNames, settingOf, showValue } from '../config/index.ts'
import type { Loaded } from '../config/index.ts'
import { counted } from '../counted.ts'
import { createVerifier } from '../host/crypto.ts'
import { openIdentity } from '../host/identity.ts'
import { codeOf, readPrivateFile } from '../host/private-file.ts'
import { backupName, forgetOldBackups, forgetUnfinished } from './backup-files.ts'
import { CliError, exitCodes } from './exit.ts'
import { identitySettings } from './id.ts'
import { brief, print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import { bar, stepper } from './progress.ts'
import type { Register } from './register.ts'
import { loadFrom, withSettings } from './settings.ts'
import { programVersion } from './version.ts'

interface Options {
  readonly withIdentity?: string
  readonly keep?: string
  readonly json?: boolean
}

/** Adds the command. */
export const registerBackup: Register = (program, { io, run }) => {
  const command = withSettings(program.command('backup <file>'), ['STATE_DIR', 'NODE_NAME'])
    .description('write state, settings and facts of this node to one signed file; the daemon may run')
    .option('--with-identity <file>', 'put the key of the node in, under the passphrase in this file')
    .option('--keep <n>', 'where <file> is a directory: keep the newest n backups of this node there')
    .option('--json', 'machine-readable answer (lattice.backup/v1)')
    .addHelpText(
      'after',
      '\nA directory gets a file named after the node and the time. Secrets of the settings are never inside.' +
        '\n\nExample:\n  $ lattice backup /var/backups/lattice --keep 7',
    )
  command.action(
    run(async (file: string, options: Options, self: Command) => {
      const loaded = loadFrom(self, io)
      const { stateDir, configured } = identitySettings(loaded, io.cwd)
      const keep = keepOf(options.keep, resolve(io.cwd, file))
      if (storeFilesIn(stateDir).length === 0)
        throw new CliError(exitCodes.config, `${stateDir} holds no store that this user can see`, {
          hint: 'name it with --state-dir or --config, as at the start of the daemon',
        })
      const identity = openIdentity({ stateDir, configured, storeExists: true })
      const name = loaded.lookup('NODE_NAME') ?? 'node'
      const path = targetOf(resolve(io.cwd, file), name)
      const directory = dirname(path)
      const passphrase = passphraseOf(options.withIdentity, io)
      const step = stepper(io, options.json === true)
      // Before a disk is needed that they have filled.
      const unfinished = keep === undefined ? [] : await forgetUnfinished(directory, name)
      const input = { stateDir, identity, name, passphrase, version: programVersion(), signal: io.signal }
      const manifest = await step('read the store', tell =>
        writing(path, () =>
          writeBackup(path, {
            ...input,
            settings: settingsText(loaded),
            tell: (read, about) => tell(bar(read, about)),
          }),
        ),
      )
      await using written = await openBackup(path, createVerifier())
      if (written.manifest.root !== manifest.root) throw new Error('the backup reads back as another')
      const old = keep === undefined ? [] : await forgetOldBackups(directory, name, basename(path), keep)
      tellDone(io, options.json === true, { path, manifest, forgotten: [...unfinished, ...old] })
      return exitCodes.ok
    }),
  )
}

function tellDone(
  io: CliIo,
  json: boolean,
  { path, manifest, forgotten }: { path: string; manifest: Manifest; forgotten: readonly string[] },
): void {
  const { size: bytes } = statSync(path)
  const { node, name, entries, root, made, members } = manifest
  const [identity, history] = ['identity.sealed', 'history.db'].map(member => members[member] !== undefined)
  if (json) {
    const facts = { file: path, bytes, node, name, entries, merkle_root: root, identity, history, forgotten }
    printJson(io, { schema: 'lattice.backup/v1', ...facts, made: new Date(made).toISOString() })
    return
  }
  print(
    io,
    `${counted(entries, 'entry')} of ${visible(name)} (root ${brief(root)}) in ${path}, ${bytes} bytes`,
  )
  if (history !== true) print(io, 'There is no history of the charts to put in.')
  if (identity !== true)
    print(io, 'The key of the node is not inside; keep identity.key, or use --with-identity.')
  for (const old of forgotten) print(io, `removed ${old}`)
}

/** The passphrase in a private file; undefined where none was asked for. */
export function passphraseOf(file: string | undefined, io: CliIo): string | undefined {
  if (file === undefined) return undefined
  const path = resolve(io.cwd, file)
  const found = readPrivateFile(path)
  if (found.state === 'missing') throw new CliError(exitCodes.usage, `${path} is not there`)
  if (found.state === 'unusable') throw new CliError(exitCodes.usage, found.why)
  const passphrase = found.text.replace(/\r?\n$/, '')
  if (passphrase.length >= passphraseMin) return passphrase
  throw new CliError(exitCodes.usage, `the passphrase in ${path} has less than ${passphraseMin} characters`)
}

/** scrypt makes guessing slow, not hopeless. */
const passphraseMin = 12

function keepOf(text: string | undefined, path: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,3}$/.test(text))
    throw new CliError(exitCodes.usage, `--keep takes a whole number from 1 on, not "${text}"`)
  if (isDirectory(path)) return Number(text)
  throw new CliError(exitCodes.usage, `--keep is for a directory, and ${path} is none`, {
    hint: `mkdir -p ${path}, or leave --keep out`,
  })
}

function targetOf(path: string, name: string): string {
  const target = isDirectory(path) ? join(path, backupName(name, Date.now())) : path
  if (!existsSync(target)) return target
  throw new CliError(exitCodes.failed, `${target} exists already`, { hint: 'name another file' })
}

/** Whether a path is a directory. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

async function writing<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    const code = Error.isError(error) && 'syscall' in error ? codeOf(error) : undefined
    if (code === undefined) throw error
    throw new CliError(exitCodes.failed, `${path} cannot be written (${code})`)
  }
}

/** What was set, as an env file; secrets have no place in it. */
function settingsText(loaded: Loaded): string {
  const set = settingNames.filter(
    name => settingOf(name).secret !== true && loaded.origins.get(name)?.source !== 'default',
  )
  return set.map(name => `LATTICE_${name}=${showValue(name, loaded.values.get(name))}\n`).join('')
}
