/**
 * What people read stands in texts.ts and nowhere else, so that a translation is one file: no other file of
 * the dashboard has words between tags, in attributes that are read, or sentences as strings.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from '@babel/parser'
import { describe, expect, it } from '@jest/globals'

const directory = join(import.meta.dirname, '../src')

/** Attributes that are shown or read aloud; `title` to `word` as our own components call them. */
const readAttributes = new Set('aria-label alt placeholder title help label summary word'.split(' '))

const letters = /\p{L}{2}/u
const sentence = /^\s*\p{Lu}\p{Ll}+\b/u

interface Syntax {
  readonly type: string
  readonly [field: string]: unknown
}

const isSyntax = (value: unknown): value is Syntax =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'

/** The text of a piece of syntax that is one; what a `${…}` stands in is no text. */
function textOf(node: Syntax): string {
  const { value } = node
  if (node.type === 'TemplateElement' && typeof value === 'object' && value !== null && 'raw' in value)
    return String(value.raw)
  return (node.type === 'StringLiteral' || node.type === 'JSXText') && typeof value === 'string' ? value : ''
}

/** Where a piece of syntax is: shown between tags or in an attribute that is read, or neither. */
function shownIn(node: Syntax, field: string, shown: boolean): boolean {
  if (node.type === 'JSXAttribute') return isSyntax(node['name']) && readAttributes.has(nameOf(node['name']))
  if (node.type === 'JSXElement' || node.type === 'JSXFragment') return field === 'children'
  // What is compared, called with, or looked up by, is not what is shown.
  if (node.type === 'BinaryExpression' || node.type === 'MemberExpression') return false
  if (node.type === 'CallExpression') return shown && field === 'callee'
  return shown && field !== 'test'
}

const nameOf = (name: Syntax): string => (typeof name['name'] === 'string' ? name['name'] : '')

/** Texts that people would read, in the order of the file. */
function readTexts(node: Syntax, shown: boolean): string[] {
  const text = textOf(node)
  if ((shown && letters.test(text)) || sentence.test(text)) return [text.trim()]
  if (node.type === 'ImportDeclaration' || node.type.startsWith('TS')) return []
  return Object.entries(node).flatMap(([field, value]) =>
    [value]
      .flat()
      .filter(isSyntax)
      .flatMap(child => readTexts(child, shownIn(node, field, shown))),
  )
}

function textsOf(source: string): string[] {
  const { program } = parse(source, { sourceType: 'module', plugins: ['typescript', 'jsx'] })
  return isSyntax(program) ? readTexts(program, false) : []
}

describe('what people read', () => {
  const files = readdirSync(directory).filter(name => /\.tsx?$/.test(name) && name !== 'texts.ts')
  it.each(files)('comes from texts.ts in %s', name => {
    const source = readFileSync(join(directory, name), 'utf8')
    expect(textsOf(source)).toEqual([])
  })

  it.each([
    ['<p>again here</p>', 'again here'],
    ['<p aria-label="again" />', 'again'],
    ['<Mark word={`again ${a}`} />', 'again'],
    ["<p>{a === 'b' ? 'again' : c('d')}</p>", 'again'],
    ["say('Again and again')", 'Again and again'],
  ])('is found in %s', (source, found) => {
    expect(textsOf(source)).toEqual([found])
  })

  it('is not what only machines read', () => {
    const source = '<p className="lat-help" data-x={`y${a}`} key="this">{a("bb")}</p>'
    expect(textsOf(source)).toEqual([])
  })
})
