/**
 * `npm run build:deb`: lattice_<version>_<arch>.deb in artefacts/, with its own Node, unit, manual pages,
 * completions and configuration files. Reproducible: the same sources and SOURCE_DATE_EPOCH give the same
 * bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { profileText } from '@lattice/daemon'
import { buildRelease } from './build-release.ts'
import { root } from './tidy/tree.ts'

/** Architecture names of Debian by those of Node. */
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

const units = [
  'lattice.service',
  'lattice-verify.service',
  'lattice-verify.timer',
  'lattice-backup.service',
  'lattice-backup.timer',
  'lattice-restore.service',
  'lattice-alert@.service',
]
const conffiles = ['/etc/default/lattice', '/etc/lattice/lattice.env']

/** Builds the package below `out`; its path. */
export function buildDeb(out: string, version: string): string {
  const arch = architectures[process.arch]
  if (arch === undefined) throw new Error(`no Debian architecture for ${process.arch}`)
  const tree = join(out, 'deb')
  fs.rmSync(tree, { recursive: true, force: true })
  const release = join(tree, 'usr/lib/lattice')
  buildRelease(release, process.env['NODE_BINARY'] ?? process.execPath)
  const put = (path: string, content: string | Uint8Array, mode = 0o644): void => {
    fs.mkdirSync(join(tree, dirname(path)), { recursive: true })
    fs.writeFileSync(join(tree, path), content, { mode })
    fs.chmodSync(join(tree, path), mode)
  }
  const cli = (...args: string[]): string =>
    execFileSync(process.execPath, [join(release, 'node_modules/@lattice/daemon/bin/lattice.js'), ...args], {
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    })
  for (const unit of units)
    put(`lib/systemd/system/${unit}`, fs.readFileSync(join(root, 'deploy/systemd', unit)))
  for (const page of ['lattice.1', 'lattice.8', 'lattice.env.5'])
    put(`usr/share/man/man${page.slice(-1)}/${page}.gz`, zipped(cli('man', page)))
  put('usr/share/bash-completion/completions/lattice', cli('completion', 'bash'))
  put('usr/share/zsh/vendor-completions/_lattice', cli('completion', 'zsh'))
  put('usr/share/fish/vendor_completions.d/lattice.fish', cli('completion', 'fish'))
  const path = '/etc/lattice/lattice.env'
  put(path, profileText('server', { path, httpOnly: false, given: { STATE_DIR: '/var/lib/lattice' } }))
  put('etc/default/lattice', fs.readFileSync(join(root, 'deploy/debian/default')))
  put('usr/share/doc/lattice/copyright', fs.readFileSync(join(root, 'deploy/debian/copyright')))
  put('usr/share/doc/lattice/changelog.gz', zipped(fs.readFileSync(join(root, 'CHANGELOG.md'), 'utf8')))
  fs.mkdirSync(join(tree, 'usr/bin'), { recursive: true })
  fs.symlinkSync('../lib/lattice/bin/lattice', join(tree, 'usr/bin/lattice'))
  put('DEBIAN/conffiles', conffiles.map(each => `${each}\n`).join(''))
  put('DEBIAN/md5sums', md5sums(tree))
  put('DEBIAN/control', control(version, arch, sizeOf(tree)))
  for (const script of ['postinst', 'prerm', 'postrm'])
    put(`DEBIAN/${script}`, fs.readFileSync(join(root, 'deploy/debian', script)), 0o755)
  return pack(tree, join(out, `lattice_${version}_${arch}.deb`))
}

function pack(tree: string, file: string): string {
  const made = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim()
  const env = { ...process.env, SOURCE_DATE_EPOCH: process.env['SOURCE_DATE_EPOCH'] ?? made }
  // The files were made just now: whatever is younger than the epoch gets its time, so that bytes do not
  // depend on it.
  const epoch = new Date(Number(env.SOURCE_DATE_EPOCH) * 1000)
  for (const path of walk(tree)) fs.lutimesSync(path, epoch, epoch)
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '--build', tree, file], { env, stdio: 'ignore' })
  return file
}

function control(version: string, arch: string, kibibytes: number): string {
  const text = fs.readFileSync(join(root, 'deploy/debian/control'), 'utf8')
  const facts = { VERSION: version, ARCH: arch, SIZE: String(kibibytes) }
  return text.replace(/@(VERSION|ARCH|SIZE)@/g, (_all, name: keyof typeof facts) => facts[name])
}

function zipped(text: string): Buffer {
  // zlib writes no name and no time of its own.
  return gzipSync(text, { level: 9 })
}

function* walk(path: string): Generator<string> {
  if (fs.lstatSync(path).isDirectory())
    for (const name of fs.readdirSync(path).sort()) yield* walk(join(path, name))
  yield path
}

function md5sums(tree: string): string {
  const files = [...walk(tree)].filter(
    path => fs.lstatSync(path).isFile() && !path.startsWith(join(tree, 'DEBIAN')),
  )
  return files
    .map(
      path => `${createHash('md5').update(fs.readFileSync(path)).digest('hex')}  ${relative(tree, path)}\n`,
    )
    .filter(line => !conffiles.some(each => line.endsWith(`  ${each.slice(1)}\n`)))
    .join('')
}

function sizeOf(tree: string): number {
  return Math.ceil([...walk(tree)].reduce((sum, path) => sum + fs.lstatSync(path).size, 0) / 1024)
}

if (process.argv[1] === import.meta.filename) {
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  console.log(buildDeb(process.env['LATTICE_OUT'] ?? join(root, 'artefacts'), version))
}
