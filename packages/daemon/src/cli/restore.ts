/** `lattice restore`: a node from its backup, as a new incarnation; or whether that would work. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import type { Command } from 'commander'

import { isLatticeError } from '@lattice/core'
import type { NodeId } from '@lattice/core'

import {
  BackupDamage,
  openBackup,
  openSeed,
  restoreStore,
  storeFilesIn,
  tryRestore,
  type OpenedBackup,
} from '../backup/index.ts'
import { counted } from '../counted.ts'
import { createVerifier, type SystemVerifier } from '../host/crypto.ts'
import {
  identityFile,
  identityFromSeed,
  keepIdentity,
  openIdentity,
  type Identity,
} from '../host/identity.ts'
import { codeOf } from '../host/private-file.ts'
import { inspectStore } from '../sqlite-inspect.ts'
import { storeFiles } from '../sqlite-schema.ts'
import { openStateDir } from '../state-dir.ts'
import { newestBackup } from './backup-files.ts'
import { isDirectory, passphraseOf } from './backup.ts'
import { CliError, exitCodes } from './exit.ts'
import { identitySettings } from './id.ts'
import { brief, print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import { bar, stepper, type Step } from './progress.ts'
import type { Register } from './register.ts'
import { loadFrom, withSettings } from './settings.ts'

interface Options {
  readonly withIdentity?: string
  readonly force?: boolean
  readonly ifNewer?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Adds the command. */
export const registerRestore: Register = (program, { io, run }) => {
  const command = withSettings(program.command('restore <file>'), ['STATE_DIR', 'TRUSTED_KEYS', 'NODE_NAME'])
    .description('make the store of this node from a backup; the daemon must be stopped')
    .option('--with-identity <file>', 'take the key of the node too; its passphrase is in this file')
    .option('--force', 'also where STATE_DIR holds a store; that one is moved aside')
    .option('--if-newer', 'only where a later version wrote the store that is there; implies --force')
    .option('--dry-run', 'check everything, and change nothing')
    .option('--json', 'machine-readable answer (lattice.restore/v1)')
    .addHelpText(
      'after',
      '\nOf a directory the newest backup of this node is taken.' +
        '\n\nExample:\n  $ lattice restore --dry-run node2.tar\n  $ lattice restore node2.tar --state-dir /var/lib/lattice',
    )
  command.action(
    run(async (file: string, options: Options, self: Command) => {
      const loaded = loadFrom(self, io)
      const settings = identitySettings(loaded, io.cwd, ['TRUSTED_KEYS'])
      const verifier = createVerifier()
      if (options.ifNewer === true && !isNewer(settings.stateDir)) return tellFine(io, options.json === true)
      const path = await fileIn(resolve(io.cwd, file), loaded.lookup('NODE_NAME') ?? 'node')
      await using backup = await damageTold(path, path, () => openBackup(path, verifier))
      const trusted = loaded.lookup('TRUSTED_KEYS') ?? []
      const plan = { ...settings, backup, verifier, trusted, options, path }
      const step = stepper(io, options.json === true)
      return await (options.dryRun === true ? rehearse(plan, io, step) : perform(plan, io, step))
    }),
  )
}

/** Whether this version refuses the store that is there as newer, or a restore of one was cut off. */
function isNewer(stateDir: string): boolean {
  const path = join(stateDir, storeFiles.database)
  if (!existsSync(path)) return storeFilesIn(stateDir).length > 0
  try {
    inspectStore(path)
    return false
  } catch (error) {
    if (isLatticeError(error) && error.code === 'STORE_NEWER') return true
    throw error
  }
}

function tellFine(io: CliIo, json: boolean): number {
  if (json) printJson(io, { schema: 'lattice.restore/v1', dry_run: false, restored: false })
  else print(io, 'No later version has written a store there: nothing to do.')
  return exitCodes.ok
}

async function fileIn(path: string, name: string): Promise<string> {
  if (!isDirectory(path)) return path
  const newest = await newestBackup(path, name)
  if (newest !== undefined) return newest
  throw new CliError(exitCodes.usage, `${path} holds no backup of ${visible(name)}`, {
    hint: 'name the file',
  })
}

interface Plan {
  readonly path: string
  readonly backup: OpenedBackup
  readonly verifier: SystemVerifier
  readonly stateDir: string
  readonly configured: ReturnType<typeof identitySettings>['configured']
  readonly trusted: readonly NodeId[]
  readonly options: Options
}

async function rehearse(plan: Plan, io: CliIo, step: Step): Promise<number> {
  const { backup, verifier, path, options } = plan
  const place = tmpdir()
  refuseWithoutRoom(place, path, 'name a directory of a larger disk in TMPDIR')
  const input = {
    signer: identityFromSeed(randomBytes(32), 'generated').signer,
    verifier,
    members: new Set<NodeId>(),
    signal: io.signal,
  }
  await step('check every entry', tell =>
    damageTold(path, place, async () => {
      const scratch = mkdtempSync(join(place, 'lattice-restore-'))
      try {
        await tryRestore(backup, scratch, { ...input, tell: (read, about) => tell(bar(read, about)) })
      } finally {
        rmSync(scratch, { recursive: true, force: true })
      }
    }),
  )
  const { entries, root, name, made, version } = backup.manifest
  const there = storeFilesIn(plan.stateDir).length > 0
  const facts = { file: path, entries, merkle_root: root, made: new Date(made).toISOString(), version }
  if (options.json === true)
    printJson(io, { schema: 'lattice.restore/v1', dry_run: true, would_replace: there, ...facts })
  else {
    print(
      io,
      `${counted(entries, 'entry')} of ${visible(name)}, made ${facts.made} by version ${visible(version)}`,
      `in ${path}`,
    )
    print(io, `All are as they were signed, and their root is ${brief(root)}. Nothing was changed.`)
    if (there) print(io, `${plan.stateDir} holds a store: a restore there needs --force.`)
  }
  return exitCodes.ok
}

