/**
 * Conditional requests (RFC 9110 §13) on versions and roots, and Idempotency-Key, as the node's write
 * options.
 *
 * The node checks one version or mere existence in the step that applies the write. A list of versions is
 * resolved against the current one first; a change in between then fails the write, which is safe.
 */
import { LatticeError } from '@lattice/core'
import type { KeyReading, Version } from '@lattice/core'
import type { IncomingHttpHeaders } from 'node:http'
import type { WriteOptions } from '../node.ts'
import { HttpProblem } from './problems.ts'

const entityTag = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/
const idempotencyKey = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/

interface Tag {
  readonly weak: boolean
  readonly text: string
}

function readTags(header: string, name: string): readonly Tag[] | '*' {
  if (header.trim() === '*') return '*'
  return header.split(',').map(part => {
    const match = entityTag.exec(part.trim())
    if (match?.[2] === undefined) {
      throw new HttpProblem('REQUEST_INVALID', `${name} takes versions in double quotes, or *`, {
        fields: [{ field: name, message: 'versions in double quotes, or *' }],
      })
    }
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

function ifMatch(header: string, current: () => KeyReading | undefined): WriteOptions {
  const tags = readTags(header, 'If-Match')
  if (tags === '*') return { ifExists: true }
  const strong = tags.filter(tag => !tag.weak && /^[0-9a-f]{16}$/.test(tag.text))
  const [only, ...others] = strong
  if (only !== undefined && others.length === 0) return { ifVersion: BigInt(`0x${only.text}`) }
  const now = current()?.version
  if (now === undefined || !strong.some(tag => tag.text === versionText(now))) {
    throw new LatticeError('VERSION_MISMATCH', 'the key has none of the versions in If-Match')
  }
  return { ifVersion: now }
}

function ifNoneMatch(header: string, current: () => KeyReading | undefined): WriteOptions {
  const tags = readTags(header, 'If-None-Match')
  if (tags === '*') return { ifExists: false }
  const now = current()?.version
  if (now === undefined) return { ifExists: false }
  if (tags.some(tag => tag.text === versionText(now))) {
    throw new LatticeError('VERSION_MISMATCH', 'the key has a version named in If-None-Match')
  }
  return { ifVersion: now }
}

/** The write options a request asks for. `current` reads the key, only where a list must be resolved. */
export function writeOptions(
  headers: IncomingHttpHeaders,
  current: () => KeyReading | undefined,
): WriteOptions {
  const { 'if-match': match, 'if-none-match': noneMatch, 'idempotency-key': once } = headers
  if (match !== undefined && noneMatch !== undefined) {
    throw new HttpProblem('REQUEST_INVALID', 'send If-Match or If-None-Match, not both')
  }
  if (once !== undefined && (typeof once !== 'string' || !idempotencyKey.test(once))) {
    throw new HttpProblem('REQUEST_INVALID', 'Idempotency-Key takes 1 to 255 visible ASCII characters')
  }
  return {
    ...(match === undefined ? {} : ifMatch(match, current)),
    ...(noneMatch === undefined ? {} : ifNoneMatch(noneMatch, current)),
    ...(once === undefined ? {} : { idempotencyKey: once }),
  }
}
