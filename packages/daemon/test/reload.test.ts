/**
 * Reload: what may change while running does, the rest is named, and a wrong file changes nothing (row C7).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'

import { loadConfig, settingNames, settingOf } from '../src/config/index.ts'
import { silentLog } from '../src/host/log.ts'
import { createReload } from '../src/reload.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-reload-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const load = (env: Record<string, string>) => loadConfig({ env, cwd: directory })

function reloader() {
  const applied: unknown[] = []
  const reload = createReload({
    started: load({ LATTICE_ADMIN_TOKEN: 'first-token-of-mine' }),
    stateDir: directory,
    log: silentLog,
    appliers: {
      LOG_LEVEL: config => applied.push(config.logLevel),
      HTTP_POLL_INTERVAL: config => applied.push(config.httpPollIntervalMs),
    },
  })
  return { applied, reload: (env: Record<string, string>) => reload(() => load(env)) }
}

it('C7: applies the reloadable set, names what needs a restart, and goes on naming it', () => {
  const { applied, reload } = reloader()
  const env = {
    LATTICE_LOG_LEVEL: 'debug',
    LATTICE_HTTP_POLL_INTERVAL: '2s',
    LATTICE_HTTP_PORT: '8123',
    LATTICE_ADMIN_TOKEN: 'second-token-of-mine',
  }
  const first = reload(env)
  expect(applied).toEqual([2000, 'debug'])
  expect(first.applied.map(({ name, from, to }) => [name, from, to])).toEqual([
    ['HTTP_POLL_INTERVAL', '10s', '2s'],
    ['LOG_LEVEL', 'info', 'debug'],
  ])
  expect(first.needsRestart).toEqual(['LATTICE_HTTP_PORT', 'LATTICE_ADMIN_TOKEN'])
  expect(JSON.parse(readFileSync(join(directory, 'reload.json'), 'utf8'))).toEqual(first)
  expect(JSON.stringify(first)).not.toContain('token-of-mine')
  const second = reload(env)
  expect(second).toMatchObject({ applied: [], needsRestart: first.needsRestart })
  expect(applied).toHaveLength(2)
})

it('a configuration with problems, or one that is refused in production, changes nothing', () => {
  const { applied, reload } = reloader()
  for (const env of [
    { LATTICE_LOG_LEVEL: 'debug', LATTICE_HTTP_PORT: 'x' },
    { LATTICE_LOG_LEVEL: 'debug', LATTICE_ENVIRONMENT: 'production' },
  ]) {
    const outcome = reload(env)
    expect([outcome.applied, outcome.needsRestart, outcome.problems.length]).toEqual([[], [], 1])
  }
  expect(applied).toEqual([])
})

it('every setting that calls itself reloadable is one that the daemon applies', () => {
  const reloadable = settingNames.filter(name => settingOf(name).reloadable === true)
  const daemon = readFileSync(join(import.meta.dirname, '../src/daemon.ts'), 'utf8')
  for (const name of reloadable) expect(daemon).toMatch(new RegExp(`^ +${name}: `, 'm'))
})
