/**
 * Text from elsewhere, made harmless for whoever reads it on a terminal: a name that a peer gives itself must
 * neither move the cursor nor forge a line, nor turn the rest of one around.
 */

/** Controls, format characters (direction marks, zero widths, tags), line and paragraph separators. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** The text with every unseen character spelt out: `\x1b`, `\u{202e}`. */
export function visible(text: string): string {
  return text.replace(unseen, character => {
    const code = (character.codePointAt(0) as number).toString(16)
    return code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, '0')}`
  })
}
