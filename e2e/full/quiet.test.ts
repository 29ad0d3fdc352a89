/**
 * No telemetry, no version check: a node calls nobody but the nodes it was told of (O4). Every system call
 * says so.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from '@jest/globals'
import { environment } from '../command.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../ports.ts'

const checkout = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'lattice-quiet-'))
const trace = join(directory, 'trace')

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Addresses that were connected to or sent to, as strace(1) prints them: other machines and name servers. */
function called(): readonly string[] {
  const lines = readFileSync(trace, 'utf8').split('\n')
  const outward = lines.filter(
    line => /\b(connect|sendto|sendmsg|sendmmsg)\(/.test(line) && /sa_family=AF_INET6?/.test(line),
  )
  return outward.filter(line => !/inet_addr\("127\.|inet_pton\(AF_INET6, "::1"/.test(line))
}

it('O4: a daemon that starts, writes, runs for a while and stops calls no other machine', async () => {
  const port = await freePort()
  const p2p = await freePort()
  const node = join(checkout, 'node_modules/.bin/node')
  const lattice = [node, join(checkout, 'packages/daemon/bin/lattice.js'), 'start']
  const env = environment({
    LATTICE_STATE_DIR: join(directory, 'state'),
    LATTICE_HTTP_PORT: String(port),
    LATTICE_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${p2p}`,
    LATTICE_HEARTBEAT_INTERVAL: '500ms',
    LATTICE_PEERLESS_TIMEOUT: '2s',
  })
  const child = spawn('strace', ['-f', '-qq', '-e', 'trace=%network', '-o', trace, ...lattice], {
    env,
    stdio: 'ignore',
  })
  const gone = once(child, 'exit')
  try {
    const url = `http://127.0.0.1:${port}`
    await eventually('it serves', async () => (await fetch(`${url}/readyz`)).ok, 90_000)
    const written = await fetch(`${url}/api/lattice/state/k`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '1',
    })
    expect(written.status).toBe(200)
    // Long enough for whatever calls home at a start or by a timer of some seconds.
    await new Promise(resolve => setTimeout(resolve, 15_000))
    expect((await fetch(`${url}/health`)).status).toBe(200)
  } finally {
    // strace itself takes no signal while it writes to a file; the daemon does.
    const pid = Number(readFileSync(join(directory, 'state/daemon.pid'), 'utf8'))
    process.kill(pid, 'SIGTERM')
    const late = setTimeout(() => process.kill(pid, 'SIGKILL'), 30_000)
    await gone
    clearTimeout(late)
  }
  expect(readFileSync(trace, 'utf8')).toMatch(/listen\(/)
  expect(called()).toEqual([])
}, 180_000)
