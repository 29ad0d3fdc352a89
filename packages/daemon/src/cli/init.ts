/**
 * `lattice init`: a commented configuration for the place a node runs in, with what else that place needs.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

import { Option } from 'commander'
import type { Command } from 'commander'

import { formatProblem } from '../config/index.ts'
import { deployFile } from '../host/deploy-files.ts'
import { makeDirectory } from '../host/directory.ts'
import { codeOf } from '../host/private-file.ts'
import { profileNames, profileText, type ProfileName } from '../profiles/index.ts'
import { CliError, exitCodes } from './exit.ts'
import { print, printJson } from './io.ts'
import type { Register } from './register.ts'
import { flagsOf, loadOnlyFlags, withSettingFlags } from './settings.ts'

/** Adds the command. */
export const registerInit: Register = (program, { io, run }) => {
  const profile = new Option('--profile <name>', 'where the node will run')
    .choices([...profileNames])
    .makeOptionMandatory()
  const command = withSettingFlags(program.command('init').addOption(profile))
    .description('write a commented configuration for a place, with your values')
    .option('--http-only', 'without P2P')
    .option('--out <directory>', 'where the files go', '.')
    .option('--force', 'replace files that are there')
    .option('--json', 'machine-readable answer (lattice.init/v1)')
    .addHelpText(
      'after',
      '\nhf-space also writes Dockerfile, README.md and .dockerignore; server and backup a systemd unit.' +
        '\nEvery setting can be given as a flag; the others keep the value of the profile.' +
        '\n\nExample:\n  $ lattice init --profile server --node-name node2 --out /etc/lattice',
    )
  command.action(
    run((options: InitOptions, self: Command) => {
      const given = flagsOf(self)
      const { problems } = loadOnlyFlags(given, io)
      if (problems.length > 0)
        throw new CliError(exitCodes.config, problems.map(formatProblem).join('\n'), {
          code: 'CONFIG_INVALID',
        })
      const out = resolve(io.cwd, options.out)
      const path = join(out, 'lattice.env')
      const shown = relative(io.cwd, path)
      const text = profileText(options.profile, {
        path: shown.startsWith('..') ? path : shown,
        httpOnly: options.httpOnly === true,
        given,
      })
      const files: readonly WrittenFile[] = [[path, text], ...companions(options.profile, out)]
      writeAll(files, options.force === true)
      const names = files.map(([name]) => name)
      const notes = notesOn(files, given.STATE_DIR)
      if (options.json === true)
        printJson(io, { schema: 'lattice.init/v1', profile: options.profile, files: names, notes })
      else {
        const said = [...notes, ...nextSteps(options.profile, path)]
        print(io, ...names.map(name => `wrote ${name}`), '', ...said)
      }
      return exitCodes.ok
    }),
  )
}

interface InitOptions {
  readonly profile: ProfileName
  readonly httpOnly?: boolean
  readonly out: string
  readonly force?: boolean
  readonly json?: boolean
}

type WrittenFile = readonly [path: string, text: string]

function companions(profile: ProfileName, out: string): readonly WrittenFile[] {
  const files: Readonly<Partial<Record<ProfileName, readonly string[]>>> = {
    'hf-space': ['huggingface/Dockerfile', 'huggingface/README.md', 'huggingface/.dockerignore'],
    server: ['systemd/lattice.service'],
    backup: ['systemd/lattice.service'],
  }
  return (files[profile] ?? []).map(name => [join(out, name.slice(name.indexOf('/') + 1)), deployFile(name)])
}

/** All files or none: looked at first, so that nothing is replaced halfway. */
function writeAll(files: readonly WrittenFile[], force: boolean): void {
  const there = files.filter(([path]) => !force && existsSync(path)).map(([path]) => path)
  if (there.length > 0) {
    throw new CliError(
      exitCodes.failed,
      `${there.join(', ')} ${there.length === 1 ? 'exists' : 'exist'} already`,
      {
        hint: 'use --force to replace, or --out for another directory',
      },
    )
  }
  for (const [path, text] of files) {
    try {
      makeDirectory(dirname(path), 0o777)
      writeFileSync(path, text, { flag: force ? 'w' : 'wx' })
    } catch (error) {
      throw new CliError(exitCodes.failed, `${path} cannot be written (${codeOf(error)})`)
    }
  }
}

/** The unit sets STATE_DIR in the environment of the daemon, which wins over the file that was written. */
function notesOn(files: readonly WrittenFile[], stateDir: string | undefined): readonly string[] {
  const unit = files.find(([, text]) => text.includes(`LATTICE_STATE_DIR=%S/${unitStateDirectory}`))
  const there = `/var/lib/${unitStateDirectory}`
  if (unit === undefined || stateDir === undefined || resolve('/', stateDir) === there) return []
  return [`STATE_DIR ${stateDir} is for a start by hand: as a service by ${unit[0]} the node uses ${there}.`]
}

/** As the unit has it, below the directory of systemd for state. */
const unitStateDirectory = 'lattice'

function nextSteps(profile: ProfileName, path: string): readonly string[] {
  const check = `Next: lattice config validate ${path}`
  if (profile === 'hf-space')
    return [
      check,
      'Then set the Space secrets LATTICE_NODE_PRIVKEY_HEX and LATTICE_ADMIN_TOKEN, and push these files',
      'at the top of the sources of Lattice, of which the Space builds its image: docs/deploy/space.md.',
    ]
  return [check, `Then: lattice invite --config ${path}, and lattice join on the other nodes.`]
}
