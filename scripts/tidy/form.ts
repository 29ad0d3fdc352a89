/** How a file looks: its size, its name, its docstrings, and words that do not belong in it. */
import { readModule } from './syntax.ts'
import { isPackageSource, isSource, lineAt } from './tree.ts'
import type { Problem, Tree } from './tree.ts'

/** A file longer than this holds more than one concept (ARCHITECTURE.md, style). */
export const fileLinesMax = 400

/** A function longer than this does not fit on a screen (ARCHITECTURE.md, style). */
export const functionLinesMax = 60

/**
 * Prettier's print width; comments, which it leaves alone, keep to it as well. Text that would have to be
 * taken apart (a quoted string, a line of a template, a regular expression) may be wider.
 */
export const columnsMax = 110

const sources = (tree: Tree): Array<[string, string]> => [...tree].filter(([path]) => isSource(path))

/** As an editor counts them: by code point, so that an arrow is one column. */
const columns = (line: string): number => Array.from(line).length

const quoted = /(['"`])(?:\\.|(?!\1).)*\1/g

/** The columns of a line without the text inside quotes. */
const codeColumns = (line: string): number => columns(line.replace(quoted, '$1$1'))

/** Files, functions and lines that are too long. */
export function sizeProblems(tree: Tree): Problem[] {
  return sources(tree).flatMap(([path, text]) => {
    const lines = text.replace(/\n$/, '').split('\n')
    const wide = lines.flatMap((line, index) =>
      codeColumns(line) > columnsMax
        ? [`${path}:${index + 1} has ${columns(line)} columns; wrap it at ${columnsMax}`]
        : [],
    )
    const long = readModule(path, text)
      .functions.filter(one => one.lines > functionLinesMax && !one.registersTests)
      .map(one => `${path}:${one.line} ${one.name} has ${one.lines} lines; split it at ${functionLinesMax}`)
    const many =
      lines.length > fileLinesMax
        ? [
            `${path}:${fileLinesMax + 1} has ${lines.length} lines; split the file by concept, ${fileLinesMax} at most`,
          ]
        : []
    return [...many, ...long, ...wide]
  })
}

const vagueWords = new Set(
  ['util utils helper helpers common manager managers service services misc shared stuff'.split(' ')].flat(),
)
const vagueExport = /(Utils?|Helpers?|Manager|Service)$|^I[A-Z][a-z]/
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.[a-z]+$/

/** File names that are not kebab-case, and names that say nothing of the role. */
export function nameProblems(tree: Tree): Problem[] {
  return sources(tree).flatMap(([path, text]) => {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const form = kebab.test(name) ? [] : [`${path}:1 is not kebab-case; rename it after its main export`]
    const words = path
      .replace(/\.[a-z]+$/, '')
      .split(/[/.-]/)
      .filter(word => vagueWords.has(word))
    const vague = words.map(word => `${path}:1 is called "${word}"; name the role, not the drawer`)
    const exported = readModule(path, text)
      .exports.filter(one => vagueExport.test(one.name))
      .map(one => `${path}:${one.line} exports ${one.name}; name the role, not the mechanism`)
    return [...form, ...vague, ...exported]
  })
}

/** Package sources without a head comment, and exports without a docstring. */
export function docstringProblems(tree: Tree): Problem[] {
  return [...tree]
    .filter(([path]) => isPackageSource(path))
    .flatMap(([path, text]) => {
      const module = readModule(path, text)
      const head =
        module.head === undefined ? [`${path}:1 has no head comment; say what it is and why so`] : []
      const bare = module.exports
        .filter(one => !one.documented)
        .map(
          one =>
            `${path}:${one.line} exports ${one.name} without a docstring; add one sentence right above it`,
        )
      return [...head, ...bare]
    })
}

/** TypeScript that Node cannot run by stripping types. */
export function erasableProblems(tree: Tree): Problem[] {
  return sources(tree).flatMap(([path, text]) =>
    readModule(path, text).unerasable.map(
      one =>
        `${path}:${one.line} is ${one.what}; Node strips types and cannot run it: use a union or plain fields`,
    ),
  )
}

// Spelt in pieces, so that this file does not find itself.
const unfinished = new RegExp(
  `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`,
  'g',
)
// A choice by what the machine can do (`able ? describe : describe.skip`) is honest; the rest is forgotten.
const unrun =
  /(?<!\? (?:it|test|describe) : )\b(?:it|test|describe)\.(?:only|skip|todo)\b|\b[xf](?:it|describe)\(/g
const machine = /(?<![\w.:/-])\/(?:work|root|Users|home)\/\w/g

const unchecked = /^(package-lock\.json|LICENSE)$/
const installed = /^(deploy|configs)\//

/** Unfinished work, tests that do not run, and paths of the machine a file was written on. */
export function wordProblems(tree: Tree): Problem[] {
  const rules = [
    { pattern: unfinished, applies: () => true, advice: 'finish it, or open an issue' },
    { pattern: unrun, applies: isSource, advice: 'every test runs, in every run' },
    {
      pattern: machine,
      // Files that describe an installation name the places where it lives.
      applies: (path: string) => !installed.test(path),
      advice: 'use a path relative to the checkout',
    },
  ]
  return [...tree]
    .filter(([path]) => !unchecked.test(path))
    .flatMap(([path, text]) =>
      rules
        .filter(rule => rule.applies(path))
        .flatMap(rule =>
          [...text.matchAll(rule.pattern)].map(
            found => `${path}:${lineAt(text, found.index)} has "${found[0]}"; ${rule.advice}`,
          ),
        ),
    )
}
