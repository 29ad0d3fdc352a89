/** `lattice start`: the daemon. */
import type { Command } from 'commander'

import { requireConfig } from '../config/index.ts'
import { exitCodes } from './exit.ts'
import { print, printJson } from './io.ts'
import type { Register } from './register.ts'
import { loadFrom, withSettings } from './settings.ts'

/** Adds the command. */
export const registerStart: Register = (program, { io, run, actions }) => {
  const command = withSettings(program.command('start'))
    .description('run the daemon in the foreground')
    .option('--check-config', 'only check the settings, as a start would, and exit')
    .option('--json', 'with --check-config: machine-readable answer (lattice.check-config/v1)')
    .addHelpText(
      'after',
      '\nSecrets have no flag: use LATTICE_ADMIN_TOKEN(_FILE) and LATTICE_NODE_PRIVKEY_HEX(_FILE).' +
        '\n\nExample:\n  $ lattice start --config /etc/lattice/lattice.env --http-port 8000',
    )
  command.action(
    run(async (_options, self: Command) => {
      const loaded = loadFrom(self, io)
      const config = requireConfig(loaded)
      const { checkConfig, json } = self.opts<{ checkConfig?: boolean; json?: boolean }>()
      if (checkConfig !== true)
        return actions.startDaemon(config, { loaded, reload: () => loadFrom(self, io), io })
      if (json === true) printJson(io, { schema: 'lattice.check-config/v1', valid: true })
      else print(io, 'The configuration is valid.')
      return exitCodes.ok
    }),
  )
}
