/** `lattice switch`: ask for auto, p2p or http. */
import { parseDuration } from '@lattice/api'
import type { Command } from 'commander'
import { Argument } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { print, printJson, visible } from './io.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'

const modes = ['auto', 'p2p', 'http'] as const

/** Adds the command. */
export const registerSwitch: Register = (program, { io, run }) => {
  const command = withRemote(program.command('switch'), 'switch')
    .description('ask for a sync mode; remembered over a restart')
    .addArgument(new Argument('<mode>', 'auto: P2P with HTTP as fallback').choices(modes))
    .option('--for <duration>', 'back to auto by itself after this long, such as 30m')
    .option('--reason <text>', 'why, for status, log and history')
    .addHelpText('after', '\nExample:\n  $ lattice switch http --for 30m --reason "server move"')
  command.action(
    run(async (mode: (typeof modes)[number], options: { for?: string; reason?: string }, self: Command) => {
      if (options.for !== undefined && parseDuration(options.for) === undefined) {
        throw new CliError(exitCodes.usage, `"${options.for}" is not a duration`, {
          hint: 'write 90s, 30m or 2h',
        })
      }
      const session = openSession(self, io)
      const query = {
        mode,
        ...(options.for === undefined ? {} : { for: options.for }),
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      }
      const { success: _, ...answer } = await calling(session, client => client.switchMode({ query }))
      if (session.json) {
        printJson(io, { schema: 'lattice.switch/v1', ...answer })
        return exitCodes.ok
      }
      const until = answer.until === null ? '' : ` until ${answer.until}, then back to auto`
      print(io, `Mode ${answer.previous.toUpperCase()} → ${answer.requested.toUpperCase()}${until}.`)
      print(io, visible(answer.message))
      if (answer.requested !== 'auto') print(io, 'Undo: lattice switch auto')
      return exitCodes.ok
    }),
  )
}
