/** `lattice man`: the manual pages, written from the commands and the table of settings. */
import { Argument } from 'commander'
import type { Command } from 'commander'

import { flagOf, settingNames, settingOf } from '../config/index.ts'
import { exitCodes } from './exit.ts'
import { printJson } from './io.ts'
import type { Register } from './register.ts'
import { programVersion } from './version.ts'

const pages = ['lattice.1', 'lattice.8', 'lattice.env.5'] as const
type Page = (typeof pages)[number]

/** Adds the command. */
export const registerMan: Register = (program, { io, run }) => {
  program
    .command('man')
    .addArgument(new Argument('[page]', 'which page').choices(pages).default('lattice.1'))
    .description('print a manual page')
    .option('--json', 'machine-readable answer (lattice.man/v1)')
    .addHelpText('after', '\nExample:\n  $ lattice man | man -l -\n  $ lattice man lattice.env.5 | man -l -')
    .action(
      run((page: Page, options: { json?: boolean }) => {
        const text = writers[page](program)
        if (options.json === true) printJson(io, { schema: 'lattice.man/v1', page, text })
        else io.stdout.write(text)
        return exitCodes.ok
      }),
    )
}

const writers: Readonly<Record<Page, (program: Command) => string>> = {
  'lattice.1': program =>
    document('LATTICE', 1, 'lattice', program.description(), [
      section('SYNOPSIS', ['.B lattice', '.I command', '.RI [ options ]']),
      section(
        'COMMANDS',
        program.commands.flatMap(each => commandText(each, '')),
      ),
      section(
        'EXIT STATUS',
        exitRows.flatMap(([code, meaning]) => ['.TP', `.B ${code}`, escape(meaning)]),
      ),
      section(
        'ENVIRONMENT',
        environmentRows.flatMap(([name, text]) => ['.TP', `.B ${name}`, escape(text)]),
      ),
      section('SEE ALSO', ['.BR lattice (8),', '.BR lattice.env (5)']),
    ]),
  'lattice.8': () =>
    document('LATTICE', 8, 'lattice', 'the Lattice daemon as a service', [
      section('SYNOPSIS', ['.B lattice start', '.RI [ options ]']),
      section('DESCRIPTION', paragraphs(serviceText)),
      section(
        'SIGNALS',
        signalRows.flatMap(([name, text]) => ['.TP', `.B ${name}`, escape(text)]),
      ),
      section(
        'FILES',
        fileRows.flatMap(([name, text]) => ['.TP', `.I ${escape(name)}`, escape(text)]),
      ),
      section('SEE ALSO', ['.BR lattice (1),', '.BR lattice.env (5),', '.BR systemd.service (5)']),
    ]),
  'lattice.env.5': () =>
    document('LATTICE.ENV', 5, 'lattice.env', 'settings of the Lattice daemon', [
      section('DESCRIPTION', paragraphs(fileText)),
      section('SETTINGS', settingNames.flatMap(settingText)),
      section('SEE ALSO', ['.BR lattice (1),', '.BR lattice (8)']),
    ]),
}

const exitRows = [
  ['0', 'ok'],
  ['1', 'failed'],
  ['2', 'done, with a warning'],
  ['64', 'wrong usage'],
  ['69', 'the daemon or another node is not available'],
  ['78', 'wrong configuration'],
  ['124', 'timeout'],
  ['0 to 3', 'lattice check only: OK, WARNING, CRITICAL, UNKNOWN, as monitoring plugins have it'],
] as const

const environmentRows = [
  ['LATTICE_URL', 'base URL of the daemon that commands talk to'],
  ['LATTICE_CONFIG', 'configuration file, as with --config'],
  ['LATTICE_…', 'every setting of lattice.env(5)'],
  ['NO_COLOR', 'no colour, whatever the terminal'],
  ['FORCE_COLOR', 'colour without a terminal, too'],
] as const

const serviceText =
  'The daemon keeps one key-value state equal on a small federation of servers, over libp2p or HTTP, whichever ' +
  'works. Under systemd it says READY=1 once the store is open, the state is loaded and HTTP listens; it answers ' +
  'the watchdog only while its event loop, its store and its engine move.\n' +
  'A wrong configuration ends it with 78 and wrong usage with 64; the unit does not restart it then.'

const signalRows = [
  ['SIGTERM, SIGINT', 'stop in good order, within 10 seconds'],
  ['SIGHUP', 'read the configuration file again; what cannot change while running is named in the log'],
] as const

const fileRows = [
  ['/etc/lattice/lattice.env', 'settings'],
  ['/etc/default/lattice', 'environment of the service'],
  ['/etc/lattice/secrets/', 'credentials: admin-token, node-privkey-hex'],
  ['/var/lib/lattice/', 'state: store, identity, admin token'],
] as const

const fileText =
  'One KEY=value a line, # for comments. Flags and environment variables of the same name win over the file; what ' +
  'nobody sets has its default. Unknown keys are errors. lattice config shows every value with its origin.\n' +
  'Durations are written 5, 5s, 500ms or 2m. Secrets may come from a file: add _FILE to the name.'

function settingText(name: (typeof settingNames)[number]): readonly string[] {
  const { meaning, form, secret, reloadable, fallback } = settingOf(name)
  const standard = name === 'NODE_NAME' ? 'the host name' : fallback({ space: undefined })
  const facts = [
    `${meaning} (${form}).`,
    standard === undefined || standard === '' ? '' : `Default: ${standard}.`,
    secret === true ? 'Secret: no flag.' : `Flag: ${flagOf(name)}.`,
    reloadable === true ? 'Takes effect on reload.' : '',
  ]
  return ['.TP', `.B LATTICE_${name}`, escape(facts.filter(fact => fact !== '').join(' '))]
}

function commandText(command: Command, lead: string): readonly string[] {
  const name = `${lead}${command.name()}`
  const options = command.options.filter(option => !option.hidden)
  return [
    `.SS ${escape(`${name} ${command.usage()}`)}`,
    escape(command.description()),
    ...options.flatMap(option => ['.TP', `.B ${escape(option.flags)}`, escape(option.description)]),
    ...command.commands.flatMap(each => commandText(each, `${name} `)),
  ]
}

function document(
  title: string,
  number: number,
  name: string,
  summary: string,
  parts: readonly string[],
): string {
  const head = `.TH ${title} ${number} "" "Lattice ${programVersion()}" "Lattice"`
  return [head, section('NAME', [`${name} \\- ${escape(summary)}`]), ...parts].join('\n') + '\n'
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join('\n')
}

function paragraphs(text: string): readonly string[] {
  return text.split('\n').flatMap(each => ['.PP', escape(each)])
}

/** Text for roff: dashes stay dashes, and no line begins with a control character. */
function escape(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('\n', ' ')
    .replace(/^([.'])/, '\\&$1')
}
