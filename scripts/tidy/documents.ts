/** What the documents promise: links lead somewhere, commands exist. */
import { posix } from 'node:path'
import { lineAt } from './tree.ts'
import type { Problem, Tree } from './tree.ts'

const markdown = (tree: Tree): Array<[string, string]> => [...tree].filter(([path]) => path.endsWith('.md'))

/** Same length, so that line numbers stay: what stands in code is not a link. */
function withoutCode(text: string): string {
  return text.replace(/^(`{3,})[^\n]*\n[\s\S]*?^\1/gm, blank).replace(/`[^`\n]*`/g, blank)
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ')

/** The anchors GitHub gives to the headings of a document. */
function anchors(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#{1,6} +(.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  )
  return new Set(headings)
}

/** Relative links in documents that lead nowhere. */
export function linkProblems(tree: Tree): Problem[] {
  const folders = new Set([...tree.keys()].flatMap(parents))
  return markdown(tree).flatMap(([path, text]) =>
    [...withoutCode(text).matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)].flatMap(found => {
      const link = found[1] ?? ''
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return []
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : posix.join(posix.dirname(path), decodeURIComponent(file))
      const place = `${path}:${lineAt(text, found.index)}`
      if (!tree.has(target) && !folders.has(target.replace(/\/$/, ''))) {
        return [`${place} links to ${link}, which does not exist`]
      }
      if (anchor === undefined || !target.endsWith('.md') || anchors(tree.get(target) ?? '').has(anchor))
        return []
      return [`${place} links to ${link}, but ${target} has no such heading`]
    }),
  )
}

function parents(path: string): string[] {
  const folder = posix.dirname(path)
  return folder === '.' ? [folder] : [folder, ...parents(folder)]
}

/** One command in a `sh` block of a document. */
export interface Command {
  readonly place: string
  readonly words: readonly string[]
}

/**
 * The commands in all `sh` blocks, one per line; comments, continuations and environment prefixes dropped.
 */
export function commandsIn(path: string, text: string): Command[] {
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(block => {
    const first = lineAt(text, block.index) + 1
    const body = (block[1] ?? '').replace(/\\\n/g, '  ')
    return body.split('\n').flatMap((line, offset) => {
      const bare = line.replace(/(^|\s)#.*$/, '').trim()
      return bare === ''
        ? []
        : bare.split(/\s*(?:&&|\|\||[;|])\s*/).map(command => ({
            place: `${path}:${first + offset}`,
            words: command.split(/\s+/).filter(word => !/^[A-Z_]+=/.test(word)),
          }))
    })
  })
}

const builtIn = new Set(['ci', 'install', 'start', 'test'])

/** Commands of `npm` and `lattice` in documents that the checkout does not have. */
export function commandProblems(
  tree: Tree,
  scripts: ReadonlySet<string>,
  lattice: ReadonlySet<string>,
): Problem[] {
  return markdown(tree).flatMap(([path, text]) =>
    commandsIn(path, text).flatMap(({ place, words }) => {
      const [program, ...rest] = words[0] === 'npx' ? words.slice(1) : words
      const verb = rest.find(word => !word.startsWith('-'))
      if (program === 'lattice' && verb !== undefined && !lattice.has(verb)) {
        return [`${place} runs "lattice ${verb}", which the CLI does not have`]
      }
      if (program !== 'npm' || verb === undefined) return []
      const script =
        verb === 'run' ? rest.slice(rest.indexOf('run') + 1).find(word => !word.startsWith('-')) : verb
      if (script === undefined || scripts.has(script) || (verb !== 'run' && builtIn.has(script))) return []
      return [`${place} runs "npm ${rest.join(' ')}", which package.json does not have`]
    }),
  )
}
