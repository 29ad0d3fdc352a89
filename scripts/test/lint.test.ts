/**
 * Every law that lint is trusted with, proved on a planted fault: the real configuration runs over a small
 * copy of the tree, in a directory of its own.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { root } from '../tidy/tree.ts'

const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

/** Lints `files` (path → text) and answers `path rule` per finding, sorted. */
function lint(files: Readonly<Record<string, string>>): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'lattice-lint-'))
  directories.push(directory)
  for (const path of ['.oxlintrc.json', 'tsconfig.json']) cpSync(join(root, path), join(directory, path))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const all = { '.gitignore': 'node_modules\n', 'package.json': '{"type":"module"}', ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const run = spawnSync(process.execPath, [oxlint, '--type-aware', '--deny-warnings', '-f', 'unix'], {
    cwd: directory,
    encoding: 'utf8',
  })
  const found = [...run.stdout.matchAll(/^(.+?):\d+:\d+: .* \[\w+\/\w+\(([\w-]+)\)\]$/gm)]
  if (found.length === 0 && run.status !== 0) throw new Error(run.stdout + run.stderr)
  return found.map(([, path, rule]) => `${path} ${rule}`).sort()
}

/** One planted fault per file: what lint must say is the rule alone. */
function expectRules(faults: ReadonlyArray<readonly [path: string, text: string, rule: string]>): void {
  const planted = faults.map(([path, text], index) => [path.replace('*', `fault-${index}`), text] as const)
  const expected = faults.map(([path, , rule], index) => `${path.replace('*', `fault-${index}`)} ${rule}`)
  expect(lint(Object.fromEntries(planted))).toEqual(expected.sort())
}

const wait = 'declare function wait(): Promise<number>\n'

describe('lint', () => {
  it('finds dropped and misplaced promises', () =>
    expectRules([
      ['sim/*.ts', `${wait}export function f() {\n  wait()\n}`, 'no-floating-promises'],
      [
        'sim/*.ts',
        `${wait}export const f = () => {\n  if (wait()) return 1\n  return 2\n}`,
        'no-misused-promises',
      ],
      [
        'sim/*.ts',
        `${wait}export const f = () => [1].forEach(async () => {\n  await wait()\n})`,
        'no-misused-promises',
      ],
      ['sim/*.ts', 'export const f = async (a: number) => {\n  await a\n}', 'await-thenable'],
      ['sim/*.ts', "export const f = () => Promise.reject('x')", 'prefer-promise-reject-errors'],
      ['sim/*.ts', "export const f = () => {\n  throw 'x'\n}", 'only-throw-error'],
    ]))

  it('finds any, however it gets in', () =>
    expectRules([
      ['sim/*.ts', 'export type A = any', 'no-explicit-any'],
      [
        'sim/*.ts',
        "export const f = () => {\n  const a = JSON.parse('1')\n  return String(a)\n}",
        'no-unsafe-assignment',
      ],
      ['sim/*.ts', "export const f = (): number => JSON.parse('1')", 'no-unsafe-return'],
      ['sim/*.ts', "export const f = () => Number(JSON.parse('1').a)", 'no-unsafe-member-access'],
      ['sim/*.ts', "export const f = () => isFinite(JSON.parse('1'))", 'no-unsafe-argument'],
      ['sim/*.ts', "export const f = () => {\n  JSON.parse('1')()\n}", 'no-unsafe-call'],
      ['sim/*.ts', '// @ts-ignore\nexport const a = 1', 'ban-ts-comment'],
    ]))

  it('finds a switch that forgets a case, also behind a default', () =>
    expectRules([
      [
        'sim/*.ts',
        "export const f = (a: 'x' | 'y') => {\n  switch (a) {\n    case 'x':\n      return 1\n  }\n  return 2\n}",
        'switch-exhaustiveness-check',
      ],
      [
        'sim/*.ts',
        "export const f = (a: 'x' | 'y') => {\n  switch (a) {\n    case 'x':\n      return 1\n    default:\n      return 2\n  }\n}",
        'switch-exhaustiveness-check',
      ],
    ]))

  it('keeps the house style', () =>
    expectRules([
      ['packages/core/src/*.ts', 'export default 1', 'no-default-export'],
      ['packages/p2p/src/*.ts', "export const f = () => console.log('x')", 'no-console'],
      ['packages/daemon/src/*.ts', 'export const f = () => process.exit(1)', 'no-process-exit'],
      ['packages/daemon/src/camelCase.ts', 'export const a = 1', 'filename-case'],
      ['sim/*.ts', 'export namespace A {\n  export const b = 1\n}', 'no-namespace'],
      ['sim/*.ts', 'export class A {\n  constructor(readonly b: number) {}\n}', 'parameter-properties'],
      ['sim/*.ts', 'export const f = (a: unknown) => a instanceof Error', 'no-instanceof-builtins'],
      ['sim/*.ts', "import { join } from 'path'\nexport { join }", 'prefer-node-protocol'],
      ['sim/*.ts', 'export const f = (a: unknown) => a == 1', 'eqeqeq'],
      [
        'sim/*.test.ts',
        "import { expect, it } from '@jest/globals'\nit.o" + "nly('x', () => expect(1).toBe(1))",
        'no-focused-tests',
      ],
      [
        'sim/*.test.ts',
        "import { expect, it } from '@jest/globals'\nit.sk" + "ip('x', () => expect(1).toBe(1))",
        'no-disabled-tests',
      ],
      ['sim/*.test.ts', "import { it } from '@jest/globals'\nit('x', () => {})", 'expect-expect'],
      ['sim/*.test.ts', "import { jest } from '@jest/globals'\njest.mock('x')", 'no-restricted-jest-methods'],
    ]))

  it('finds cycles', () =>
    expect(
      lint({
        'sim/a.ts': "import { b } from './b.ts'\nexport const a = () => b",
        'sim/b.ts': "import { a } from './a.ts'\nexport const b = () => a",
      }),
    ).toEqual(['sim/a.ts no-cycle', 'sim/b.ts no-cycle']))

  it('lets configuration files and the test transformer export a default', () =>
    expect(
      lint({ 'jest.config.ts': 'export default {}', 'scripts/strip-types.js': 'export default {}' }),
    ).toEqual([]))
})

