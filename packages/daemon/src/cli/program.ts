/**
 * The `lattice` command: puts the commands together, and turns every way a run can end into an exit code.
 */
import { Command, CommanderError } from 'commander'

import { registerBackup } from './backup.ts'
import { registerCheck } from './check.ts'
import { registerCompletion } from './completion.ts'
import { registerConfig } from './config.ts'
import { registerDoctor } from './doctor.ts'
import { CliError, describeError, exitCodeOf, exitCodes } from './exit.ts'
import { registerExport } from './export.ts'
import { registerHelp } from './help.ts'
import { registerId } from './id.ts'
import { registerImport } from './import.ts'
import { registerIntegrity } from './integrity.ts'
import { printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import { withOutputOptions } from './output.ts'
import type { CliActions, CommandContext, Register } from './register.ts'
import { registerNetcheck } from './netcheck.ts'
import { registerPeers } from './peers.ts'
import { registerKeys } from './keys.ts'
import { registerPing } from './ping.ts'
import { registerInit } from './init.ts'
import { registerInvite } from './invite.ts'
import { registerJoin } from './join.ts'
import { registerMan } from './man.ts'
import { registerReload } from './reload.ts'
import { registerRestore } from './restore.ts'
import { registerStart } from './start.ts'
import { registerStatus } from './status.ts'
import { registerSupportBundle } from './support-bundle.ts'
import { registerSwitch } from './switch.ts'
import { registerTx } from './tx.ts'
import { registerUp } from './up.ts'
import { registerVerify } from './verify.ts'
import { registerVerifyProof } from './verify-proof.ts'
import { registerWait } from './wait.ts'
import { registerWatch } from './watch.ts'
import { programVersion } from './version.ts'

/** A program ready to run. */
export interface Cli {
  readonly program: Command
  /** Runs one command line (without `node` and script name); resolves the exit code and never rejects. */
  run(argv: readonly string[]): Promise<number>
}

const commands: readonly Register[] = [
  registerStart,
  registerUp,
  registerStatus,
  registerPeers,
  registerPing,
  registerKeys,
  registerTx,
  registerSwitch,
  registerWait,
  registerVerify,
  registerDoctor,
  registerNetcheck,
  registerWatch,
  registerSupportBundle,
  registerVerifyProof,
  registerIntegrity,
  registerExport,
  registerImport,
  registerBackup,
  registerRestore,
  registerId,
  registerConfig,
  registerInit,
  registerInvite,
  registerJoin,
  registerReload,
  registerCheck,
  registerCompletion,
  registerMan,
  registerHelp,
]

/** Builds the program with all its commands. */
export function buildProgram(surroundings: CliIo, actions: CliActions): Cli {
  const io = { ...surroundings }
  const outcome: { code: number } = { code: exitCodes.ok }
  const context: CommandContext = {
    io,
    actions,
    run:
      body =>
      async (...args) => {
        outcome.code = await body(...(args as never[]))
      },
  }
  const program = configure(new Command('lattice'), io)
  for (const register of commands) register(program, context)
  withOutputOptions(program, io)
  return { program, run: argv => runProgram(program, commandFirst(program, argv), io, outcome) }
}

function configure(program: Command, io: CliIo): Command {
  return program
    .description('One key-value state, kept equal on a few servers, over P2P or HTTP, whichever works.')
    .version(programVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
    })
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failed, 2 warning, 64 usage, 69 unavailable, 78 configuration, 124 timeout.' +
        '\n\nExample:\n  $ lattice up\n  $ lattice help start',
    )
}

/** As with git or kubectl: options may stand before the command as well. */
function commandFirst(program: Command, argv: readonly string[]): readonly string[] {
  const at = argv.findIndex(word => program.commands.some(command => command.name() === word))
  const before = argv.slice(0, Math.max(at, 0))
  const isOurs = before[0]?.startsWith('-') === true && !before.some(word => /^(-V|--version)$/.test(word))
  if (!isOurs) return argv
  const after = argv.slice(at)
  const end = after.indexOf('--')
  return end < 0 ? [...after, ...before] : after.toSpliced(end, 0, ...before)
}

async function runProgram(
  program: Command,
  argv: readonly string[],
  io: CliIo,
  outcome: { code: number },
): Promise<number> {
  // As with other servers: the check does not need to know which command would start.
  if (argv[0] === '--check-config') return runProgram(program, ['start', ...argv], io, outcome)
  if (argv.length === 0) {
    program.outputHelp()
    return exitCodes.ok
  }
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return outcome.code
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : usage(program, argv, error, io)
    if (io.signal.aborted) {
      io.stderr.write('interrupted\n')
      return exitCodes.failed
    }
    report(error, io.form !== undefined || argv.includes('--json'), io)
    return exitCodeOf(error)
  }
}

/** commander has told people what is wrong already. */
function usage(program: Command, argv: readonly string[], error: CommanderError, io: CliIo): number {
  const command = program.commands.find(each => each.name() === argv[0])
  const help = `lattice help${command === undefined ? '' : ` ${command.name()}`}`
  if (argv.includes('--json')) {
    const message = error.message.replace(/^error: /, '')
    printJson(io, { schema: 'lattice.error/v1', error: { message, code: null, hint: help } })
  }
  io.stderr.write(`See ${help}.\n`)
  return exitCodes.usage
}

function report(error: unknown, json: boolean, io: CliIo): void {
  const { message, code, hint } = describeError(error)
  if (json)
    printJson(io, { schema: 'lattice.error/v1', error: { message, code: code ?? null, hint: hint ?? null } })
  const lines = message.split('\n').map(visible)
  io.stderr.write(`error: ${lines.join('\n       ')}${code === undefined ? '' : ` [${code}]`}\n`)
  if (hint !== undefined) io.stderr.write(`  try: ${visible(hint)}\n`)
  const isOurs = error instanceof CliError || code !== undefined || hint !== undefined
  if (!isOurs && Error.isError(error)) {
    io.stderr.write(`${error.stack ?? ''}\n`)
  }
}
