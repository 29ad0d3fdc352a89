/** `lattice id`: the identity of this node, made where there is none; needs no daemon. */
import { resolve } from 'node:path'

import type { Command } from 'commander'

import type { Loaded, Secret, SettingName } from '../config/index.ts'
import { openIdentity } from '../host/identity.ts'
import { exitCodes } from './exit.ts'
import { print, printJson } from './io.ts'
import type { Register } from './register.ts'
import { loadFrom, refuseFaults, withSettings } from './settings.ts'

/** Adds the command. */
export const registerId: Register = (program, { io, run }) => {
  const command = withSettings(program.command('id'), ['STATE_DIR'])
    .description('print peer id and public key of this node; creates the identity where there is none')
    .option('--json', 'machine-readable answer (lattice.id/v1)')
    .addHelpText('after', '\nExample:\n  $ lattice id --state-dir /var/lib/lattice')
  command.action(
    run((_options, self: Command) => {
      const { stateDir, configured } = identitySettings(loadFrom(self, io), io.cwd)
      const identity = openIdentity({ stateDir, configured })
      const publicKey = Buffer.from(identity.publicKey).toString('hex')
      if (self.opts<{ json?: boolean }>().json === true) {
        printJson(io, { schema: 'lattice.id/v1', peer_id: identity.peerId, public_key: publicKey })
      } else {
        print(io, `peer id     ${identity.peerId}`, `public key  ${publicKey}`)
        if (identity.source === 'generated') io.stderr.write(`A new identity was created in ${stateDir}.\n`)
      }
      return exitCodes.ok
    }),
  )
}

/**
 * Only what the identity needs has to be right: other keys may still wait for the very id that is asked
 * for.
 */
export function identitySettings(
  loaded: Loaded,
  cwd: string,
  alsoNeeded: readonly SettingName[] = [],
): { stateDir: string; configured: Secret | undefined } {
  refuseFaults(loaded, ['STATE_DIR', 'NODE_PRIVKEY_HEX', ...alsoNeeded])
  const stateDir = resolve(cwd, loaded.lookup('STATE_DIR') ?? './data')
  return { stateDir, configured: loaded.lookup('NODE_PRIVKEY_HEX') }
}
