/** Every rule of the tidy test finds its planted fault, names the place, and lets the innocent twin pass. */
import { describe, expect, it } from '@jest/globals'
import { firstSentence } from '../generated-documents.ts'
import { commandProblems, commandsIn, linkProblems } from '../tidy/documents.ts'
import * as form from '../tidy/form.ts'
import * as imports from '../tidy/imports.ts'

const tree = (files: Record<string, string>) => new Map(Object.entries(files))

const core = '{"exports":{".":"./src/index.ts"},"dependencies":{"cborg":"^6"}}'
const top =
  '{"devDependencies":{"@jest/globals":"^30"},"scripts":{"lint":"oxlint","docs":"node scripts/docs.ts"}}'

describe('size', () => {
  it('finds a long file, a long function and a wide line', () => {
    const long = `function f() {\n${'  g()\n'.repeat(59)}}\n`
    const problems = form.sizeProblems(
      tree({
        'a.ts': 'x\n'.repeat(401),
        'b.ts': long,
        'c.ts': `// ${'w'.repeat(108)}\n`,
        'fits.ts': `${'x\n'.repeat(339)}${long.replace('  g()\n', '')}// ${'→'.repeat(107)}`,
      }),
    )
    expect(problems).toEqual([
      'a.ts:401 has 401 lines; split the file by concept, 400 at most',
      'b.ts:1 f has 61 lines; split it at 60',
      'c.ts:1 has 111 columns; wrap it at 110',
    ])
  })

  it('takes methods and arrow functions for functions, but not a list of tests', () => {
    const lines = '  g()\n'.repeat(60)
    const problems = form.sizeProblems(
      tree({
        'a.ts': `class A {\n m() {\n${lines}}\n}\nconst arrow = () => {\n${lines}}\n`,
        'a.test.ts': `describe('x', () => {\n it('y', () => {})\n${lines}})\n`,
        'each.test.ts': `describe('x', () => {\n it.each([1])('y', () => {})\n${lines}})\n`,
      }),
    )
    expect(problems).toEqual([
      'a.ts:2 m has 62 lines; split it at 60',
      'a.ts:65 arrow has 62 lines; split it at 60',
    ])
  })
})

describe('names', () => {
  it('finds camel case, vague files and vague exports', () => {
    const problems = form.nameProblems(
      tree({
        'packages/core/src/peerTable.ts': '',
        'packages/core/src/string-utils.ts': '',
        'packages/core/src/helpers/a.ts': '',
        'packages/core/src/session.ts': '\nexport class SessionManager {}\nexport interface IPeer {}',
        'packages/core/src/peer-table.test.ts': 'export const Inbox = 1, managed = 2',
        'deploy/lattice.service': '',
      }),
    )
    expect(problems).toEqual([
      'packages/core/src/peerTable.ts:1 is not kebab-case; rename it after its main export',
      'packages/core/src/string-utils.ts:1 is called "utils"; name the role, not the drawer',
      'packages/core/src/helpers/a.ts:1 is called "helpers"; name the role, not the drawer',
      'packages/core/src/session.ts:2 exports SessionManager; name the role, not the mechanism',
      'packages/core/src/session.ts:3 exports IPeer; name the role, not the mechanism',
    ])
  })
})

describe('docstrings', () => {
  it('finds a missing head comment and bare exports', () => {
    const good = `/** Head. */\nimport 'x'\n/** One. */\nexport const one = 1\n/** Two. */\nfunction two() {}\nexport { two }\n`
    const bad = `import 'x'\n// not a docstring\nexport const one = 1\n/** Too far. */\n\nexport type T = 1\nfunction two() {}\nexport { two }\n`
    const problems = form.docstringProblems(
      tree({ 'packages/core/src/good.ts': good, 'packages/core/src/bad.ts': bad, 'scripts/free.ts': bad }),
    )
    expect(problems.map(problem => problem.replace('packages/core/src/', ''))).toEqual([
      'bad.ts:1 has no head comment; say what it is and why so',
      'bad.ts:3 exports one without a docstring; add one sentence right above it',
      'bad.ts:6 exports T without a docstring; add one sentence right above it',
      'bad.ts:7 exports two without a docstring; add one sentence right above it',
    ])
  })
})

