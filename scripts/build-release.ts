/**
 * `npm run build:release -- --out DIR [--without-node]`: everything a node needs to run, in one directory:
 * the built packages, what they depend on, the launcher, and its own Node (NODE_BINARY, by default the one
 * that runs this). The container image and the Debian package are made of it.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPackages, packageNames } from './build-packages.ts'
import { root } from './tidy/tree.ts'

const launcher = `#!/bin/sh
# Runs the lattice command with the Node beside it, or else the one of the system. As many threads for the
# engine's garbage as there are processors besides the daemon's own: four, Node's default, crowd it out on two.
here=$(dirname "$(readlink -f "$0")")
node=$here/node
[ -x "$node" ] || node=node
exec "$node" --enable-source-maps --v8-pool-size=0 "$here/../node_modules/@lattice/daemon/bin/lattice.js" "$@"
`

/** Lays out a release in `out`, which is replaced. */
export function buildRelease(out: string, node: string | undefined): void {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, 'bin'), { recursive: true })
  const packages = join(root, 'artefacts/packages')
  buildPackages(packages)
  for (const path of productionDependencies()) {
    // What other packages carry inside them is copied with them.
    cpSync(join(root, path), join(out, path), { recursive: true, dereference: true, filter: isShipped })
  }
  for (const name of packageNames)
    cpSync(join(packages, name), join(out, 'node_modules/@lattice', name), { recursive: true })
  writeFileSync(join(out, 'bin/lattice'), launcher)
  chmodSync(join(out, 'bin/lattice'), 0o755)
  if (node === undefined) return
  cpSync(node, join(out, 'bin/node'), { dereference: true })
  chmodSync(join(out, 'bin/node'), 0o755)
}

/** Folders below node_modules that the daemon needs at run time, as the lockfile has them. */
function productionDependencies(): readonly string[] {
  const args = ['ls', '--workspace', '@lattice/daemon', '--omit=dev', '--all', '--parseable']
  const listed = execFileSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
  const paths = listed.split('\n').map(path => relative(root, path.trim()))
  return [...new Set(paths)].filter(
    path => path.startsWith('node_modules/') && !lstatSync(join(root, path)).isSymbolicLink(),
  )
}

/** Prebuilt libraries of other systems, which packages of native code bring along. */
const foreignPrebuild = new RegExp(`/prebuilds/(?!${process.platform}-${process.arch}(/|$))[^/]+`)

/** Sources, maps and documents of dependencies are two thirds of their files and never read at run time. */
function isShipped(path: string): boolean {
  const inside = path.slice(path.lastIndexOf('node_modules/'))
  if (foreignPrebuild.test(inside)) return false
  return (
    !/\.(ts|map|md|markdown|flow)$|\/(test|tests|docs|example|examples|\.github)(\/|$)/.test(inside) ||
    /LICEN[CS]E/i.test(inside)
  )
}

if (process.argv[1] === import.meta.filename) {
  const options = { out: { type: 'string' }, 'without-node': { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  const out = resolve(values.out ?? join(root, 'artefacts/release'))
  const node = values['without-node'] === true ? undefined : (process.env['NODE_BINARY'] ?? process.execPath)
  buildRelease(out, node)
  console.log(`release in ${out}`)
}
