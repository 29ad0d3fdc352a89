/**
 * The published packages: packed as npm would publish them, checked by publint, installed from the tarballs
 * into an empty directory, imported by name, and the command run from there.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'

const checkout = join(import.meta.dirname, '../..')
/** A build, and an installation of some hundred packages. */
const limitMs = 600_000
const names = ['core', 'api', 'http-sync', 'p2p', 'dashboard', 'daemon']

const directory = mkdtempSync(join(tmpdir(), 'lattice-packages-'))
const packed = join(directory, 'packed')
const installed = join(directory, 'installed')

const node = (...args: string[]): string =>
  execFileSync(process.execPath, args, {
    cwd: installed,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  })

beforeAll(() => {
  execFileSync(process.execPath, ['scripts/build-packages.ts'], { cwd: checkout, stdio: 'inherit' })
  for (const path of [packed, installed]) mkdirSync(path)
  for (const name of names)
    execFileSync('npm', ['pack', '--pack-destination', packed], {
      cwd: join(checkout, 'artefacts/packages', name),
    })
  writeFileSync(join(installed, 'package.json'), '{ "private": true, "type": "module" }\n')
  const tarballs = readdirSync(packed).map(name => join(packed, name))
  execFileSync('npm', ['install', '--no-audit', '--no-fund', ...tarballs], { cwd: installed })
}, limitMs)

afterAll(() => rmSync(directory, { recursive: true, force: true }))

it(
  'are six tarballs with no sources of tests, and publint finds nothing wrong with any',
  () => {
    expect(readdirSync(packed)).toHaveLength(names.length)
    for (const name of readdirSync(packed)) {
      const inside = execFileSync('tar', ['-tzf', join(packed, name)], { encoding: 'utf8' })
      expect(inside).toContain('package/LICENSE')
      expect(inside).not.toMatch(/\.test\.|\/testing\//)
      const said = execFileSync('npx', ['--yes', 'publint@0.3', join(packed, name), '--strict'], {
        encoding: 'utf8',
      })
      expect(said).toMatch(/All good/)
    }
  },
  limitMs,
)

it(
  'installed into an empty directory they are imported by name, and the command runs',
  () => {
    const script = names
      .filter(name => name !== 'dashboard')
      .map(name => `console.log('${name}', Object.keys(await import('@lattice/${name}')).length > 0)`)
      .join('\n')
    expect(node('--input-type=module', '-e', script).trim().split('\n')).toEqual(
      names.filter(name => name !== 'dashboard').map(name => `${name} true`),
    )
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
      version: string
    }
    const command = join(installed, 'node_modules/.bin/lattice')
    expect(node(command, '--version').trim()).toBe(version)
    expect(JSON.parse(node(command, 'id', '--json', '--state-dir', join(directory, 'state')))).toMatchObject({
      schema: 'lattice.id/v1',
    })
    expect(
      JSON.parse(node(command, 'up', '--once', '--json', '--count', '2', '--data', join(directory, 'up'))),
    ).toMatchObject({
      schema: 'lattice.up/v1',
    })
  },
  limitMs,
)
