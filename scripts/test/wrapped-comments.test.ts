/** Wrapping comments changes comments that are too wide, and nothing else. */
import { describe, expect, it } from '@jest/globals'
import { wrapComments } from '../wrapped-comments.ts'

const text = (...lines: string[]) => lines.join('\n')

describe('wrapComments', () => {
  it('wraps a docstring of one line into several', () =>
    expect(wrapComments('  /** One two three four five. */\n  f()', 20)).toBe(
      text('  /**', '   * One two three', '   * four five.', '   */', '  f()'),
    ))

  it('wraps a run of line comments as one paragraph, at its own indentation', () =>
    expect(wrapComments(text('{', '  // one two three four', '  // five', '', '  // six', '}'), 18)).toBe(
      text('{', '  // one two three', '  // four five', '', '  // six', '}'),
    ))

  it('keeps the hang of lists, and leaves tables, drawings and code alone', () => {
    const kept = [
      '/**',
      ' * | a table | which is wide |',
      ' * a ─► b ─► c   and so on and on',
      ' * ```',
      ' * some code, wide too',
      ' * ```',
    ]
    const list = [' * - one two three four', ' * - five', ' */']
    const wrapped = [' * - one two', ' *   three', ' *   four', ' * - five', ' */']
    expect(wrapComments(text(...kept, ...list), 14)).toBe(text(...kept, ...wrapped))
  })

  it('touches neither code, strings, trailing comments, nor paragraphs that fit', () => {
    const source = text(
      "const url = 'https://example.org//not-a-comment-at-all'",
      'const a = 1 // a trailing comment that is too wide',
      '/**',
      ' * Fits,',
      ' * as it is.',
      ' */',
      'const b = `',
      '  // inside a template string, and so not a comment',
      '`',
    )
    expect(wrapComments(source, 20)).toBe(source)
  })

  it('is done after one pass', () => {
    const once = wrapComments('// one two three four five six\nf()', 12)
    expect(wrapComments(once, 12)).toBe(once)
  })
})
