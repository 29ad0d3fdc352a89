/**
 * The Debian package: reproducible; installed, upgraded, removed and purged in a Debian of its own (row O5).
 */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { debianRoot, type DebianRoot } from '../debian-root.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../ports.ts'
import { buildDeb, laterDeb } from './debs.ts'

/** Two builds and a daemon; the node binary alone is 120 MB. */
const limitMs = 600_000

let root: DebianRoot
let out = ''
let deb = ''
let version = ''

beforeAll(() => {
  root = debianRoot()
  out = fs.mkdtempSync(join(tmpdir(), 'lattice-deb-'))
  deb = buildDeb(join(out, 'one'))
  version = execFileSync('dpkg-deb', ['--field', deb, 'Version'], { encoding: 'utf8' }).trim()
}, limitMs)

afterAll(() => {
  root.remove()
  fs.rmSync(out, { recursive: true, force: true })
})

const inRoot = (path: string): string => join(root.path, path)

async function install(file: string): Promise<string> {
  fs.copyFileSync(file, inRoot('tmp/lattice.deb'))
  return root.shell('dpkg --force-confold -i /tmp/lattice.deb 2>&1')
}

it(
  'the same sources give the same bytes',
  () => {
    expect(fs.readFileSync(buildDeb(join(out, 'two'))).equals(fs.readFileSync(deb))).toBe(true)
  },
  limitMs,
)

it(
  'O5: installs: command, settings, unit, pages and completion are there, and nothing is started',
  async () => {
    const said = await install(deb)
    expect(said).toContain('systemctl enable --now lattice')
    expect((await root.shell('lattice --version')).trim()).toBe(version)
    expect(await root.shell('lattice config validate /etc/lattice/lattice.env')).toBe(
      'The configuration is valid.\n',
    )
    expect(fs.statSync(inRoot('etc/lattice/secrets')).mode & 0o777).toBe(0o700)
    await root.shell('bash -n /usr/share/bash-completion/completions/lattice')
    for (const file of ['man1/lattice.1.gz', 'man8/lattice.8.gz', 'man5/lattice.env.5.gz'])
      expect(fs.existsSync(inRoot(`usr/share/man/${file}`))).toBe(true)
    const [, node = '', script = ''] = /^ExecStart=(\S+)(?: --\S+)+ (\S+)/m.exec(unit()) ?? []
    for (const path of [node, script]) expect(fs.existsSync(inRoot(path))).toBe(true)
    expect(await root.shell('dpkg --verify lattice')).toBe('')
  },
  limitMs,
)

const unit = (): string => fs.readFileSync(inRoot('lib/systemd/system/lattice.service'), 'utf8')

it(
  'the command of the unit serves as an ordinary user, and its pages are well-formed',
  async () => {
    const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit()) ?? []
    fs.mkdirSync(inRoot('var/lib/lattice'), { mode: 0o700 })
    await root.shell('chown 1000:1000 /var/lib/lattice')
    const port = await freePort()
    const env = {
      LATTICE_STATE_DIR: '/var/lib/lattice',
      LATTICE_HTTP_PORT: String(port),
      LATTICE_P2P_LISTEN: '/ip4/127.0.0.1/tcp/0',
    }
    const child = root.start(
      command.split(' '),
      { user: 1000, env },
      fs.openSync(join(out, 'daemon.log'), 'a'),
    )
    const gone = once(child, 'exit')
    try {
      const ready = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
      await eventually('the daemon serves', ready, 90_000)
      const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/html' } })
      expect(await page.text()).toContain('<title>Lattice</title>')
    } finally {
      child.kill('SIGTERM')
    }
    expect(await gone).toEqual([0, null])
    for (const page of ['man1/lattice.1', 'man8/lattice.8', 'man5/lattice.env.5']) {
      const zipped = inRoot(`usr/share/man/${page}.gz`)
      const man = execFileSync('sh', ['-c', 'man --warnings -E UTF-8 -l "$0" 2>&1 >/dev/null', zipped], {
        encoding: 'utf8',
        env: { ...process.env, MANWIDTH: '100' },
      })
      expect(man).toBe('')
    }
  },
  limitMs,
)

it(
  'O5: an upgrade keeps changed settings and the state',
  async () => {
    fs.appendFileSync(inRoot('etc/lattice/lattice.env'), '# mine\n')
    await install(laterDeb(join(out, 'one')))
    expect(await root.shell("dpkg-query -W -f '${Version}' lattice")).toBe('99.0.0')
    expect(fs.readFileSync(inRoot('etc/lattice/lattice.env'), 'utf8')).toMatch(/# mine\n$/)
    expect(fs.existsSync(inRoot('var/lib/lattice/identity.key'))).toBe(true)
  },
  limitMs,
)

it(
  'O5: removal keeps settings and state; a purge takes them and says so',
  async () => {
    await root.shell('dpkg --remove lattice')
    expect(fs.existsSync(inRoot('usr/lib/lattice'))).toBe(false)
    for (const path of ['etc/lattice/lattice.env', 'var/lib/lattice/identity.key'])
      expect(fs.existsSync(inRoot(path))).toBe(true)
    expect(await root.shell('dpkg --purge lattice 2>&1')).toContain('removing state, identity and secrets')
    for (const path of ['etc/lattice', 'etc/default/lattice', 'var/lib/lattice'])
      expect(fs.existsSync(inRoot(path))).toBe(false)
  },
  limitMs,
)
