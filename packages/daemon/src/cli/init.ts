/**
 * `lattice init`: a commented configuration for the place a node runs in, with what else that place needs.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

import { Option } from 'commander'
import type { Command } from 'commander'

import { formatProblem } from '../config/index.ts'
import { deployFile } from '../host/deploy-files.ts'
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
      if (options.json === true)
        printJson(io, { schema: 'lattice.init/v1', profile: options.profile, files: names })
      else print(io, ...names.map(name => `wrote ${name}`), '', ...nextSteps(options.profile, path))
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
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: force ? 'w' : 'wx' })
  }
}

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
