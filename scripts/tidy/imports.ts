/**
 * Who imports whom. Lint judges the names in an import by folder (.oxlintrc.json); this judges what only the
 * whole tree shows: where relative paths lead, what a package has declared, what nobody reaches, what acts
 * when imported.
 */
import { posix } from 'node:path'
import { readModule } from './syntax.ts'
import type { Module, Reference } from './syntax.ts'
import { isSource } from './tree.ts'
import type { Problem, Tree } from './tree.ts'

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly exports?: unknown
  readonly bin?: unknown
}

function manifest(tree: Tree, folder: string): Manifest {
  const text = tree.get(posix.join(folder, 'package.json'))
  const parsed: unknown = text === undefined ? {} : JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null ? parsed : {}
}

/**
 * `packages/<name>`, or the top-level folder of what is not a package (`e2e`, `sim`), or '' for files at the top.
 */
function unitOf(path: string): string {
  return /^packages\/[^/]+/.exec(path)?.[0] ?? (path.includes('/') ? path.slice(0, path.indexOf('/')) : '')
}

function modules(tree: Tree): ReadonlyMap<string, Module> {
  const sources = [...tree].filter(([path]) => isSource(path))
  return new Map(sources.map(([path, text]) => [path, readModule(path, text)]))
}

/** The files of the tree that a reference may mean. */
function targets(tree: Tree, from: string, reference: Reference): string[] {
  const { specifier, kind } = reference
  const beside = posix.join(posix.dirname(from), specifier)
  if (kind !== 'path') return specifier.startsWith('.') && tree.has(beside) ? [beside] : []
  const fromRoot = posix.join('.', specifier.replace(/^(<rootDir>)?(\.{0,2}\/)+/, ''))
  return [beside, fromRoot, `${beside}.ts`, `${beside}.js`].filter(path => tree.has(path))
}