describe('the purity law', () => {
  const impure = [
    ['export async function f() {}', 'no-async-await'],
    ['export const f = async () => 1', 'no-async-await'],
    ['export const f = () => Promise.resolve(1)', 'no-restricted-globals'],
    ['export const f = (): PromiseLike<1> => new Promise<1>(() => {})', 'no-restricted-globals'],
    ['export type F = Promise<void>', 'no-restricted-types'],
    ['export const f = () => Date.now()', 'no-restricted-globals'],
    ['export const f = () => performance.now()', 'no-restricted-globals'],
    ['export const f = () => Math.random()', 'no-restricted-properties'],
    ['export const f = () => setTimeout(() => {}, 1)', 'no-restricted-globals'],
    ['export const f = () => setInterval(() => {}, 1)', 'no-restricted-globals'],
    ['export const f = () => setImmediate(() => {})', 'no-restricted-globals'],
    ['export const f = () => queueMicrotask(() => {})', 'no-restricted-globals'],
    ['export const f = () => process.pid', 'no-restricted-globals'],
    ['export const f = (): unknown => globalThis', 'no-restricted-globals'],
    ["export const f = () => Buffer.from('')", 'no-restricted-globals'],
    ['export const f = () => crypto.randomUUID()', 'no-restricted-globals'],
    ["export const f = () => typeof fetch('/')", 'no-restricted-globals'],
    ["export { join } from 'node:path'", 'no-restricted-imports'],
    ["export type { Stats } from 'node:fs'", 'no-restricted-imports'],
    ["export { default as got } from 'got'", 'no-restricted-imports'],
    ["export * from '@lattice/api'", 'no-restricted-imports'],
    ["export * from './testing/index.ts'", 'no-restricted-imports'],
  ] as const

  it('finds every way out of the core', () =>
    expectRules(
      [
        ['packages/core/src/testing/index.ts', 'export const seed = 1', ''] as const,
        ...impure.map(([text, rule]) => ['packages/core/src/*.ts', text, rule] as const),
      ].filter(([, , rule]) => rule !== ''),
    ))

  it('finds console, which packages do not use at all', () =>
    expect(lint({ 'packages/core/src/a.ts': "export const f = () => console.log('x')" })).toEqual([
      'packages/core/src/a.ts no-console',
      'packages/core/src/a.ts no-restricted-globals',
    ]))

  it('leaves ports their promises, testing its world, and the core its encoder', () =>
    expect(
      lint({
        'packages/core/src/ports.ts': 'export interface Store {\n  close(): Promise<void>\n}',
        'packages/core/src/wire/frame.ts': "export * from '../value.ts'",
        'packages/core/src/value.ts': "import { encode } from 'cborg'\nexport const f = () => encode(1)",
        'packages/core/src/testing/index.ts':
          "export { join } from 'node:path'\nexport const f = async () => Date.now()",
      }),
    ).toEqual([]))
})

