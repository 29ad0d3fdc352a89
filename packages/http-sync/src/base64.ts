/**
 * Base64 of short byte strings (digests, signatures, nonces), by RFC 4648.
 *
 * Only the two global functions every JavaScript host has, so that the handler also runs in the simulator.
 */

/** Base64 of `bytes`, with padding. For up to a few hundred bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Base64 for names: `-` and `_` instead of `+` and `/`, no padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The bytes behind `text`; undefined unless it is exactly what `encodeBase64` makes of them. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0))
  return encodeBase64(bytes) === text ? bytes : undefined
}
