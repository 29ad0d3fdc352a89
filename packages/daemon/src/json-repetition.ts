/** A name that stands twice in one object: readers of JSON do not agree on which of the two counts. */
import { createScanner } from 'jsonc-parser'

/** What ends a name. Within strings a few things look like it: there may be more of them than names. */
const nameEnd = /"[ \t\r\n]*:/g

/**
 * The first name that stands twice in an object of `json`, which is well-formed. Looked for only where there
 * may be one, if it is said how many members the parsed objects have in all.
 */
export function repeatedName(json: string, members = -1): string | undefined {
  let ends = 0
  for (nameEnd.lastIndex = 0; nameEnd.test(json);) ends += 1
  if (ends === members) return undefined
  const scanner = createScanner(json, true)
  const open: Set<string>[] = []
  let name = ''
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    const sign = json[scanner.getTokenOffset()]
    const names = open.at(-1)
    if (sign === '{') open.push(new Set())
    else if (sign === '}') open.pop()
    else if (sign === '"') name = scanner.getTokenValue()
    else if (sign === ':' && names?.has(name) === true) return name
    else if (sign === ':') names?.add(name)
  }
  return undefined
}