async function perform(plan: Plan, io: CliIo, step: Step): Promise<number> {
  const { backup, verifier, path, options, trusted } = plan
  const { manifest } = backup
  await using opened = openStateDir(plan.stateDir)
  const stateDir = opened.path
  if (storeFilesIn(stateDir).length > 0 && options.force !== true && options.ifNewer !== true) {
    const hint = '--force moves it aside; lattice restore --dry-run changes nothing'
    throw new CliError(exitCodes.failed, `${stateDir} holds a store already`, { hint })
  }
  refuseWithoutRoom(stateDir, path, 'make room; nothing was changed')
  const { identity, isNew } = identityFor(plan, stateDir, io)
  const members = new Set(trusted.filter(each => each !== identity.nodeId))
  const made = await step('check and join every entry', tell =>
    damageTold(path, stateDir, () =>
      restoreStore(backup, stateDir, {
        signer: identity.signer,
        verifier,
        members,
        signal: io.signal,
        tell: (read, about) => tell(bar(read, about)),
        onSound: () => void (isNew && keepIdentity(stateDir, identity.seed)),
      }),
    ),
  )
  if (options.json === true) {
    const facts = {
      file: path,
      state_dir: stateDir,
      node: identity.nodeId,
      entries: made.entries,
      merkle_root: made.root,
    }
    const rest = { incarnation: made.incarnation, replaced: made.replaced ?? null }
    printJson(io, { schema: 'lattice.restore/v1', dry_run: false, restored: true, ...facts, ...rest })
    return exitCodes.ok
  }
  print(io, `${counted(made.entries, 'entry')} of ${visible(manifest.name)} restored into ${stateDir}`)
  print(io, `The backup is ${path}, made ${new Date(manifest.made).toISOString()}.`)
  if (made.replaced !== undefined) print(io, `The store that was there is in ${made.replaced}.`)
  print(io, 'Next: lattice start. What is newer comes from the other nodes.')
  return exitCodes.ok
}

/** What is extracted and the store made of it take about three times the file. */
function refuseWithoutRoom(directory: string, path: string, hint: string): void {
  const { bavail, bsize } = statfsSync(directory)
  const [free, needed] = [bavail * bsize, 3 * statSync(path).size]
  if (free >= needed) return
  const [has, lacks] = [mebibytes(free), mebibytes(needed - free)]
  const told = `the disk of ${directory} has no room for it: ${has} are free, ${lacks} more are needed`
  throw new CliError(exitCodes.failed, told, { hint })
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`
}

/**
 * Whose store it becomes. The backup must come from that node, or from one it trusts.
 * `isNew`: the key has no place yet, and gets one once the backup has been found good.
 */
function identityFor(plan: Plan, stateDir: string, io: CliIo): { identity: Identity; isNew: boolean } {
  const { backup, options, configured, trusted } = plan
  const { node, name } = backup.manifest
  const passphrase = passphraseOf(options.withIdentity, io)
  const seed = passphrase === undefined ? undefined : seedOf(backup, passphrase)
  const present = configured !== undefined || existsSync(join(stateDir, identityFile))
  if (seed !== undefined) {
    const restored = identityFromSeed(seed, 'file')
    if (present && openIdentity({ stateDir, configured, storeExists: true }).nodeId !== restored.nodeId)
      throw new CliError(exitCodes.config, `this node has another key than the one in the backup`, {
        code: 'IDENTITY_INVALID',
        hint: 'remove LATTICE_NODE_PRIVKEY_HEX or identity.key, or leave --with-identity out',
      })
    return { identity: restored, isNew: !present }
  }
  const own = present ? openIdentity({ stateDir, configured, storeExists: true }) : undefined
  if (own?.nodeId !== node && !trusted.includes(node)) {
    throw new CliError(
      exitCodes.failed,
      `the backup was made by ${visible(name)} (${node}), a stranger here`,
      {
        hint: 'take its key with --with-identity, or name it in LATTICE_TRUSTED_KEYS',
      },
    )
  }
  return { identity: own ?? identityFromSeed(randomBytes(32), 'generated'), isNew: own === undefined }
}

function seedOf(backup: OpenedBackup, passphrase: string): Uint8Array {
  if (backup.identity === undefined)
    throw new CliError(exitCodes.failed, 'the backup holds no key', {
      hint: 'it was made without --with-identity; put identity.key in place by hand',
    })
  const seed = openSeed(backup.identity, passphrase)
  if (seed === undefined) throw new CliError(exitCodes.failed, 'the passphrase is not that of the backup')
  return seed
}

/** Damage as what it is for the user, and what the system says of the backup or of the place of the store. */
async function damageTold<T>(path: string, place: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    const hint = 'nothing was changed; take an earlier backup'
    if (error instanceof BackupDamage)
      throw new CliError(exitCodes.failed, `${path} cannot be restored: ${error.message}`, { hint })
    const syscall = Error.isError(error) && 'syscall' in error ? error.syscall : undefined
    if (syscall === undefined) throw error
    if (place === path || syscall === 'read')
      throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
    throw new CliError(exitCodes.failed, `${place} cannot be written to (${codeOf(error)})`)
  }
}