describe('erasable syntax', () => {
  it('finds enums, namespaces and parameter properties', () => {
    const text =
      'enum A { B }\nnamespace C { export const d = 1 }\nclass E {\n  constructor(readonly f: 1) {}\n}\n'
    const problems = form.erasableProblems(tree({ 'a.ts': text, 'b.ts': "declare module 'x' {}\n" }))
    expect(problems.map(problem => problem.split(';')[0])).toEqual([
      'a.ts:1 is an enum',
      'a.ts:2 is a namespace',
      'a.ts:4 is a parameter property',
    ])
  })
})

describe('words', () => {
  it('finds unfinished work, switched-off tests and paths of one machine', () => {
    const off = ['it.' + "only('x')", 'x' + "it('x')", 'describe.' + "skip('x')"].join('\n')
    const problems = form.wordProblems(
      tree({
        'a.md': `fine\n${'TO' + 'DO'} later\nsee ${'/ho' + 'me/'}me/x and https://example.org${'/ho' + 'me/'}x`,
        'a.test.ts': off,
        'deploy/space/Dockerfile': `WORKDIR ${'/ho' + 'me/'}user`,
        LICENSE: 'FIX' + 'ME',
      }),
    )
    expect(problems.map(problem => problem.split(' has ')[0])).toEqual([
      'a.md:2',
      'a.md:3',
      'a.test.ts:1',
      'a.test.ts:2',
      'a.test.ts:3',
    ])
  })
})

describe('imports', () => {
  const files = {
    'package.json': top,
    'packages/core/package.json': core,
    'packages/core/src/index.ts': "export * from './clock.ts'\nexport type { Child } from './child.ts'\n",
    'packages/core/src/clock.ts':
      "import { encode } from 'cborg'\nexport const run = new URL('./child.ts', here)\n",
    'packages/core/src/child.ts': 'export type Child = 1\nstart()\n',
    'packages/core/test/clock.test.ts': "import { expect } from '@jest/globals'\nimport '../src/clock.ts'\n",
    'packages/p2p/package.json': '{"exports":{".":"./src/index.ts"}}',
    'packages/p2p/src/index.ts': '',
    'e2e/a.test.ts': "import '@lattice/core'\nimport './world.ts'\n",
    'e2e/world.ts': 'const child = new URL(`./child${extension}`, here)',
    'e2e/child.ts': '',
    'jest.config.ts': "const transform = '<rootDir>/scripts/strip.js'",
    'scripts/strip.js': '',
    'scripts/docs.ts': "import 'node:fs'",
  }
  const rules = [
    imports.pathProblems,
    imports.declarationProblems,
    imports.deadProblems,
    imports.effectProblems,
    imports.purityProblems,
  ]
  const problems = (more: Record<string, string>) => rules.flatMap(rule => rule(tree({ ...files, ...more })))

  it('lets a lawful tree pass', () => expect(problems({})).toEqual([]))

  it.each([
    ['packages/p2p/src/index.ts', "\nimport '../../core/src/clock.ts'", /:2 imports .* past an index\.ts/],
    ['e2e/world.ts', "import '../packages/core/src/clock.ts'", /:1 imports .* past an index\.ts/],
    ['e2e/world.ts', "await import('../packages/core/src/clock.ts')", /:1 imports .* past an index\.ts/],
    ['e2e/world.ts', "export * from './moved.ts'", /:1 imports \.\/moved\.ts, which does not exist/],
    ['packages/p2p/src/index.ts', "import '../test/x.ts'", /imports \.\.\/test\/x\.ts, which does not exist/],
    ['packages/core/src/child.ts', "import '../test/clock.test.ts'", /:1 imports a test/],
    [
      'packages/p2p/src/index.ts',
      "import { got } from 'got'",
      /:1 imports got, which packages\/p2p\/package\.json/,
    ],
    [
      'packages/p2p/src/index.ts',
      "import type { A } from '@lattice/core'",
      /imports @lattice\/core, which packages/,
    ],
    ['packages/p2p/src/index.ts', "import '@jest/globals'", /imports @jest\/globals, which packages/],
    ['packages/p2p/src/index.ts', "type A = import('got').Got", /imports got, which packages/],
    ['scripts/docs.ts', "import '@x/y/z'", /:1 imports @x\/y\/z, which package\.json does not declare/],
    ['packages/core/src/lost.ts', '', /lost\.ts:1 is reached from nowhere/],
    ['packages/core/test/fixture.ts', '', /fixture\.ts:1 is reached from nowhere/],
    ['scripts/lost.js', '', /lost\.js:1 is reached from nowhere/],
    [
      'packages/core/src/index.ts',
      "export * from './clock.ts'\nexport * from './child.ts'",
      /:2 acts on import/,
    ],
    ['packages/core/src/clock.ts', "export const x = () => import('./child.ts')", /:1 imports dynamically/],
  ])('finds in %s: %s', (path, text, expected) => {
    const found = problems({ [path]: text }).filter(problem => expected.test(problem))
    expect(found).toHaveLength(1)
  })

  it('takes a source that only tests reach for dead', () => {
    const more = {
      'packages/core/src/lost.ts': '',
      'packages/core/test/lost.test.ts': "import '../src/lost.ts'",
    }
    expect(problems(more)).toEqual([
      'packages/core/src/lost.ts:1 is reached from nowhere; delete it or export it from the index.ts',
    ])
  })
})

