/**
 * What comes from elsewhere is harmless to the eye; spans read as people say them; strange answers are
 * refused.
 */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { areFields, listOf, nullable } from '../src/answer-shape.ts'
import { readFailureWords, switchFailureWords, wantsToken } from '../src/failure-words.ts'
import { safeUrl } from '../src/safe-url.ts'
import { agoWords, spanWords, tripWords } from '../src/time-words.ts'
import { shortHex, valueBlock, valueLine, visible, visibleName } from '../src/visible-text.ts'

describe('text from elsewhere', () => {
  it('spells out what hides or reverses', () => {
    expect(visible('a\u202Eb')).toBe('a⟨U+202E⟩b')
    expect(visible('a\u200Bb\u0000')).toBe('a⟨U+200B⟩b⟨U+0000⟩')
    expect(visible('\uD800')).toBe('⟨U+D800⟩')
    expect(visible('x' + '\u0301'.repeat(300)).length).toBeLessThan(10)
  })

  it('leaves writing of every direction as it is', () => {
    for (const text of ['Grüße', 'مرحبا', 'שלום', '日本', 'क्षि', '🟢 Resilient (P2P Mode)']) {
      expect(visible(text)).toBe(text)
    }
  })

  it('never shows an unseen character, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
        expect(visible(text, 50)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u)
        expect(valueBlock([text], 500)).not.toMatch(/[\u202A-\u202E\u2066-\u2069]/)
      }),
    )
  })

  it('is cut where it is long', () => {
    expect(visible('a'.repeat(1000), 10)).toBe(`${'a'.repeat(10)}…`)
    expect(valueLine({ a: 'b'.repeat(1e6) }, 20).length).toBeLessThan(30)
    expect(shortHex('9f'.repeat(32))).toBe('9f9f9f…9f9f')
  })

  it('as a name tells every blank from every other', () => {
    const names = ['a b', ' a b', 'a b ', 'a  b', 'a   b', 'a\u00A0b', 'a\u2003b', 'a\u3164b', 'ab']
    const shown = names.map(name => visibleName(name))
    expect(shown[0]).toBe('a b')
    expect(shown[1]).toBe('⟨U+0020⟩a b')
    expect(new Set(shown.map(text => text.trim().replaceAll(/[\s\u3164]+/g, ' '))).size).toBe(names.length)
    expect(visibleName(' \u202E'.repeat(50), 4)).toBe('⟨U+0020⟩⟨U+202E⟩ ⟨U+202E⟩…')
  })

  it('becomes a link only as a web address', () => {
    expect(safeUrl('https://node1.example')).toBe('https://node1.example/')
    expect(safeUrl('javascript:alert(1)')).toBeUndefined()
    expect(safeUrl('data:text/html,x')).toBeUndefined()
    expect(safeUrl(null)).toBeUndefined()
  })
})

describe('spans', () => {
  it('are said in their two greatest units', () => {
    const said = [0, 22_000, 243_000, 7_860_000, 3 * 86_400_000 + 4 * 3_600_000, 3_600_000].map(spanWords)
    expect(said).toEqual(['0 s', '22 s', '4 m 3 s', '2 h 11 m', '3 d 4 h', '1 h'])
  })

  it('never run backwards, and survive a moment that is none', () => {
    expect(agoWords(new Date(5000).toISOString(), 0)).toBe('0 s ago')
    expect(agoWords('yesterday', 0)).toBe('at an unknown time')
    expect([0.42, 9.96, 48.2, 1234].map(tripWords)).toEqual(['0.4 ms', '10 ms', '48 ms', '1.2 s'])
  })
})

describe('answers of something else', () => {
  const shape = { name: 'string', root: nullable('string'), links: listOf({ up: 'boolean' }) } as const
  it('are refused, and those of a newer node are taken', () => {
    expect(areFields({ name: 'n', root: null, links: [{ up: true, more: 1 }], new: 1 }, shape)).toBe(true)
    for (const strange of [
      undefined,
      null,
      [],
      'ok',
      {},
      { name: 1, links: [] },
      { name: 'n', links: [{}] },
    ]) {
      expect(areFields(strange, shape)).toBe(false)
    }
  })
})

describe('failures', () => {
  it('say what to do', () => {
    expect(readFailureWords({ code: 'UNREACHABLE' })).toContain('cannot be reached')
    expect(readFailureWords({ code: 'UNEXPECTED_ANSWER', status: 503 })).toContain('starting')
    expect(readFailureWords({ code: 'NOT_READY', status: 503 })).toContain('starting')
    expect(readFailureWords({ code: 'ENTRY_DAMAGED', status: 503 })).toContain('damaged on the disk')
    const busy = { code: 'OVERLOADED', status: 503, message: 'too many callers' }
    expect(readFailureWords(busy)).toBe('The node reports an error: too many callers')
    expect(switchFailureWords({ status: 401 }, false)).toContain('needs its admin token')
    expect(switchFailureWords({ status: 401 }, true)).toContain('does not accept')
    // Whatever stands in front of the node knows no admin token.
    for (const status of [302, 401, 403]) {
      const login = { code: 'UNEXPECTED_ANSWER', status }
      expect(readFailureWords(login)).toContain('asks for a login')
      expect(switchFailureWords(login, true)).toContain('asks for a login')
      expect(wantsToken(login)).toBe(false)
    }
    expect(switchFailureWords({ code: 'MODE_IMPOSSIBLE', status: 409 }, true)).toContain('turned off')
    expect(switchFailureWords(undefined, true)).not.toBe('')
  })
})
