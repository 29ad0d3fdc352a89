/** Real daemons as processes of their own, on loopback and free ports; gone when the benchmark ends. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createIdentity } from './bench-node.ts'

/** A daemon that answers. */
export interface DaemonProcess {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** CPU milliseconds used so far, all threads. */
  cpuMs(): number
  stop(): Promise<void>
}

/** As the systemd unit starts it. */
const nodeFlags = ['--enable-source-maps', '--v8-pool-size=0']
const script = fileURLToPath(new URL('../packages/daemon/bin/lattice.js', import.meta.url))

/** Longest wait for a daemon to answer, and to end: far beyond both on a busy machine. */
const patienceMs = 30_000

/** `count` ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** The environment without settings of a daemon that the user may have in it. */
function cleanEnvironment(): Record<string, string | undefined> {
  const settings = /^(LATTICE_|DIOTEC360_|AETHEL_|PORT$|SPACE_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !settings.test(name)))
}

/** Starts a daemon in `directory` and waits until it answers. `settings` without their prefix. */
export async function startDaemon(
  directory: string,
  port: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<DaemonProcess> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const all: Record<string, string> = {
    HTTP_HOST: '127.0.0.1',
    HTTP_PORT: String(port),
    STATE_DIR: join(directory, 'state'),
    P2P_ENABLED: 'false',
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'warn',
    NODE_PRIVKEY_HEX: Buffer.from(createIdentity().seed).toString('hex'),
    ...settings,
  }
  const env = {
    ...cleanEnvironment(),
    ...Object.fromEntries(Object.entries(all).map(([name, value]) => [`LATTICE_${name}`, value])),
  }
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const
  const profile = process.env['LATTICE_BENCH_PROFILE']
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = spawn(process.execPath, [...nodeFlags, ...profiling, script, 'start'], {
    env,
    stdio: [...stdio],
  })
  const url = `http://127.0.0.1:${port}`
  await answers(url, child)
  const pid = child.pid as number
  return { url, port, pid, cpuMs: () => cpuMsOf(pid), stop: () => stop(child) }
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  const end = performance.now() + patienceMs
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with exit code ${child.exitCode}`)
    if (performance.now() > end) {
      child.kill('SIGKILL')
      throw new Error(`${url} did not answer within ${patienceMs / 1000} s`)
    }
    const healthy = await fetch(`${url}/health`).then(
      response => response.ok,
      () => false,
    )
    if (healthy) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  child.kill('SIGTERM')
  await gone
  clearTimeout(late)
}

/** From proc(5): fields 14 and 15 count ticks of 10 ms. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return 10 * (Number(fields[11]) + Number(fields[12]))
}