/** Relative imports that leave their package or lead nowhere. */
export function pathProblems(tree: Tree): Problem[] {
  return [...modules(tree)].flatMap(([path, module]) =>
    module.references.flatMap(({ specifier, line, kind }) => {
      if (kind === 'path' || !specifier.startsWith('.')) return []
      const target = posix.join(posix.dirname(path), specifier)
      if (!tree.has(target)) return [`${path}:${line} imports ${specifier}, which does not exist`]
      if (unitOf(target) !== unitOf(path)) {
        return [`${path}:${line} imports ${specifier} past an index.ts; import the package by its name`]
      }
      const test = `${unitOf(path)}/test/`
      return target.startsWith(test) && !path.startsWith(test)
        ? [`${path}:${line} imports a test; move what both need to src`]
        : []
    }),
  )
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function declared(tree: Tree, path: string): ReadonlySet<string> {
  const unit = unitOf(path)
  const own = manifest(tree, unit)
  const top = manifest(tree, '')
  const production = path.startsWith(`${unit}/src/`) && !path.includes('/src/testing/')
  const self = unit.startsWith('packages/') ? unit.replace('packages/', '@lattice/') : undefined
  const workspace = [...tree.keys()].flatMap(
    file => /^packages\/([^/]+)\/package\.json$/.exec(file)?.[1] ?? [],
  )
  const everywhere = unit.startsWith('packages/') ? [] : workspace.map(name => `@lattice/${name}`)
  return new Set([
    ...Object.keys({ ...own.dependencies, ...own.peerDependencies }),
    ...(production
      ? []
      : Object.keys({ ...own.devDependencies, ...top.devDependencies, ...top.dependencies })),
    ...(production || self === undefined ? [] : [self]),
    ...everywhere,
  ])
}

/** Imports of packages that the importing package does not declare. */
export function declarationProblems(tree: Tree): Problem[] {
  return [...modules(tree)].flatMap(([path, module]) => {
    const known = declared(tree, path)
    return module.references
      .filter(({ specifier, kind }) => kind !== 'path' && !/^(\.|node:)/.test(specifier))
      .filter(({ specifier }) => !known.has(packageName(specifier)))
      .map(({ specifier, line }) => {
        const place = posix.join(unitOf(path).startsWith('packages/') ? unitOf(path) : '', 'package.json')
        return `${path}:${line} imports ${specifier}, which ${place} does not declare; declare it or do without`
      })
  })
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

const test = /\.test\.tsx?$/

/**
 * Files that are run or imported from outside: exports, bins, tests, and what scripts, configuration and
 * pages name.
 */
function entries(tree: Tree): Set<string> {
  const found = new Set<string>()
  for (const [path, text] of tree) {
    if (test.test(path) || /^[^/]+\.config\.[a-z]+$/.test(path)) found.add(path)
    if (/(^|\/)package\.json$/.test(path)) {
      const folder = posix.dirname(path)
      const { exports, bin, scripts } = manifest(tree, folder)
      const named = [exports, bin, ...Object.values(scripts ?? {}).map(script => script.split(/\s+/))]
      for (const file of strings(named)) found.add(posix.join(folder, file))
    }
    if (path.endsWith('.html')) {
      for (const [, source = ''] of text.matchAll(/<script\b[^>]*\bsrc="([^"]+)"/g))
        found.add(posix.join(posix.dirname(path), source))
    }
    if (test.test(path)) for (const program of startedPrograms(path, text)) found.add(program)
    if (/^\.ci\/|^deploy\//.test(path)) {
      for (const [file] of text.matchAll(/[\w./-]+\.(?:ts|js|mjs)\b/g)) found.add(posix.join('.', file))
    }
  }
  return new Set([...found].filter(path => tree.has(path)))
}

/** Programs beside a test, in its `fixtures`, that it starts by file name as processes of their own. */
function startedPrograms(path: string, text: string): string[] {
  const names = [...text.matchAll(/'([\w-]+\.ts)'/g)].map(([, name = '']) => name)
  return names.map(name => posix.join(posix.dirname(path), 'fixtures', name))
}

/** Sources that nothing reaches. */
export function deadProblems(tree: Tree): Problem[] {
  const all = modules(tree)
  const reached = new Set<string>()
  const waiting = [...entries(tree)]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    for (const reference of all.get(path)?.references ?? []) waiting.push(...targets(tree, path, reference))
  }
  // A package's own sources must be reached from what the package offers, not only from its tests.
  const offered = new Set<string>()
  const offers = [...entries(tree)].filter(path => !test.test(path))
  for (let path = offers.pop(); path !== undefined; path = offers.pop()) {
    if (offered.has(path)) continue
    offered.add(path)
    for (const reference of all.get(path)?.references ?? []) offers.push(...targets(tree, path, reference))
  }
  return [...all.keys()].flatMap(path => {
    const live = /^packages\/[^/]+\/src\//.test(path) ? offered : reached
    return live.has(path)
      ? []
      : [`${path}:1 is reached from nowhere; delete it or export it from the index.ts`]
  })
}

/** Modules that do something when they are merely imported. */
export function effectProblems(tree: Tree): Problem[] {
  const all = modules(tree)
  const imported = new Set(
    [...all].flatMap(([path, module]) =>
      module.references
        .filter(reference => reference.kind === 'import' && !reference.typeOnly)
        .flatMap(reference => targets(tree, path, reference)),
    ),
  )
  return [...all]
    .filter(([path]) => imported.has(path) && /^packages\/[^/]+\/src\//.test(path))
    .flatMap(([path, module]) =>
      module.effects.map(
        one => `${path}:${one.line} acts on import (${one.what}); put it into a function its caller calls`,
      ),
    )
}

/** The core's asynchronous back doors that lint does not see. */
export function purityProblems(tree: Tree): Problem[] {
  return [...modules(tree)]
    .filter(([path]) => path.startsWith('packages/core/src/') && !path.includes('/testing/'))
    .flatMap(([path, module]) =>
      module.references
        .filter(reference => reference.kind === 'dynamic')
        .map(
          ({ line }) => `${path}:${line} imports dynamically; the core is synchronous: use a plain import`,
        ),
    )
}
