/**
 * `npm run build:packages`: the @lattice/* packages as they are published, in artefacts/packages/: JavaScript,
 * types, manifests that point at them. A checkout runs from the sources and needs none of this.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './tidy/tree.ts'

/** The published packages, in the order in which they need each other. */
export const packageNames = ['core', 'api', 'http-sync', 'p2p', 'dashboard', 'daemon'] as const

const descriptions: Readonly<Record<string, string>> = {
  core: 'The pure core of Lattice: entries, Merkle trie, reconciliation, sync modes',
  api: 'The REST contract of Lattice: schemas, route table, OpenAPI, typed client',
  'http-sync': 'Lattice frames over signed HTTP',
  p2p: 'Lattice frames over libp2p',
  dashboard: 'NetworkStatus: what a Lattice node says about itself, as a React component and as a page',
  daemon: 'The Lattice daemon and command line: one key-value state, kept equal over P2P or HTTP',
}

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly bin?: unknown
  readonly scripts?: unknown
  readonly devDependencies?: unknown
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly version: string
}

/** Builds all packages into `out`, one folder each. */
export function buildPackages(out: string): void {
  const compiled = join(out, '..', 'compiled')
  for (const directory of [out, compiled]) rmSync(directory, { recursive: true, force: true })
  const node = process.execPath
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(node, [tsc, '-p', 'tsconfig.build.json', '--outDir', compiled], {
    cwd: root,
    stdio: 'inherit',
  })
  for (const name of packageNames) buildOne(name, join(root, 'packages', name), compiled, join(out, name))
  rmSync(compiled, { recursive: true })
}

function buildOne(name: string, source: string, compiled: string, target: string): void {
  mkdirSync(target, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(name, manifest), undefined, 2)}\n`)
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'))
  const readme = join(source, 'README.md')
  if (existsSync(readme)) cpSync(readme, join(target, 'README.md'))
  else writeFileSync(join(target, 'README.md'), `# ${manifest.name}\n\n${descriptions[name] ?? ''}.\n`)
  if (name === 'dashboard') return cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true })
  cpSync(join(compiled, name, 'src'), join(target, 'dist'), { recursive: true })
  if (name !== 'daemon') return
  const bin = readFileSync(join(source, 'bin/lattice.js'), 'utf8')
  mkdirSync(join(target, 'bin'))
  writeFileSync(join(target, 'bin/lattice.js'), bin.replace(/\.\.\/src\/([\w-]+)\.ts/g, '../dist/$1.js'), {
    mode: 0o755,
  })
  // The scripts roll releases out; they are no part of one.
  const scripts = join(root, 'deploy/scripts')
  cpSync(join(root, 'deploy'), join(target, 'deploy'), { recursive: true, filter: path => path !== scripts })
}

/** The manifest that goes out: from sources to what was built of them. */
function published(name: string, manifest: Manifest): Record<string, unknown> {
  const { scripts: _scripts, devDependencies: _dev, exports, dependencies, ...rest } = manifest
  const repository = process.env['GITHUB_REPOSITORY']
  const peers = Object.keys(manifest.peerDependencies ?? {})
  return {
    ...rest,
    description: descriptions[name],
    keywords: ['replication', 'crdt', 'merkle', 'libp2p', 'lattice'],
    ...(repository === undefined
      ? {}
      : {
          repository: {
            type: 'git',
            url: `git+https://github.com/${repository}.git`,
            directory: `packages/${name}`,
          },
        }),
    engines: { node: '>=24' },
    files: name === 'daemon' ? ['dist', 'bin', 'deploy'] : ['dist'],
    exports: builtExports(exports),
    // The page needs no React of its own; only those who embed the component do.
    ...(peers.length === 0
      ? {}
      : { peerDependenciesMeta: Object.fromEntries(peers.map(peer => [peer, { optional: true }])) }),
    dependencies: {
      ...dependencies,
      ...(name === 'daemon' ? { '@lattice/dashboard': manifest.version } : {}),
    },
    publishConfig: { access: 'public', provenance: true },
  }
}

function builtExports(exports: Manifest['exports']): Record<string, unknown> {
  const entries = Object.entries(exports).flatMap(([path, target]): [string, unknown][] => {
    // The suites and doubles need a test runner; they stay in the repository.
    if (path === './testing') return []
    if (typeof target !== 'string') return [[path, withoutSource(target)]]
    const file = target.replace('./src/', './dist/').replace(/\.ts$/, '')
    return [[path, { types: `${file}.d.ts`, default: `${file}.js` }]]
  })
  return { ...Object.fromEntries(entries), './package.json': './package.json' }
}

function withoutSource(target: unknown): unknown {
  const entries = Object.entries(target as Record<string, unknown>).filter(
    ([key]) => key !== 'lattice-source',
  )
  return Object.fromEntries(entries)
}

if (process.argv[1] === import.meta.filename) buildPackages(join(root, 'artefacts/packages'))
