/**
 * Conditional requests (RFC 9110 §13) on versions and roots, and Idempotency-Key, as the node's write
 * options.
 *
 * The node checks them in the step that applies the write. An entity tag is the version of a key; that of a
 * counter or set has a mark behind it, since what comes late may change it and leave the version as it is.
 * The version alone is understood too.
 */
import type { ReadingTag, Version } from '@lattice/core'
import type { IncomingHttpHeaders } from 'node:http'
import type { WriteOptions } from '../node.ts'
import { invalid } from './problems.ts'

const entityTag = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/
const readingTag = /^([0-9a-f]{16})(?:-([0-9a-f]{16}))?$/
const idempotencyKey = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/

interface Tag {
  readonly weak: boolean
  readonly text: string
}

function readTags(header: string, name: string): readonly Tag[] | '*' {
  if (header.trim() === '*') return '*'
  return header.split(',').map(part => {
    const match = entityTag.exec(part.trim())
    if (match?.[2] === undefined) throw invalid(name, 'expected versions in double quotes, or *')
    return { weak: match[1] !== undefined, text: match[2] }
  })
}

/** A version as REST shows it: 16 hex digits. */
export function versionText(version: Version): string {
  return version.toString(16).padStart(16, '0')
}

/** Whether If-None-Match says that the caller already has `tag` (weak comparison). */
export function isNotModified(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  const tags = readTags(header, 'If-None-Match')
  return tags === '*' || tags.some(known => known.text === tag)
}

/** The entity tag of a reading, without quotes. */
export function tagText({ version, mark }: ReadingTag): string {
  return mark === undefined ? versionText(version) : `${versionText(version)}-${mark}`
}

/** What the tags name; those that no key ever has name nothing. */
function readingsOf(tags: readonly Tag[]): ReadingTag[] {
  return tags.flatMap(({ text }) => {
    const [, version, mark] = readingTag.exec(text) ?? []
    if (version === undefined) return []
    return [{ version: BigInt(`0x${version}`), ...(mark === undefined ? {} : { mark }) }]
  })
}

function ifMatch(header: string): WriteOptions {
  const tags = readTags(header, 'If-Match')
  return tags === '*' ? { ifExists: true } : { ifOneOf: readingsOf(tags.filter(({ weak }) => !weak)) }
}

function ifNoneMatch(header: string): WriteOptions {
  const tags = readTags(header, 'If-None-Match')
  return tags === '*' ? { ifExists: false } : { ifNoneOf: readingsOf(tags) }
}

/** The write options a request asks for. */
export function writeOptions(headers: IncomingHttpHeaders): WriteOptions {
  const { 'if-match': match, 'if-none-match': noneMatch, 'idempotency-key': once } = headers
  if (match !== undefined && noneMatch !== undefined) throw invalid('If-None-Match', 'not with If-Match')
  if (once !== undefined && (typeof once !== 'string' || !idempotencyKey.test(once)))
    throw invalid('Idempotency-Key', 'expected 1 to 255 visible ASCII characters')
  return {
    ...(match === undefined ? {} : ifMatch(match)),
    ...(noneMatch === undefined ? {} : ifNoneMatch(noneMatch)),
    ...(once === undefined ? {} : { idempotencyKey: once }),
  }
}
