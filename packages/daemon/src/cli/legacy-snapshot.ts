/**
 * Snapshots of the earlier Python system: `{"state": {key: value, …}, "merkle_root": …, "timestamp": …}`.
 *
 * Its root was SHA-256 over the joined hex digits of SHA-256("<key>:<json.dumps(value)>") of the sorted keys.
 * So the text that Python would write has to be made again, from the very digits and order of members in the
 * file: Python keeps 1.0 apart from 1, and the order of members; JSON.parse keeps neither.
 */
import { createHash } from 'node:crypto'
import { compareBytes, toUtf8, valueDepthMax } from '@lattice/core'
import type { JsonValue } from '@lattice/core'
import { createScanner, parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser'

/** What a snapshot holds. */
export interface LegacySnapshot {
  readonly items: readonly { readonly key: string; readonly value: JsonValue }[]
  /** As the file says; undefined where it says none. */
  readonly rootInFile: string | undefined
  /** As its state gives. */
  readonly rootRecomputed: string
  readonly timestamp: number | undefined
}

/** Why a file is no such snapshot, as a phrase. */
export interface NoSnapshot {
  readonly problem: string
}

/** Reads a snapshot; what is no snapshot, or holds numbers that would be rounded, is refused as a whole. */
export function readLegacySnapshot(text: string): LegacySnapshot | NoSnapshot {
  const deep = firstTooDeep(text)
  if (deep !== undefined)
    return { problem: `it nests deeper than ${valueDepthMax} levels in line ${lineAt(text, deep)}` }
  const errors: ParseError[] = []
  const tree = parseTree(text, errors, { disallowComments: true, allowTrailingComma: false })
  const [error] = errors
  if (error !== undefined || tree === undefined) {
    const place =
      error === undefined
        ? ''
        : ` in line ${lineAt(text, error.offset)}, at character ${error.offset}: ${printParseErrorCode(error.error)}`
    return { problem: `it is not JSON${place}` }
  }
  const state = memberOf(tree, 'state')
  if (state?.type !== 'object') return { problem: 'it has no object "state"' }
  const members = lastOfEach(state)
  try {
    const items = members.map(([key, node]) => ({ key, value: valueOf(node, key) }))
    const root = memberOf(tree, 'merkle_root')?.value as unknown
    const timestamp = memberOf(tree, 'timestamp')?.value as unknown
    return {
      items,
      rootInFile: typeof root === 'string' ? root : undefined,
      rootRecomputed: legacyRoot(members, text),
      timestamp: typeof timestamp === 'number' ? timestamp : undefined,
    }
  } catch (refusal) {
    if (refusal instanceof Unexact) return { problem: refusal.message }
    throw refusal
  }
}

/** What is around the values of a snapshot: the whole, and its state. */
const depthMax = valueDepthMax + 2

/** Where it nests deeper than it may: whoever reads it by recursion would be led as deep. */
function firstTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true)
  let depth = 0
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    const at = scanner.getTokenOffset()
    if ('{['.includes(text.charAt(at))) depth += 1
    else if ('}]'.includes(text.charAt(at))) depth -= 1
    if (depth > depthMax) return at
  }
  return undefined
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** A number that this system cannot hold exactly. */
class Unexact extends Error {
  override readonly name = 'Unexact'
}

function memberOf(node: Node, name: string): Node | undefined {
  return node.type === 'object' ? lastOfEach(node).find(([key]) => key === name)?.[1] : undefined
}

/**
 * Members in the order of their first appearance, with the value of their last, as a Python dict has them.
 */
function lastOfEach(node: Node): (readonly [name: string, value: Node])[] {
  const members = new Map<string, Node>()
  for (const property of node.children ?? []) {
    const [name, value] = property.children ?? []
    if (name !== undefined && value !== undefined) members.set(name.value as string, value)
  }
  return [...members]
}

function valueOf(node: Node, place: string): JsonValue {
  switch (node.type) {
    case 'object': {
      // A null prototype: names such as __proto__ are data.
      const value = Object.create(null) as Record<string, JsonValue>
      for (const [name, member] of lastOfEach(node)) value[name] = valueOf(member, `${place}.${name}`)
      return value
    }
    case 'array':
      return (node.children ?? []).map((item, index) => valueOf(item, `${place}[${index}]`))
    case 'number':
      return exactNumber(node.value as number, place)
    case 'string':
    case 'boolean':
    case 'null':
    case 'property':
      return node.value as JsonValue
  }
}

function exactNumber(value: number, place: string): number {
  const rounded = Number.isInteger(value) && !Number.isSafeInteger(value)
  if (rounded || !Number.isFinite(value))
    throw new Unexact(`${place} holds a number beyond ±(2^53 − 1), which would be rounded`)
  return value
}

function legacyRoot(members: readonly (readonly [key: string, value: Node])[], text: string): string {
  const joined = members
    .map(([key, node]) => ({ key, order: toUtf8(key), line: `${key}:${pythonText(node, text)}` }))
    .sort((a, b) => compareBytes(a.order, b.order))
    .map(({ line }) => createHash('sha256').update(line).digest('hex'))
    .join('')
  return createHash('sha256').update(joined).digest('hex')
}

/** A value as Python's json.dumps writes it by default. */
function pythonText(node: Node, text: string): string {
  switch (node.type) {
    case 'object': {
      const members = lastOfEach(node).map(
        ([name, value]) => `${pythonString(name)}: ${pythonText(value, text)}`,
      )
      return `{${members.join(', ')}}`
    }
    case 'array':
      return `[${(node.children ?? []).map(item => pythonText(item, text)).join(', ')}]`
    case 'number':
      return pythonNumber(text.slice(node.offset, node.offset + node.length))
    case 'string':
      return pythonString(node.value as string)
    case 'boolean':
    case 'null':
    case 'property':
      return String(node.value)
  }
}

/** ASCII only; everything else as UTF-16 escapes. */
function pythonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Whole numbers keep their digits; floats are written by repr(): shortest digits, 1e+16 and 1e-05. */
export function pythonNumber(source: string): string {
  if (/^-?\d+$/.test(source)) return source === '-0' ? '0' : source
  const value = Number(source)
  if (Object.is(value, -0)) return '-0.0'
  const [digits = '', exponentText = '0'] = Math.abs(value).toExponential().split('e')
  const exponent = Number(exponentText)
  const sign = value < 0 ? '-' : ''
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    const size = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits}e${exponent < 0 ? '-' : '+'}${size}`
  }
  const plain = Math.abs(value).toString()
  const written = plain.includes('e') ? Math.abs(value).toFixed(digits.length - 2 - exponent) : plain
  return `${sign}${written.includes('.') ? written : `${written}.0`}`
}
