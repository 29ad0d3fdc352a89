/** `lattice help`: commands and their options, for people and as a document. */
import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { printJson } from './io.ts'
import type { Register } from './register.ts'

/** Adds the command. */
export const registerHelp: Register = (program, { io, run }) => {
  program
    .helpCommand(false)
    .command('help [command...]')
    .description('show help for a command')
    .option('--json', 'machine-readable answer (lattice.help/v1)')
    .addHelpText('after', '\nExample:\n  $ lattice help config show')
    .action(
      run((words: readonly string[], options: { json?: boolean }) => {
        const command = words.reduce(commandOf, program)
        if (options.json === true) printJson(io, { schema: 'lattice.help/v1', ...documentOf(command) })
        else command.outputHelp()
        return exitCodes.ok
      }),
    )
}

function commandOf(parent: Command, word: string): Command {
  const found = parent.commands.find(each => each.name() === word)
  if (found !== undefined) return found
  throw new CliError(exitCodes.usage, `unknown command '${word}'`, { hint: '`lattice help` names them all' })
}

function documentOf(command: Command): Readonly<Record<string, unknown>> {
  return {
    command: command.name(),
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map(each => ({
      name: each.name(),
      description: each.description,
      required: each.required,
      variadic: each.variadic,
      choices: each.argChoices ?? null,
    })),
    options: command.options.map(({ flags, description, argChoices }) => ({
      flags,
      description,
      choices: argChoices ?? null,
    })),
    commands: command.commands.map(documentOf),
  }
}
