/** How the process of a daemon ends: with the right code, and in time whatever hangs. */
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from '@jest/globals'

const script = fileURLToPath(new URL('../bin/lattice.js', import.meta.url))

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-end-'))
  mkdirSync(join(directory, 'snapshots'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A daemon in a process of its own. */
function start(settings: Readonly<Record<string, string>>): ChildProcessByStdio<null, Readable, null> {
  const env = {
    PATH: process.env['PATH'] ?? '',
    LATTICE_STATE_DIR: join(directory, 'state'),
    LATTICE_SNAPSHOT_DIR: join(directory, 'snapshots'),
    LATTICE_P2P_ENABLED: 'false',
    LATTICE_HTTP_PORT: '0',
    ...settings,
  }
  return spawn(process.execPath, [script, 'start'], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** Its exit code, the signal that it ended by, or that nothing but the test ended it. */
async function endOf(child: ReturnType<typeof start>): Promise<unknown> {
  let hangs = false
  const late = setTimeout(() => {
    hangs = true
    child.kill('SIGKILL')
  }, 30_000)
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  clearTimeout(late)
  return hangs ? 'it hangs' : (code ?? signal)
}

/** Who opens a pipe waits until somebody is at its other end. */
function makePipe(name: string): void {
  execFileSync('mkfifo', [join(directory, 'snapshots', name)])
}

it('a snapshot directory that hangs keeps no process', async () => {
  const child = start({})
  let url = ''
  for await (const line of createInterface(child.stdout)) {
    const said = JSON.parse(line) as { code?: string; url?: string }
    if (said.code !== 'READY') continue
    url = said.url ?? ''
    break
  }
  for (let seq = 0; seq < 20; seq += 1) makePipe(`snap-${seq}.part`)
  const headers = { 'content-type': 'application/json' }
  await fetch(`${url}/api/lattice/state/a`, { method: 'PUT', body: '1', headers })
  child.kill('SIGTERM')
  expect(await endOf(child)).toBe('SIGTERM')
}, 60_000)

it('a start that hangs ends with a stop', async () => {
  makePipe(`snap-1-${'a'.repeat(64)}.cbor`)
  const child = start({})
  child.stdout.resume()
  while (!existsSync(join(directory, 'state', 'store.db'))) await wait(20)
  child.kill('SIGTERM')
  expect(await endOf(child)).toBe('SIGKILL')
}, 60_000)

it('a daemon that nobody listens to ends with the code of what has gone wrong', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const child = start({ LATTICE_HTTP_PORT: String(port) })
  child.stdout.destroy()
  expect(await endOf(child)).toBe(69)
  other.close()
}, 60_000)
