/**
 * Text from elsewhere, made harmless to the eye. React already keeps it from becoming markup; what remains
 * are characters that hide, reverse or stack: controls, direction overrides, zero widths, lone surrogates.
 */

// Controls, format characters (direction marks, zero widths, tags), line and paragraph separators, private
// use.
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** A longer run of combining marks is not writing: it paints over the lines around it. */
const stacked = /(\p{M}{4})\p{M}+/gu

/**
 * The text with every unseen character spelt out as ⟨U+202E⟩, and cut to `charsMax` code units with an
 * ellipsis.
 */
export function visible(text: string, charsMax = Number.POSITIVE_INFINITY): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text
  return cut.replaceAll(unseen, character => `⟨U+${hex(character)}⟩`).replaceAll(stacked, '$1…')
}

/**
 * Blanks that a page swallows or that look like another one: a space at either end or after another space,
 * every other kind of space, and letters that have no ink.
 */
const blank = /^ |(?<= ) | $|[^\P{Zs} ]|[\u115F\u1160\u3164\uFFA0\u2800]/gu

/** The same for a name: two that differ never look the same for a blank. */
export function visibleName(text: string, charsMax = Number.POSITIVE_INFINITY): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text
  return visible(cut.replaceAll(blank, character => `⟨U+${hex(character)}⟩`))
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
}

/** The beginning and the end of a long hexadecimal number. */
export function shortHex(text: string): string {
  return text.length <= 12 ? visible(text) : `${visible(text.slice(0, 6))}…${visible(text.slice(-4))}`
}

/** A JSON value on one line. */
export function valueLine(value: unknown, charsMax: number): string {
  return visible(JSON.stringify(value) ?? '', charsMax)
}

/** A JSON value over several lines; what is longer than `charsMax` is cut. */
export function valueBlock(value: unknown, charsMax: number): string {
  const text = JSON.stringify(value, null, 2) ?? ''
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text
  return cut
    .split('\n')
    .map(line => visible(line))
    .join('\n')
}
