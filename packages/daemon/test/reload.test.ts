/**
 * Reload: what may change while running does, the rest is named, and a wrong file changes nothing (row C7).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { loadConfig, settingNames, settingOf } from '../src/config/index.ts'
import { engineParams } from '../src/engine-params.ts'
import { silentLog } from '../src/host/log.ts'
import { reloaderOf, Reloads, type InForce } from '../src/reload.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-reload-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const load = (env: Record<string, string>) => loadConfig({ env, cwd: directory })

type Env = Record<string, string>

function start(env: Env): InForce {
  const loaded = load({ LATTICE_ADMIN_TOKEN: 'first-token-of-mine', LATTICE_STATE_DIR: directory, ...env })
  if (loaded.config === undefined) throw new Error(loaded.problems.map(({ text }) => text).join())
  return { config: loaded.config, loaded }
}

/** A daemon that was started with `started`, as far as a reload is concerned. */
function reloader(started = start({})) {
  const levels: unknown[] = []
  const params = engineParams(started.config)
  const log = { ...silentLog, setLevel: (level: unknown) => void levels.push(level) }
  const daemon = reloaderOf({ started, log, params })
  const state = { LATTICE_STATE_DIR: directory }
  const reload = (env: Env) => daemon.reload(() => load({ ...state, ...env }))
  return { levels, params, inForce: daemon.inForce, reload, daemon }
}

it('C7: applies the reloadable set, names what needs a restart, and goes on naming it', () => {
  const { levels, params, reload } = reloader()
  const env = {
    LATTICE_LOG_LEVEL: 'debug',
    LATTICE_HTTP_POLL_INTERVAL: '2s',
    LATTICE_HTTP_PORT: '8123',
    LATTICE_ADMIN_TOKEN: 'second-token-of-mine',
  }
  const first = reload(env)
  expect([levels, params.pollIntervalMs]).toEqual([['debug'], 2000])
  expect(first.applied.map(({ name, from, to }) => [name, from, to])).toEqual([
    ['HTTP_POLL_INTERVAL', '10s', '2s'],
    ['LOG_LEVEL', 'info', 'debug'],
  ])
  expect(first.needsRestart).toEqual(['LATTICE_HTTP_PORT', 'LATTICE_ADMIN_TOKEN'])
  expect(JSON.parse(readFileSync(join(directory, 'reload.json'), 'utf8'))).toEqual(first)
  expect(JSON.stringify(first)).not.toContain('token-of-mine')
  const second = reload(env)
  expect(second).toMatchObject({ applied: [], needsRestart: first.needsRestart })
  expect(levels).toHaveLength(1)
})

it('what it applied holds for a daemon that follows in this process, and nothing else does', () => {
  const before = reloader()
  const env = {
    LATTICE_ADMIN_TOKEN: 'first-token-of-mine',
    LATTICE_LOG_LEVEL: 'debug',
    LATTICE_HTTP_POLL_INTERVAL: '2s',
    LATTICE_HTTP_PORT: '8123',
  }
  before.reload(env)
  const { config } = before.inForce()
  expect(config).toEqual({ ...start({}).config, logLevel: 'debug', httpPollIntervalMs: 2000 })
  const after = reloader(before.inForce())
  expect(after.params.pollIntervalMs).toBe(2000)
  expect(after.reload(env)).toMatchObject({ applied: [], needsRestart: ['LATTICE_HTTP_PORT'] })
})

describe('a reload while a daemon starts', () => {
  const file = () => join(directory, 'reload.env')
  const write = (level: string): void => writeFileSync(file(), `LATTICE_LOG_LEVEL=${level}\n`)
  const read = () =>
    loadConfig({
      env: { LATTICE_ADMIN_TOKEN: 'first-token-of-mine', LATTICE_STATE_DIR: directory },
      file: file(),
    })
  const outcome = (): unknown => JSON.parse(readFileSync(join(directory, 'reload.json'), 'utf8'))

  it.each(['first', 'follows another'])('that is the one that %s is done once it serves', which => {
    const reloads = new Reloads(start({}), read)
    if (which !== 'first') reloads.serves(reloader(reloads.starts()).daemon)
    const { daemon, levels } = reloader(reloads.starts())
    write('debug')
    reloads.ask()
    expect(existsSync(join(directory, 'reload.json'))).toBe(false)
    reloads.serves(daemon)
    expect([levels, daemon.inForce().config.logLevel]).toEqual([['debug'], 'debug'])
    expect(outcome()).toMatchObject({ applied: [{ name: 'LOG_LEVEL', from: 'info', to: 'debug' }] })
    write('error')
    reloads.ask()
    expect(levels).toEqual(['debug', 'error'])
    const next = reloader(reloads.starts())
    reloads.serves(next.daemon)
    expect([next.levels, next.inForce().config.logLevel]).toEqual([[], 'error'])
  })
})

it('a configuration with problems, or one that is refused in production, changes nothing', () => {
  const { levels, params, reload } = reloader()
  const pollIntervalMs = params.pollIntervalMs
  for (const env of [
    { LATTICE_LOG_LEVEL: 'debug', LATTICE_HTTP_PORT: 'x' },
    { LATTICE_LOG_LEVEL: 'debug', LATTICE_ENVIRONMENT: 'production' },
  ]) {
    const outcome = reload(env)
    expect([outcome.applied, outcome.needsRestart, outcome.problems.length]).toEqual([[], [], 1])
  }
  expect([levels, params.pollIntervalMs]).toEqual([[], pollIntervalMs])
})

it('every setting that calls itself reloadable is one that the daemon applies', () => {
  const reloadable = settingNames.filter(name => settingOf(name).reloadable === true)
  const source = readFileSync(join(import.meta.dirname, '../src/reload.ts'), 'utf8')
  for (const name of reloadable) expect(source).toMatch(new RegExp(`^ +${name}: `, 'm'))
})
