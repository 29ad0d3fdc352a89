/**
 * `lattice check health|sync|peer|disk`: one finding for a monitor, in its own language. Exit codes are those of
 * monitoring plugins (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN), not those of the other commands.
 */
import { parseDuration } from '@lattice/api'
import type { Client } from '@lattice/api'
import { Argument, Option } from 'commander'
import type { Command } from 'commander'

import { checkFormats, formatCheck, stateCodes, type CheckFormat } from './check-format.ts'
import { checks, type CheckName, type Finding, type Limits } from './check-rules.ts'
import { CliError, exitCodes } from './exit.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { isApiError, openSession, withRemote } from './session.ts'

/** Adds the command. */
export const registerCheck: Register = (program, { io, run }) => {
  const what = new Argument('<what>', 'what to look at').choices(Object.keys(checks))
  const format = new Option('--format <format>', 'how to say it').choices([...checkFormats]).default('text')
  const command = withRemote(program.command('check').addArgument(what), 'check')
    .argument('[node]', 'with peer: the name or peer id of one node')
    .description('one finding about a running node for a monitor, with the exit codes of monitoring plugins')
    .addOption(format)
    .option('--warn <number>', 'sync: operations behind (100); disk: percent free (5)')
    .option('--critical <number>', 'sync: operations behind (1000); disk: percent free (1)')
    .option('--ignore-degraded', 'health: a node that serves is OK, also on its fallback path')
    .option('--timeout <duration>', 'how long the node may take to answer', '2500ms')
    .addHelpText(
      'after',
      '\nExit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; 64 usage, 78 configuration.' +
        '\n\nExample:\n  $ lattice check sync --warn 100 --critical 1000 --format nagios',
    )
  command.action(
    run(async (name: CheckName, node: string | undefined, options: CheckOptions, self: Command) => {
      if (node !== undefined && name !== 'peer')
        throw new CliError(exitCodes.usage, `check ${name} is about the node that is asked, not "${node}"`, {
          hint: `lattice check peer ${node}, or lattice check ${name} --url URL`,
        })
      const asked = limitsOf(name, options)
      const limits = { ...asked, ...(node === undefined ? {} : { node }) }
      const finding = await look(name, limits, options, self, io)
      const chosen: CheckFormat = options.json === true ? 'json' : options.format
      io.stdout.write(formatCheck(chosen, name, finding))
      return stateCodes[finding.state]
    }),
  )
}

interface CheckOptions {
  readonly format: CheckFormat
  readonly json?: boolean
  readonly warn?: string
  readonly critical?: string
  readonly ignoreDegraded?: boolean
  readonly timeout: string
}

function limitsOf(name: CheckName, options: CheckOptions): Limits {
  const { warn, critical } = checks[name].limits
  return {
    warn: numberOf('--warn', options.warn, warn),
    critical: numberOf('--critical', options.critical, critical),
    ignoreDegraded: options.ignoreDegraded === true,
  }
}

function numberOf(flag: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text)
  if (Number.isFinite(value) && value >= 0 && text !== '') return value
  throw new CliError(exitCodes.usage, `${flag} ${text ?? ''} is not a number of 0 or more`)
}

/** A node that cannot be asked is a finding too. */
async function look(
  name: CheckName,
  limits: Limits,
  options: CheckOptions,
  command: Command,
  io: CliIo,
): Promise<Finding> {
  const timeoutMs = parseDuration(options.timeout)
  if (timeoutMs === undefined) throw new CliError(exitCodes.usage, `"${options.timeout}" is not a duration`)
  const session = openSession(command, io, timeoutMs)
  try {
    const client: Client = session.client
    return await checks[name].look(client, limits)
  } catch (error) {
    if (!isApiError(error)) throw error
    const down = name === 'health' && error.code === 'UNREACHABLE'
    return { state: down ? 'critical' : 'unknown', text: `${error.message} [${error.code}]`, values: [] }
  }
}
