/**
 * What every command lets its user choose about its answer: the form (`-o`), colour, and for those that show
 * how things are, repetition (after kubectl).
 */
import { setTimeout as delay } from 'node:timers/promises'

import { formatDuration, parseDuration } from '@lattice/api'
import { Option } from 'commander'
import type { Command } from 'commander'

import { CliError, exitCodes, type ExitCode } from './exit.ts'
import { print, visible } from './io.ts'
import type { CliIo } from './io.ts'

/** Documents, for programs; every command with `--json` has both. */
const documentForms = ['json', 'yaml'] as const
/** For eyes (everything, however wide), and for loops of a shell (names alone). */
export type TextForm = 'wide' | 'name'

/** Two looks a second apart differ little, and five seconds are long for eyes. */
const lookEveryMs = 2_000
/** Looks closer together are load, and nothing that eyes could follow. */
export const lookEveryMsMin = 500
const clearScreen = '\u001b[H\u001b[2J'

/** Adds `-o` with `wide` and `name` beside the documents, and `--watch`. */
export function withTextForms(command: Command): Command {
  return command
    .addOption(outputOption(['wide', 'name']))
    .option(
      '--watch [every]',
      `look again and again (default: every ${formatDuration(lookEveryMs)}), until Ctrl-C`,
    )
}

/** Adds `-o` to every command that has `--json`, and `--no-color` to all; `io` then follows what was chosen. */
export function withOutputOptions(
  program: Command,
  io: { -readonly [Name in keyof CliIo]: CliIo[Name] },
): void {
  program.option('--no-color', 'no colours, as with NO_COLOR=1')
  program.on('option:no-color', () => {
    io.env = { ...io.env, NO_COLOR: '1' }
  })
  for (const command of program.commands.flatMap(each => [each, ...each.commands])) {
    const has = (flag: string): boolean => command.options.some(option => option.long === flag)
    if (has('--json') && !has('--output')) command.addOption(outputOption([]))
  }
  program.hook('preAction', (_program, command) => {
    const { output, json } = command.opts<{ output?: string; json?: boolean }>()
    const form = documentForms.find(each => each === output) ?? (json === true ? 'json' : undefined)
    if (form === undefined) return
    io.form = form
    command.setOptionValue('json', true)
  })
}

/** The form for eyes or loops that was asked for. */
export function textFormOf(command: Command): TextForm | undefined {
  const { output } = command.opts<{ output?: string }>()
  return output === 'wide' || output === 'name' ? output : undefined
}

/**
 * Runs `look` once, or with `--watch` until the user interrupts; the exit code of the last look. A daemon
 * that does not answer ends a single look, and only a line of a watch.
 */
export async function looking(command: Command, io: CliIo, look: () => Promise<ExitCode>): Promise<ExitCode> {
  const everyMs = everyOf(command)
  if (everyMs === undefined) return look()
  let code: ExitCode = exitCodes.ok
  for (let turn = 0; !io.signal.aborted; turn += 1) {
    if (io.stdout.isTTY === true) io.stdout.write(clearScreen)
    else if (turn > 0 && io.form === undefined) print(io, '')
    try {
      code = await look()
    } catch (error) {
      if (io.signal.aborted) break
      if (!(error instanceof CliError)) throw error
      io.stderr.write(`${visible(error.message)}\n`)
      code = error.exitCode
    }
    await delay(everyMs, undefined, { signal: io.signal }).catch(() => undefined)
  }
  return code
}

function everyOf(command: Command): number | undefined {
  const { watch } = command.opts<{ watch?: string | true }>()
  if (watch === undefined || watch === true) return watch && lookEveryMs
  const ms = parseDuration(watch)
  if (ms !== undefined && ms >= lookEveryMsMin) return ms
  throw new CliError(
    exitCodes.usage,
    `--watch takes a duration from ${formatDuration(lookEveryMsMin)} on, not "${watch}"`,
  )
}

function outputOption(text: readonly TextForm[]): Option {
  const forms = [...text, ...documentForms]
  return new Option('-o, --output <form>', 'another form of the answer').choices(forms)
}
