/** What the settings say, and whether they fit each other and the place. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { formatDuration } from '@lattice/api'

import { formatProblem } from '../config/index.ts'
import { counted } from '../counted.ts'
import { identityFile } from '../host/identity.ts'
import { snapshotSeq, unusedPrefix } from '../snapshot/index.ts'
import { fail, pass, skip, warn, type Check, type Patient } from './diagnosis.ts'

const show = 'lattice config'

/** Checks of the settings. */
export const settingChecks: readonly Check[] = [
  {
    name: 'settings-valid',
    look: ({ loaded: { problems } }) =>
      problems.length === 0
        ? pass('every setting is well formed')
        : fail(`${problems.length} wrong`, problems.map(formatProblem).join('; '), show),
  },
  {
    name: 'settings-secure',
    look: ({ loaded: { insecure, config } }) => {
      if (config === undefined) return skip('the settings are wrong')
      if (insecure.length === 0) return pass(`nothing that ${config.environment} forbids`)
      return fail('a start would be refused', insecure.map(formatProblem).join('; '), show)
    },
  },
  {
    name: 'settings-clean',
    look: ({ loaded: { warnings } }) => {
      const others = warnings.filter(each => each.kind !== 'insecure')
      if (others.length === 0) return pass('no old names, no contradictions')
      return warn(`${others.length} to look at`, others.map(formatProblem).join('; '), show)
    },
  },
  {
    name: 'members',
    look: ({ loaded }) => {
      const trusted = loaded.lookup('TRUSTED_KEYS') ?? []
      if (trusted.length > 0) return pass(`${trusted.length} trusted keys`)
      const cause = 'this node serves its own clients and refuses all sync'
      return warn('no trusted keys', cause, 'lattice invite here, lattice join on the others')
    },
  },
  {
    name: 'paths',
    look: ({ loaded }) => {
      const http = loaded.lookup('NODES')?.length ?? 0
      const p2p = loaded.lookup('P2P_ENABLED') === true ? (loaded.lookup('P2P_BOOTSTRAP')?.length ?? 0) : 0
      const text = `${counted(http, 'node')} over HTTP, ${p2p} over P2P`
      if ((loaded.lookup('TRUSTED_KEYS')?.length ?? 0) === 0) return skip('no members to reach')
      if (http > 0 && (p2p > 0 || loaded.lookup('P2P_ENABLED') === false)) return pass(text)
      if (http + p2p === 0) return warn(text, 'it can only wait to be called', 'set LATTICE_NODES')
      const missing = http === 0 ? 'LATTICE_NODES' : 'LATTICE_P2P_BOOTSTRAP'
      return warn(text, 'when this path fails there is no other', `set ${missing}`)
    },
  },
  { name: 'announce', look: announced },
  {
    name: 'space-identity',
    look: ({ loaded, env }) => {
      if (env['SPACE_ID'] === undefined) return skip('not on a Space')
      if (loaded.lookup('NODE_PRIVKEY_HEX') !== undefined) return pass('the key comes from a secret')
      const cause = 'the disk of a Space is lost at each restart, and the peer id with it'
      return fail('the key lies on the disk of a Space', cause, 'set the secret LATTICE_NODE_PRIVKEY_HEX')
    },
  },
  {
    name: 'one-key',
    look: ({ loaded, stateDir }) => {
      const configured = loaded.lookup('NODE_PRIVKEY_HEX') !== undefined
      const kept = existsSync(join(stateDir, identityFile))
      if (!configured || !kept) return pass('the key comes from one place')
      const cause = 'a start is refused when they differ'
      return warn('the key is set, and there is identity.key', cause, `keep one of them`)
    },
  },
  { name: 'snapshots', look: patient => snapshotsOf(patient) },
]

function announced({ loaded }: Patient): ReturnType<typeof pass> {
  if (loaded.lookup('P2P_ENABLED') !== true) return skip('P2P is off')
  const listen = loaded.lookup('P2P_LISTEN') ?? []
  const announce = loaded.lookup('P2P_ANNOUNCE') ?? []
  const isLocal = (address: string): boolean => /^\/(ip4\/127\.|ip6\/::1\/|dns4?\/localhost\/)/.test(address)
  if (announce.some(address => !isLocal(address))) return pass(`announced at ${announce.join(', ')}`)
  const members = loaded.lookup('TRUSTED_KEYS')?.length ?? 0
  if (members === 0 || listen.some(address => !isLocal(address)))
    return pass(`P2P listens on ${listen.join(', ') || 'the HTTP port only'}`)
  const cause = 'nobody beyond this machine can dial this node over P2P; it still dials the others'
  return warn('P2P listens on loopback only', cause, 'set LATTICE_P2P_LISTEN, or LATTICE_P2P_ANNOUNCE')
}

function snapshotsOf({ loaded, now }: Patient): ReturnType<typeof pass> {
  const directory = loaded.lookup('SNAPSHOT_DIR')
  if (directory === undefined) return skip('LATTICE_SNAPSHOT_DIR is not set')
  try {
    const found = readdirSync(directory)
    const unused = found.filter(name => name.startsWith(unusedPrefix))
    const names = found.filter(name => snapshotSeq(name) !== undefined)
    if (unused.length > 0) {
      const cause = 'a start could not use them, and they may hold what this node lacks'
      return warn(`${unused.join(', ')} in ${directory}`, cause, 'remove them once nothing is missed')
    }
    const newest = Math.max(0, ...names.map(name => statSync(join(directory, name)).mtimeMs))
    if (newest === 0) return warn(`${directory} holds none yet`, 'an empty disk would start empty', 'wait')
    const ageMs = Math.max(0, now - newest)
    return pass(
      `${names.length} in ${directory}, the newest ${formatDuration(Math.round(ageMs / 1000) * 1000)} old`,
    )
  } catch (error) {
    const cause = Error.isError(error) ? error.message : String(error)
    return fail(`${directory} cannot be read`, cause, `ls -ld ${directory}`)
  }
}
