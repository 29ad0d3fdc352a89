/**
 * Documents that are written by the code they describe. `npm run docs` writes them; the tidy test compares
 * them.
 */
import { format, resolveConfig } from 'prettier'
import { errorCatalog } from '@lattice/core'
import { deploymentConfigs } from './deployment-configs.ts'
import { modeDocument } from './mode-document.ts'
import { readModule } from './tidy/syntax.ts'
import { columnsMax } from './tidy/form.ts'
import { isPackageSource } from './tidy/tree.ts'
import type { Tree } from './tidy/tree.ts'

function errorsDocument(): string {
  const sections = Object.entries(errorCatalog).map(
    ([code, [cause, next]]) => `## ${code}\n\n**What happened:** ${cause}.\n\n**What to do:** ${next}.\n`,
  )
  return [
    '<!-- Generated from packages/core/src/errors.ts by `npm run docs`. -->',
    '# Errors\n',
    'Logs, REST answers (`code` and `hint`), health, and the command line share this one closed list. A code keeps its',
    'meaning for ever; new ones may come.\n',
    ...sections,
  ].join('\n')
}

/** The first sentence of a head comment on one line, without its stars and its full stop. */
export function firstSentence(head: string): string {
  const text = head
    .split('\n')
    .map(line => line.replace(/^\s*\*+ ?/, ''))
    .join('\n')
    .trim()
  const paragraph = (text.split(/\n\s*\n/)[0] ?? '').replace(/\s+/g, ' ')
  return (/^.*?[.:](?=\s[A-Z]|\s*$)/.exec(paragraph)?.[0] ?? paragraph).replace(/[.:]$/, '')
}

function shortened(text: string, columns: number): string {
  if (text.length <= columns) return text
  return `${text.slice(0, columns - 1).replace(/[\s,;:]+\S*$/, '')} …`
}

/** Wide enough for the longest file names with their indentation. */
const nameColumns = 30

function sourceTree(tree: Tree): string {
  const lines: string[] = []
  let open: string[] = []
  for (const path of [...tree.keys()].filter(isPackageSource).sort()) {
    const folders = path.split('/').slice(0, -1)
    const same = folders.findIndex((folder, depth) => open[depth] !== folder)
    const from = same === -1 ? folders.length : same
    folders.slice(from).forEach((folder, depth) => lines.push(`${'  '.repeat(from + depth)}${folder}/`))
    open = folders
    const name = `${'  '.repeat(folders.length)}${path.slice(path.lastIndexOf('/') + 1)}`
    const head = firstSentence(readModule(path, tree.get(path) ?? '').head ?? '')
    lines.push(`${name.padEnd(nameColumns)} ${shortened(head, columnsMax - nameColumns - 1)}`.trimEnd())
  }
  return ['```text', ...lines, '```'].join('\n')
}

const between = /(<!-- tree: [^>]*-->\n)[\s\S]*?(\n<!-- \/tree -->)/

/** Path → text of every generated document, or of the document with its generated part renewed. */
export async function generatedDocuments(tree: Tree): Promise<ReadonlyMap<string, string>> {
  const options = { ...(await resolveConfig('docs/errors.md')), parser: 'markdown' }
  const architecture = tree.get('ARCHITECTURE.md') ?? ''
  if (!between.test(architecture))
    throw new Error('ARCHITECTURE.md:1 has no <!-- tree: … --> … <!-- /tree --> part')
  const drawn = sourceTree(tree)
  return new Map([
    ...deploymentConfigs(),
    ['docs/errors.md', await format(errorsDocument(), options)],
    ['docs/modes.md', await format(modeDocument(), options)],
    [
      'ARCHITECTURE.md',
      architecture.replace(between, (_all, begin: string, end: string) => `${begin}\n${drawn}\n${end}`),
    ],
  ])
}
