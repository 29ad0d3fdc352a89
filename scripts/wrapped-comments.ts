/** Wraps comments, and touches nothing else: what is code is told from what is comment by the parser. */
import { parse } from '@babel/parser'

const width = (text: string): number => Array.from(text).length

/** A line that starts something of its own, and how far its continuation hangs. */
function hang(line: string): string | undefined {
  const bullet = /^(\s*)([-*•]|\d+[.)])(\s+)/.exec(line)
  return bullet ? ' '.repeat(bullet[0].length) : undefined
}

/** Tables, drawings, tags and anything aligned by hand. */
const asItStands = /^\s*([|@#>`]|$)|\S {2,}\S|[─│┌└►→]{2,}/

function filled(words: readonly string[], first: string, rest: string, columns: number): string[] {
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of words) {
    if (!empty && width(line) + 1 + width(word) > columns) {
      lines.push(line)
      line = rest
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}

/**
 * Wraps the lines of one comment, given without their prefix, to `columns`. Only paragraphs too wide change.
 */
function wrapLines(lines: readonly string[], columns: number): string[] {
  const paragraphs: Array<{ lines: string[]; kept: boolean }> = []
  let code = false
  let open = false
  for (const line of lines) {
    const fence = /^\s*```/.test(line)
    const alone = fence || code || asItStands.test(line)
    if (fence) code = !code
    const current = paragraphs.at(-1)
    if (current && open && !alone && hang(line) === undefined) current.lines.push(line)
    else paragraphs.push({ lines: [line], kept: alone })
    open = !alone
  }
  return paragraphs.flatMap(({ lines: paragraph, kept }) => {
    if (kept || paragraph.every(line => width(line) <= columns)) return paragraph
    const [first = ''] = paragraph
    const indent = /^\s*/.exec(first)?.[0] ?? ''
    return filled(paragraph.join(' ').trim().split(/\s+/), indent, hang(first) ?? indent, columns)
  })
}

function wrapBlock(comment: string, indent: string, columns: number): string {
  const inner = comment.slice(3, -2).split('\n')
  const lines = inner.map((line, index) =>
    index === 0 ? line.trim() : line.replace(/^\s*\* ?/, '').trimEnd(),
  )
  while (lines[0] === '') lines.shift()
  while (lines.at(-1)?.trim() === '') lines.pop()
  const prefix = `${indent} * `
  const wrapped = wrapLines(lines, columns - prefix.length).map(line => (prefix + line).trimEnd())
  return ['/**', ...wrapped, `${indent} */`].join('\n')
}

function wrapRun(lines: readonly string[], indent: string, columns: number): string {
  const texts = lines.map(line => line.trim().replace(/^\/\/ ?/, ''))
  return wrapLines(texts, columns - indent.length - 3)
    .map(line => `${indent}// ${line}`.trimEnd())
    .join('\n')
}

/**
 * The same source with every docstring and every line of `//` comments no wider than `columns`, where words
 * allow.
 */
export function wrapComments(source: string, columns: number): string {
  const { comments } = parse(source, {
    sourceType: 'module',
    plugins: ['typescript', 'jsx'],
    errorRecovery: true,
  })
  const lines = source.split('\n')
  const wide = (first: number, last: number) =>
    lines.slice(first - 1, last).some(line => width(line) > columns)
  const edits: Array<{ first: number; last: number; text: string }> = []
  for (const comment of comments ?? []) {
    if (!comment.loc) continue
    const { start, end } = comment.loc
    const before = lines[start.line - 1]?.slice(0, start.column) ?? ''
    const after = lines[end.line - 1]?.slice(end.column) ?? ''
    if (before.trim() !== '' || after.trim() !== '') continue
    const previous = edits.at(-1)
    if (comment.type === 'CommentLine' && previous?.last === start.line - 1 && previous.text === '//') {
      previous.last = end.line
    } else if (comment.type === 'CommentLine') {
      edits.push({ first: start.line, last: end.line, text: '//' })
    } else if (comment.value.startsWith('*') && wide(start.line, end.line)) {
      const whole = source.slice(comment.start ?? 0, comment.end ?? 0)
      edits.push({ first: start.line, last: end.line, text: before + wrapBlock(whole, before, columns) })
    }
  }
  for (const { first, last, text } of edits.reverse()) {
    if (!wide(first, last)) continue
    const run = lines.slice(first - 1, last)
    const indent = /^\s*/.exec(run[0] ?? '')?.[0] ?? ''
    lines.splice(
      first - 1,
      last - first + 1,
      ...(text === '//' ? wrapRun(run, indent, columns) : text).split('\n'),
    )
  }
  return lines.join('\n')
}
