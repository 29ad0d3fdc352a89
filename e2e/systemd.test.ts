/**
 * A real daemon under what systemd is to it: notify socket, watchdog, exit codes, and the unit file itself.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from '@jest/globals'
import { World } from './daemons.ts'
import { eventually } from './eventually.ts'
import { openNotifySocket } from './notify-socket.ts'
import { lattice } from './command.ts'

const run = promisify(execFile)
const world = new World()
const units = join(import.meta.dirname, '../deploy/systemd')

afterAll(() => world.close())

describe('the daemon under a supervisor', () => {
  it('says ready once it serves, is vouched for while it moves, not while it is frozen, and says goodbye', async () => {
    const [node] = await world.federation(1, { start: 0 })
    if (node === undefined) throw new Error('one node')
    const socket = await openNotifySocket(join(world.directory, 'notify'))
    const pings = (): number => socket.words.filter(word => word === 'WATCHDOG=1').length
    try {
      const starting = node.start({ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '600000' })
      await eventually('READY=1', () => socket.words.includes('READY=1'), 40_000)
      expect((await fetch(`${node.url}/readyz`)).status).toBe(200)
      await starting
      expect(socket.words[0]).toBe('READY=1')
      await eventually('a status', () =>
        socket.words.some(word => /^STATUS=AUTO→.*, 0\/0 peers, lag 0/.test(word)),
      )
      const before = pings()
      await eventually('pings go on', () => pings() >= before + 3)
      node.signal('SIGSTOP')
      // What was on its way when it froze still comes; after that there is silence for as long as it stays
      // so.
      await eventually('silence', () => stillFor(300, pings))
      const frozen = pings()
      expect(await stillFor(1500, pings)).toBe(true)
      node.signal('SIGCONT')
      await eventually('pings come back', () => pings() > frozen + 1)
      expect(await node.stop()).toBe(0)
      expect(socket.words.at(-1)).toBe('STOPPING=1')
    } finally {
      await socket.close()
    }
  }, 120_000)

  it('ends with 78 and 64 where trying again would not help, and the unit knows these codes', async () => {
    const bad = await lattice(['start'], { env: { LATTICE_HTTP_PORT: 'x' }, cwd: world.directory })
    const usage = await lattice(['start', '--no-such-flag'], { cwd: world.directory })
    expect([bad.code, usage.code]).toEqual([78, 64])
    expect(readFileSync(join(units, 'lattice.service'), 'utf8')).toMatch(/^RestartPreventExitStatus=64 78$/m)
  })
})

async function stillFor(ms: number, count: () => number): Promise<boolean> {
  const before = count()
  await new Promise(resolve => setTimeout(resolve, ms))
  return count() === before
}

describe('the units', () => {
  it('pass systemd-analyze verify, and the service is exposed at most 1.5', async () => {
    // What the package installs is not here: the programs are replaced by one that is.
    const directory = join(world.directory, 'units')
    mkdirSync(directory)
    const names = [
      'lattice.service',
      'lattice-verify.service',
      'lattice-verify.timer',
      'lattice-backup.service',
      'lattice-backup.timer',
      'lattice-restore.service',
      'lattice-alert@.service',
    ]
    for (const name of names) {
      const text = readFileSync(join(units, name), 'utf8')
      writeFileSync(
        join(directory, name),
        text.replace(/^ExecStart=\/usr\/(lib\/lattice|bin)\/\S+/gm, 'ExecStart=/bin/true'),
      )
    }
    const paths = names.map(name => join(directory, name.replace('@.', '@x.')))
    writeFileSync(
      join(directory, 'lattice-alert@x.service'),
      readFileSync(join(directory, 'lattice-alert@.service')),
    )
    const { stderr } = await run('systemd-analyze', ['verify', '--man=no', ...paths])
    expect(stderr).toBe('')
    const args = ['security', '--offline=true', '--threshold=15', '--no-pager', paths[0] ?? '']
    const { stdout } = await run('systemd-analyze', args)
    expect(stdout).toMatch(/Overall exposure level for lattice.service: (0|1\.[0-5])\b/)
  })
})
