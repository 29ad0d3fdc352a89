/** A real sshd on loopback with keys and settings of its own, for this user only. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../eventually.ts'
import { freePort } from '../ports.ts'

/** A running sshd. */
export interface Sshd {
  /** The ssh command that reaches it, as words. */
  readonly command: readonly string[]
  stop(): Promise<void>
}

/** Starts sshd below `directory`. */
export async function startSshd(directory: string): Promise<Sshd> {
  const at = (name: string): string => join(directory, name)
  mkdirSync(directory, { mode: 0o700 })
  const port = await freePort()
  for (const name of ['host', 'user'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
  writeFileSync(at('known'), `[127.0.0.1]:${port} ${readFileSync(at('host.pub'), 'utf8')}`)
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${at('host')}`,
    `AuthorizedKeysFile ${at('user.pub')}`,
    `PidFile ${at('pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
  ]
  writeFileSync(at('config'), config.map(line => `${line}\n`).join(''))
  // Where sshd of Debian separates its privileges; the package makes it at boot only.
  if (process.geteuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', at('config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  await eventually('sshd listens', () => {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    return reachable(port)
  })
  const options = [
    `UserKnownHostsFile=${at('known')}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'IdentitiesOnly=yes',
  ]
  return {
    command: [
      'ssh',
      ...['-F', '/dev/null', '-p', String(port), '-i', at('user')],
      ...options.flatMap(option => ['-o', option]),
      `${userInfo().username}@127.0.0.1`,
    ],
    stop: async () => {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    },
  }
}

function reachable(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('close', () => socket.destroy()).once('connect', () => socket.end())
  })
}
