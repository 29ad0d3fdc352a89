/**
 * Order of strings by their UTF-8 bytes, without encoding them.
 *
 * UTF-8 keeps code point order, UTF-16 does not: surrogates (U+D800…DFFF) stand for the highest code points
 * but sort below U+E000…FFFF. Moving the two ranges past each other mends that (Unicode Technical Note 33,
 * "UTF-16 fix-up").
 */

const codeUnit = (text: string, at: number): number => {
  const unit = text.charCodeAt(at)
  if (unit >= 0xe000) return unit - 0x800
  return unit >= 0xd800 ? unit + 0x2000 : unit
}

/**
 * Negative, zero or positive as `a` sorts before, with or after `b` by UTF-8 bytes. Both must be well formed.
 */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length)
  for (let at = 0; at < shared; at += 1) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return codeUnit(a, at) - codeUnit(b, at)
  }
  return a.length - b.length
}
