/**
 * The Debian package under a live systemd: the shipped unit starts, is watched, restarted, reloaded, given a
 * wrong configuration, upgraded and purged as on a server (O5, T2.2).
 */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { eventually } from '../eventually.ts'
import { buildDeb, laterDeb } from './debs.ts'
import { bootSystemd, type LiveSystemd } from './live-systemd.ts'
import { tell } from './tell.ts'

/** A bootstrap, a build, and the 30 s of the watchdog. */
const limitMs = 600_000

let machine: LiveSystemd
let out = ''
const unit = (name: string): Promise<string> => machine.property('lattice', name)

beforeAll(async () => {
  out = fs.mkdtempSync(join(tmpdir(), 'lattice-live-'))
  machine = await bootSystemd()
}, limitMs)

afterAll(async () => {
  await machine.stop()
  fs.rmSync(out, { recursive: true, force: true })
})

/** Another daemon than the one with this process id is ready; its process id. */
function replaced(pid: string): Promise<string> {
  return eventually(
    'another daemon is ready',
    async () => {
      const shown = await machine.shell('systemctl show lattice --property SubState,MainPID')
      const [, next = ''] = /^MainPID=(\d+)$/m.exec(shown) ?? []
      return shown.includes('SubState=running') && next !== '0' && next !== pid && next
    },
    90_000,
  )
}

it(
  'O5: installed it waits to be configured; enabled it is ready, as a user of its own, with a status line',
  async () => {
    expect(await machine.install(buildDeb(out))).toContain('systemctl enable --now lattice')
    expect(await unit('ActiveState')).toBe('inactive')
    fs.writeFileSync(join(machine.root.path, 'etc/lattice/secrets/admin-token'), `${'t'.repeat(32)}\n`, {
      mode: 0o600,
    })
    await machine.shell('systemctl enable --now lattice')
    // `systemctl start` has waited for READY=1.
    expect(await machine.shell('lattice check health --ignore-degraded')).toMatch(/^OK/)
    await eventually('a status line', async () => /^AUTO→.* 0\/0 peers/.test(await unit('StatusText')))
    expect(await machine.shell('stat -c %u:%a /var/lib/private/lattice')).toMatch(/^6\d{4}:700\n$/)
    tell(`systemd: active, "${await unit('StatusText')}"`)
  },
  limitMs,
)

it(
  'takes a credential for its token, and its log keeps priorities',
  async () => {
    const put = `LATTICE_ADMIN_TOKEN=${'t'.repeat(32)} lattice put kept 1 --json`
    expect(await machine.shell(put)).toContain('"lattice.put/v1"')
    const warnings = await machine.shell('journalctl -u lattice -p warning -o cat')
    expect(warnings).toContain('no trusted keys')
    expect(warnings).not.toContain('"ready"')
  },
  limitMs,
)

it(
  'is restarted when it is killed, and when it is alive but does not move',
  async () => {
    const first = await unit('MainPID')
    await machine.shell('systemctl kill --signal=KILL --kill-who=main lattice')
    const second = await replaced(first)
    await machine.shell('systemctl kill --signal=STOP --kill-who=main lattice')
    await replaced(second)
    expect(await machine.shell('journalctl -u lattice -o cat')).toContain('Watchdog timeout')
    expect(await unit('NRestarts')).toBe('2')
    tell('systemd: restarted after SIGKILL, and by the watchdog after SIGSTOP')
  },
  limitMs,
)

it(
  'C7: reload applies settings; a wrong configuration is not tried again, and a right one starts',
  async () => {
    const settings = join(machine.root.path, 'etc/lattice/lattice.env')
    const sound = fs.readFileSync(settings, 'utf8')
    fs.writeFileSync(settings, sound.replace(/^LATTICE_LOG_LEVEL=.*$/m, 'LATTICE_LOG_LEVEL=debug'))
    await machine.shell('systemctl reload lattice')
    const told = async (): Promise<boolean> =>
      (await machine.shell('journalctl -u lattice -o cat')).includes('LATTICE_LOG_LEVEL: info → debug')
    await eventually('the reload is told', told)
    fs.writeFileSync(settings, `${sound}LATTICE_HEARTBEET_INTERVAL=5\n`)
    await expect(machine.shell('systemctl restart lattice')).rejects.toThrow('Command failed')
    expect([await unit('ActiveState'), await unit('ExecMainStatus'), await unit('NRestarts')]).toEqual([
      'failed',
      '78',
      '0',
    ])
    expect(await machine.shell('journalctl -u lattice -o cat')).toContain('LATTICE_HEARTBEAT_INTERVAL')
    fs.writeFileSync(settings, sound)
    await machine.shell('systemctl restart lattice')
    tell('systemd: exit code 78 is left alone; started again once the settings were right')
  },
  limitMs,
)

it(
  'D9: the timers run: a backup that restores, a check, and an alert when the check fails',
  async () => {
    await machine.shell('systemctl enable --now lattice-backup.timer lattice-verify.timer')
    const timers = await machine.shell('systemctl list-timers')
    for (const name of ['backup', 'verify']) expect(timers).toContain(`lattice-${name}.timer`)
    await machine.shell('systemctl start lattice-backup lattice-verify')
    const rehearsal = await machine.shell('lattice restore --dry-run /var/lib/private/lattice-backups/*.tar')
    expect(rehearsal).toContain('1 entry of')
    await machine.shell('systemctl stop lattice')
    await machine.shell('systemctl start lattice-restore')
    expect(await machine.shell('journalctl -u lattice-restore -o cat')).toContain('nothing to do')
    await expect(machine.shell('systemctl start lattice-verify')).rejects.toThrow('Command failed')
    const alerted = async (): Promise<boolean> =>
      (await machine.shell('journalctl -t lattice-alert -o cat')).includes('lattice-verify.service failed')
    await eventually('the alert is told', alerted)
    await machine.shell('systemctl start lattice')
    tell('systemd: backup restores, a failing check raises lattice-alert')
  },
  limitMs,
)

it(
  'O5: an upgrade restarts once and keeps the state; removal stops it; a purge leaves only backups',
  async () => {
    const before = await unit('MainPID')
    await machine.install(laterDeb(out))
    expect([await unit('ActiveState'), (await unit('MainPID')) !== before]).toEqual(['active', true])
    expect((await machine.shell('lattice get kept')).trim()).toBe('1')
    await machine.shell('dpkg --remove lattice')
    expect(await machine.shell("grep -l 'lattice[.]js' /proc/[0-9]*/cmdline || true")).toBe('')
    await machine.shell('dpkg --purge lattice')
    const left = await machine.shell(
      'ls -d /etc/lattice /var/lib/lattice* /var/lib/private/* 2>/dev/null || true',
    )
    expect(left.trim().split('\n')).toEqual(['/var/lib/lattice-backups', '/var/lib/private/lattice-backups'])
    tell('systemd: upgraded with one restart, removed, purged; backups stay')
  },
  limitMs,
)