describe('the import law', () => {
  const forbidden = {
    p2p: ['@lattice/http-sync', '@lattice/api', '@lattice/daemon', '@lattice/core/testing'],
    'http-sync': ['@lattice/p2p', '@lattice/api', '@lattice/daemon', '@lattice/core/testing'],
    api: ['@lattice/p2p', '@lattice/http-sync', '@lattice/daemon', '@lattice/core/testing', 'node:fs'],
    dashboard: ['@lattice/core', '@lattice/p2p', '@lattice/http-sync', '@lattice/daemon', 'node:fs'],
    daemon: ['@lattice/p2p', '@lattice/http-sync', '@lattice/core/testing'],
  }
  const anywhere = ['@lattice/core/src/mode.ts', '@lattice/p2p/src/node.ts']

  it('finds every import past an index.ts', () =>
    expectRules(
      ['e2e/*.ts', 'bench/*.ts', 'packages/daemon/test/*.ts', 'packages/daemon/src/main.ts'].flatMap(
        (path, index) =>
          anywhere
            .slice(0, path.includes('*') ? 2 : 1)
            .map(
              name =>
                [
                  path,
                  `export * from '${name}'\nexport const a = ${index}`,
                  'no-restricted-imports',
                ] as const,
            ),
      ),
    ))

  it('finds what a package may not import', () =>
    expectRules(
      Object.entries(forbidden).flatMap(([unit, names]) =>
        [...names, ...anywhere].map(
          name => [`packages/${unit}/src/*.ts`, `export * from '${name}'`, 'no-restricted-imports'] as const,
        ),
      ),
    ))

  it('lets api have the types of the core, and only those', () =>
    expectRules([
      ['packages/api/src/*.ts', "export { assert } from '@lattice/core'", 'no-restricted-imports'],
      [
        'packages/api/src/*.ts',
        "import { assert } from '@lattice/core'\nexport const a = assert",
        'no-restricted-imports',
      ],
    ]))

  it('finds what the simulator may not import', () =>
    expectRules(
      ['@lattice/p2p', '@lattice/api', '@lattice/daemon', ...anywhere].map(
        name => ['sim/*.ts', `export * from '${name}'`, 'no-restricted-imports'] as const,
      ),
    ))

  it('lets everybody import what the law allows', () => {
    const allowed = {
      'packages/p2p/src/a.ts': ['@lattice/core', 'node:net'],
      'packages/http-sync/src/a.ts': ['@lattice/core', 'got'],
      'packages/daemon/src/a.ts': ['@lattice/core', '@lattice/api', 'node:fs'],
      'packages/daemon/src/main.ts': ['@lattice/core', '@lattice/p2p', '@lattice/http-sync'],
      'sim/a.ts': ['@lattice/core', '@lattice/core/testing', '@lattice/http-sync', '@lattice/daemon/runtime'],
      'e2e/a.ts': ['@lattice/core', '@lattice/core/testing'],
    }
    const files = Object.entries(allowed).map(([path, names]): [string, string] => [
      path,
      names.map(name => `import '${name}'\n`).join(''),
    ])
    const types = {
      'packages/api/src/a.ts': "export type { NodeStatus } from '@lattice/core'\nexport const a = 1",
    }
    expect(lint({ ...Object.fromEntries(files), ...types })).toEqual([])
  })
})
