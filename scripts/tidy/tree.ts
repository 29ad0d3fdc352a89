/**
 * The checkout as plain data, so that every rule of the house is a pure function and can be tested on planted
 * faults.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Path from the root with forward slashes → text. */
export type Tree = ReadonlyMap<string, string>

/** What is wrong and what to do: `file:line what; what to do`. */
export type Problem = string

/** The root of the checkout. */
export const root = join(import.meta.dirname, '..', '..')

const binary = /\.(png|jpe?g|gif|ico|woff2?|gz|zip|db|sqlite)$/

/** Every text file that git knows or would take in: ignored files are not part of the house. */
export function readTree(): Tree {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const paths = listed.split('\0').filter(path => path !== '' && !binary.test(path))
  const present = [...new Set(paths)].filter(path => existsSync(join(root, path))).sort()
  return new Map(present.map(path => [path, readFileSync(join(root, path), 'utf8')]))
}

/** Whether `path` is TypeScript or JavaScript. */
export function isSource(path: string): boolean {
  return /\.(ts|tsx|js|mjs|cjs)$/.test(path)
}

/** Whether `path` belongs to the sources of a workspace package. */
export function isPackageSource(path: string): boolean {
  return isSource(path) && /^packages\/[^/]+\/(src|bin)\//.test(path)
}

/** The line, from 1, on which the character at `index` stands. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
