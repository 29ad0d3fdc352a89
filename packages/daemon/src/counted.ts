/** How many there are, in words: `1 key`, `302 keys`, `1 entry`. */

const irregular: Readonly<Record<string, string>> = { entry: 'entries' }

/** `count` of what is called `one`. */
export function counted(count: number, one: string): string {
  return `${count} ${count === 1 ? one : (irregular[one] ?? `${one}s`)}`
}