describe('documents', () => {
  it('finds dead links and anchors, not those in code or on the web', () => {
    const text = [
      '# A first title',
      '[a](docs/b.md) [b](docs/) [c](https://example.org/x.md) [d](#a-first-title) `[e](no.md)`',
      '```md',
      '[f](no.md)',
      '```',
      '[g](no.md) [h](docs/b.md#nowhere) [i](#no)',
    ]
    expect(linkProblems(tree({ 'a.md': text.join('\n'), 'docs/b.md': '# B' }))).toEqual([
      'a.md:6 links to no.md, which does not exist',
      'a.md:6 links to docs/b.md#nowhere, but docs/b.md has no such heading',
      'a.md:6 links to #no, but a.md has no such heading',
    ])
  })

  it('finds commands that do not exist', () => {
    const text = [
      '```sh',
      'npm ci && npm start   # npm run nothing',
      'npm run lint -- --fix',
      'LATTICE_LOG_LEVEL=debug npx lattice up --once',
      'npm run -s lost',
      'npx lattice fly',
      'npm run docs | npm lost',
      '```',
      '```text',
      'npm run lost',
      '```',
    ]
    const files = tree({ 'a.md': text.join('\n') })
    expect(commandProblems(files, new Set(['lint', 'docs']), new Set(['up']))).toEqual([
      'a.md:5 runs "npm run -s lost", which package.json does not have',
      'a.md:6 runs "lattice fly", which the CLI does not have',
      'a.md:7 runs "npm lost", which package.json does not have',
    ])
    expect(commandsIn('a.md', text.join('\n'))).toHaveLength(8)
  })

  it('takes one sentence from a head comment', () => {
    expect(firstSentence('*\n * Every bound in one\n * place. And more.\n ')).toBe('Every bound in one place')
    expect(firstSentence('* The seams: everything, e.g. `a.ts`, as interfaces. ')).toBe(
      'The seams: everything, e.g. `a.ts`, as interfaces',
    )
  })
})
