/** A daemon that runs in a terminal: it takes a reload, and ends when the terminal is closed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { acquireStateDirLock } from '../src/state-dir-lock.ts'
import { runInProcess } from './run-cli.ts'

const script = fileURLToPath(new URL('../bin/lattice.js', import.meta.url))

let directory = ''
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'lattice-terminal-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(50)
}

/** Whether a daemon holds the directory: its process may be a zombie still where it has ended. */
function isHeld(stateDir: string): boolean {
  try {
    acquireStateDirLock(stateDir).release()
    return false
  } catch {
    return true
  }
}

it('is reloaded there, and goes with the terminal', async () => {
  const stateDir = join(directory, 'state')
  const settings = join(directory, 'lattice.env')
  const write = (level: string): void =>
    writeFileSync(
      settings,
      `LATTICE_STATE_DIR=${stateDir}\nLATTICE_P2P_ENABLED=false\nLATTICE_HTTP_PORT=0\nLATTICE_LOG_LEVEL=${level}\n`,
    )
  write('info')
  const command = `exec ${process.execPath} ${script} start --config ${settings}`
  const env = { PATH: process.env['PATH'] ?? '', SHELL: '/bin/sh' }
  // script(1) is a terminal: its end closes it.
  const terminal = spawn('script', ['-q', '-c', command, '/dev/null'], {
    cwd: directory,
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let shown = ''
  terminal.stdout.setEncoding('utf8').on('data', text => (shown += text))
  await until(() => shown.includes('ready') || terminal.exitCode !== null)

  write('debug')
  const { code, stdout } = await runInProcess(['reload', '--config', settings], { cwd: directory, env: {} })
  expect([code, stdout]).toEqual([0, '✓ LATTICE_LOG_LEVEL: info → debug\n'])
  expect(isHeld(stateDir)).toBe(true)

  terminal.kill('SIGKILL')
  await once(terminal, 'exit')
  await until(() => !isHeld(stateDir))
}, 60_000)
