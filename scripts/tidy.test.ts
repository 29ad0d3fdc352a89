/**
 * The tidy test: the house rules of CONTRIBUTING.md that no compiler or linter knows. Each problem names its
 * place and what to do about it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { commandProblems, linkProblems } from './tidy/documents.ts'
import * as form from './tidy/form.ts'
import * as imports from './tidy/imports.ts'
import { readTree, root } from './tidy/tree.ts'

const tree = readTree()

function scriptNames(): ReadonlySet<string> {
  const parsed: unknown = JSON.parse(tree.get('package.json') ?? '{}')
  const scripts = typeof parsed === 'object' && parsed !== null && 'scripts' in parsed ? parsed.scripts : {}
  return new Set(Object.keys(scripts ?? {}))
}

/** The verbs in the help text, so that documents are held against the CLI as it is. */
function latticeVerbs(): ReadonlySet<string> {
  const help = execFileSync(process.execPath, [join(root, 'packages/daemon/bin/lattice.js'), 'help'], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })
  return new Set([...help.matchAll(/^\s+(?:lattice )?([a-z][a-z-]+)\b/gm)].map(([, verb = '']) => verb))
}

describe('the house is tidy', () => {
  it('files, functions and lines fit on a screen', () => expect(form.sizeProblems(tree)).toEqual([]))
  it('names are kebab-case and say the role', () => expect(form.nameProblems(tree)).toEqual([]))
  it('sources have a head comment, exports a docstring', () =>
    expect(form.docstringProblems(tree)).toEqual([]))
  it('all TypeScript runs by stripping types', () => expect(form.erasableProblems(tree)).toEqual([]))
  it('no unfinished work, no switched-off test, no path of one machine', () =>
    expect(form.wordProblems(tree)).toEqual([]))

  it('nobody imports past an index.ts', () => expect(imports.pathProblems(tree)).toEqual([]))
  it('every import is declared', () => expect(imports.declarationProblems(tree)).toEqual([]))
  it('no source file is dead', () => expect(imports.deadProblems(tree)).toEqual([]))
  it('importing a module does nothing', () => expect(imports.effectProblems(tree)).toEqual([]))
  it('the core has no asynchronous back door', () => expect(imports.purityProblems(tree)).toEqual([]))

  it('links in documents lead somewhere', () => expect(linkProblems(tree)).toEqual([]))
  it('commands in documents exist', () =>
    expect(commandProblems(tree, scriptNames(), latticeVerbs())).toEqual([]))
  it('generated documents and the tree in ARCHITECTURE.md are up to date', () => {
    const run = spawnSync(process.execPath, [join(root, 'scripts/generate-docs.ts'), '--check'], {
      encoding: 'utf8',
    })
    expect(run.stdout + run.stderr).toBe('')
    expect(run.status).toBe(0)
  })
})
