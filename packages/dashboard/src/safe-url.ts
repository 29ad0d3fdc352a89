/** Addresses that a node reports become links only where following them can do no harm. */

/** The URL, unless it is none or of a kind that runs scripts. */
export function safeUrl(text: string | null): string | undefined {
  if (text === null || !URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined
}
