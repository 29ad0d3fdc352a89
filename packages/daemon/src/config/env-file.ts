/**
 * Reads `KEY=value` files strictly, and remembers where everything stood.
 *
 * node's `util.parseEnv` gives no positions and swallows malformed lines, so a typo would be silence. The
 * grammar is the part that dotenv and systemd's EnvironmentFile= agree on: one assignment per line, an
 * optional `export`, `#` comments, 'literal' or "escaped" quotes, no expansion, no values over several
 * lines.
 */

/** One `KEY=value` line. Lines and columns count from 1. */
export interface Assignment {
  readonly name: string
  readonly value: string
  readonly line: number
  readonly column: number
  readonly valueColumn: number
}

/** A line that is not an assignment, and why. */
export interface EnvFileFault {
  readonly line: number
  readonly column: number
  readonly text: string
}

/** What a file holds: every assignment in its order, and every fault. */
export interface EnvFile {
  readonly assignments: readonly Assignment[]
  readonly faults: readonly EnvFileFault[]
}

/**
 * Largest configuration file read, in characters: thousands of times what a node needs, and no memory risk.
 */
export const envFileLengthMax = 1024 * 1024

const assignmentPattern = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)(\s*=\s*)(.*)$/
// Tab is the one control character that editors leave in files on purpose.
const controlPattern = /[\u0000-\u0008\u000a-\u001f\u007f]/
const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '"': '"', '\\': '\\', $: '$' }

/** Parses the text of an env file; never throws. */
export function parseEnvFile(text: string): EnvFile {
  if (text.length > envFileLengthMax) {
    return { assignments: [], faults: [{ line: 1, column: 1, text: 'the file is larger than 1 MiB' }] }
  }
  const assignments: Assignment[] = []
  const faults: EnvFileFault[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  for (const [index, content] of lines.entries()) {
    const line = index + 1
    if (/^\s*(#|$)/.test(content)) continue
    const control = controlPattern.exec(content)
    if (control !== null) {
      faults.push({ line, column: control.index + 1, text: 'a control character; is this a text file?' })
      continue
    }
    const found = parseLine(content)
    if ('text' in found) faults.push({ line, ...found })
    else assignments.push({ line, ...found })
  }
  return { assignments, faults }
}

/** A value as it stands behind the `=`, quoted where it would be read as another one. */
export function writeEnvValue(value: string): string {
  if (parseValue(value) === value && !controlPattern.test(value)) return value
  if (!value.includes("'") && !controlPattern.test(value)) return `'${value}'`
  const escaped = value.replaceAll(/["\\$\n]/g, char => (char === '\n' ? '\\n' : `\\${char}`))
  return `"${escaped}"`
}

function parseLine(content: string): Omit<Assignment, 'line'> | Omit<EnvFileFault, 'line'> {
  const match = assignmentPattern.exec(content)
  if (match === null) return { column: content.search(/\S/) + 1, text: 'expected KEY=value' }
  const [, lead = '', name = '', equals = '', rest = ''] = match
  const column = lead.length + 1
  const valueColumn = column + name.length + equals.length
  const value = parseValue(rest)
  if (typeof value === 'string') return { name, value, column, valueColumn }
  return { column: valueColumn + value.offset, text: value.text }
}

function parseValue(rest: string): string | { readonly offset: number; readonly text: string } {
  const quote = rest[0]
  if (quote !== '"' && quote !== "'") return rest.replace(/(^|\s)#.*$/, '').trim()
  let value = ''
  let at = 1
  while (at < rest.length && rest[at] !== quote) {
    const escape = quote === '"' && rest[at] === '\\' ? escapes[rest[at + 1] ?? ''] : undefined
    value += escape ?? rest[at]
    at += escape === undefined ? 1 : 2
  }
  if (at >= rest.length) return { offset: 0, text: `the quote ${quote} is never closed on this line` }
  const after = rest.slice(at + 1)
  if (/^\s*(#.*)?$/.test(after)) return value
  return { offset: at + 1, text: `unexpected text after the closing ${quote}` }
}
