/** What a start refuses in the state directory, the doctor calls a failure: both look at the same files. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'

import { LatticeError } from '@lattice/core'

import { loadConfig } from '../src/config/index.ts'
import { examine } from '../src/doctor/index.ts'
import { openAdminToken } from '../src/host/admin-token.ts'
import { openIdentity } from '../src/host/identity.ts'
import { openStateDir } from '../src/state-dir.ts'

const [ours, others] = ['ab'.repeat(32), 'cd'.repeat(32)]
let directory = ''
let stateDir = ''

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-doctor-'))
  stateDir = join(directory, 'state')
  fs.mkdirSync(stateDir, { mode: 0o700 })
})
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

function keep(name: string, text: string, mode = 0o600): void {
  fs.writeFileSync(join(stateDir, name), text)
  fs.chmodSync(join(stateDir, name), mode)
}

/** What the doctor says of the state directory, by check. */
async function verdicts(env: Record<string, string>): Promise<Record<string, string>> {
  const loaded = loadConfig({ env, cwd: directory })
  const patient = { loaded, stateDir, env, nodeVersion: '24.22.1', daemon: undefined, online: false }
  const found = await examine({ ...patient, now: Date.now() })
  const checks = new Set(['state-dir', 'identity', 'admin-token'])
  return Object.fromEntries(
    found.filter(({ name }) => checks.has(name)).map(each => [each.name, each.verdict]),
  )
}

/** The first steps of a start, as the daemon takes them. */
function start(env: Record<string, string>): void {
  const { config } = loadConfig({ env, cwd: directory })
  const opened = openStateDir(stateDir)
  try {
    openIdentity({ stateDir, configured: config?.nodePrivkeyHex })
    openAdminToken(stateDir, config?.adminToken)
  } finally {
    opened.release()
  }
}

const faults: readonly (readonly [what: string, check: string, inject: () => Record<string, string>])[] = [
  [
    'two keys',
    'identity',
    () => {
      keep('identity.key', `${ours}\n`)
      return { LATTICE_NODE_PRIVKEY_HEX: others }
    },
  ],
  [
    'a key that others can read, though another is configured',
    'identity',
    () => {
      keep('identity.key', `${ours}\n`, 0o644)
      return { LATTICE_NODE_PRIVKEY_HEX: ours }
    },
  ],
  ['a key with a blank behind it', 'identity', () => (keep('identity.key', `${ours} \n`), {})],
  ['a token that is none', 'admin-token', () => (keep('admin.token', 'short\n'), {})],
  ['an empty token', 'admin-token', () => (keep('admin.token', ''), {})],
  [
    'a file in the way of the directory',
    'state-dir',
    () => {
      keep('file', '')
      stateDir = join(stateDir, 'file', 'state')
      return {}
    },
  ],
]

it.each(faults)('%s: no start, and a failure', async (_what, check, inject) => {
  const env = inject()
  expect((await verdicts(env))[check]).toBe('fail')
  expect(() => start(env)).toThrow(LatticeError)
})

it('what a start takes passes: nothing yet, the same key twice, a key and a token in files', async () => {
  const all = { 'state-dir': 'pass', identity: 'pass', 'admin-token': 'pass' }
  fs.rmSync(stateDir, { recursive: true })
  expect(await verdicts({})).toEqual(all)
  fs.mkdirSync(stateDir, { mode: 0o700 })
  keep('identity.key', `${ours}\r\n`)
  keep('admin.token', 'sixteen-letters!\n')
  for (const env of [{}, { LATTICE_NODE_PRIVKEY_HEX: ours.toUpperCase() }]) {
    expect(await verdicts(env)).toEqual(all)
    start(env)
  }
})
