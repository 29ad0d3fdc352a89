/** Debian packages to install: the one of this checkout, and a later version of it. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'

const checkout = join(import.meta.dirname, '../..')

/** Builds the package into `out`; its path. */
export function buildDeb(out: string): string {
  const env = { ...process.env, LATTICE_OUT: out, SOURCE_DATE_EPOCH: '1700000000' }
  const built = execFileSync(process.execPath, ['scripts/build-deb.ts'], {
    cwd: checkout,
    env,
    encoding: 'utf8',
  })
  return built.trim()
}

/** What `buildDeb` laid out in `out`, packed again as version 99.0.0; its path. */
export function laterDeb(out: string): string {
  const tree = join(out, 'later')
  fs.cpSync(join(out, 'deb'), tree, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  const control = join(tree, 'DEBIAN/control')
  fs.writeFileSync(control, fs.readFileSync(control, 'utf8').replace(/^Version: .*/m, 'Version: 99.0.0'))
  const path = join(out, 'later.deb')
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, path], { stdio: 'ignore' })
  return path
}
