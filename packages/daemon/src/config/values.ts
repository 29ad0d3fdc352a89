/**
 * Text to typed value, for every type a setting can have. A parser returns the value or a sentence that
 * says what is wrong and what to write; it never throws and never repeats a secret.
 */
import { formatDuration, parseDuration } from '@lattice/api'
import { isNodeId } from '@lattice/core'
import type { NodeId } from '@lattice/core'

import { isSmallOrder } from '../host/ed25519.ts'
import { nodeIdFromPeerId } from '../host/peer-id.ts'
import { parseMultiaddr } from './multiaddr.ts'
import { Secret } from './secret.ts'

/** A value, or what is wrong with the text. */
export type Parsed<T> = { readonly value: T } | { readonly fault: string }

/** Turns the text of a setting into its value. */
export type Parse<T> = (text: string) => Parsed<T>

/** A peer to dial: its address and who must answer there. */
export interface BootstrapAddress {
  readonly address: string
  readonly peerId: string
  readonly nodeId: NodeId
}

/** At most `count` changes of mode within `windowMs` (reliability §2). */
export interface FlapLimit {
  readonly count: number
  readonly windowMs: number
}

/** Shows a text in a message: quoted, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text)
}

/** `true`, `false` and their usual spellings. */
export const parseBoolean: Parse<boolean> = text => {
  const lower = text.toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(lower)) return { value: true }
  if (['false', '0', 'no', 'off'].includes(lower)) return { value: false }
  return { fault: `${quoted(text)} is not a boolean; write true or false` }
}

/** A TCP port; 0 lets the system choose a free one. */
export const parsePort: Parse<number> = text => {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  return port >= 0 && port <= 65_535
    ? { value: port }
    : { fault: `${quoted(text)} is not a port; write 0 to 65535` }
}

/** A whole number between two bounds, both allowed. */
export function parseCountWithin(min: number, max: number): Parse<number> {
  return text => {
    const count = /^\d{1,9}$/.test(text) ? Number(text) : -1
    return count >= min && count <= max
      ? { value: count }
      : { fault: `${quoted(text)} is not a whole number from ${min} to ${max}` }
  }
}

/** A plain text that matches `pattern`; `rule` says in words what it may be. */
export function parseText(pattern: RegExp, rule: string): Parse<string> {
  return text => (pattern.test(text) ? { value: text } : { fault: `${quoted(text)} is not ${rule}` })
}

/** One word of a list, in any case; `synonyms` maps other spellings to it. */
export function parseWord<const T extends string>(
  words: readonly T[],
  synonyms: Readonly<Record<string, T>> = {},
): Parse<T> {
  return text => {
    const lower = text.toLowerCase()
    const word = words.find(candidate => candidate === lower) ?? synonyms[lower]
    return word === undefined
      ? { fault: `${quoted(text)} is not one of ${words.join(', ')}` }
      : { value: word }
  }
}

/** A duration between two bounds, both in milliseconds and both allowed. */
export function parseDurationWithin(minMs: number, maxMs: number): Parse<number> {
  return text => {
    const ms = parseDuration(text)
    if (ms === undefined) return { fault: `${quoted(text)} is not a duration; write 5, 5s, 500ms or 2m` }
    const range = `${formatDuration(minMs)} to ${formatDuration(maxMs)}`
    if (ms >= minMs && ms <= maxMs) return { value: ms }
    return {
      fault: `${quoted(text)} is out of range; ${range} is allowed`,
    }
  }
}

/** `COUNT/WINDOW`, such as `6/10m`. */
export const parseFlapLimit: Parse<FlapLimit> = text => {
  const [count = '', window = '', ...rest] = text.split('/')
  const windowMs = parseDuration(window)
  if (
    rest.length > 0 ||
    !/^\d{1,4}$/.test(count) ||
    Number(count) < 1 ||
    windowMs === undefined ||
    windowMs < 1000
  ) {
    return { fault: `${quoted(text)} is not COUNT/WINDOW; write 6/10m for at most 6 changes in 10 minutes` }
  }
  return { value: { count: Number(count), windowMs } }
}

/** Comma-separated items (blanks around them ignored), each parsed by `parse`; repeated items count once. */
export function parseList<T>(parse: Parse<T>, identity: (item: T) => string = String): Parse<readonly T[]> {
  return text => {
    const items = new Map<string, T>()
    const faults: string[] = []
    for (const part of text.split(/[,\s]+/).filter(item => item !== '')) {
      const parsed = parse(part)
      if ('fault' in parsed) faults.push(parsed.fault)
      else items.set(identity(parsed.value), items.get(identity(parsed.value)) ?? parsed.value)
    }
    return faults.length > 0 ? { fault: faults.join('; ') } : { value: Object.freeze([...items.values()]) }
  }
}

/** A trusted node: its peer id, or its Ed25519 public key in hex. */
export const parseTrustedKey: Parse<NodeId> = text => {
  const lower = text.toLowerCase()
  const nodeId = isNodeId(lower) ? lower : nodeIdFromPeerId(text)
  if (nodeId !== undefined && isSmallOrder(Buffer.from(nodeId, 'hex')))
    return { fault: `${quoted(text)} is the key of no node: anybody could sign for it` }
  if (nodeId !== undefined) return { value: nodeId }
  const rule =
    'an Ed25519 peer id (12D3KooW…) or public key (64 hex digits); `lattice id` prints both on that node'
  return { fault: `${quoted(text)} is not ${rule}` }
}

/** The base URL of a node, without trailing slash. */
export const parseBaseUrl: Parse<string> = text => {
  const example = 'write one like https://node.example.org'
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return { fault: `${quoted(text)} is not an http(s) URL; ${example}` }
  }
  if (url.username !== '' || url.password !== '')
    return { fault: `a base URL holds no user or password; ${example}` }
  if (url.search !== '' || url.hash !== '')
    return { fault: `${quoted(text)} has a query or fragment; ${example}` }
  return { value: url.origin + url.pathname.replace(/\/+$/, '') }
}

/** A browser origin (scheme, host, port) or `*`. */
export const parseOrigin: Parse<string> = text => {
  if (text === '*') return { value: text }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url !== undefined &&
    url.origin !== 'null' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === ''
  ) {
    return { value: url.origin }
  }
  return { fault: `${quoted(text)} is not an origin; write scheme://host[:port] without a path` }
}

/** A multiaddr this node can listen on or be dialled at. */
export const parseAddress: Parse<string> = text => {
  const parsed = parseMultiaddr(text)
  return 'fault' in parsed ? { fault: parsed.fault } : { value: text.replace(/\/+$/, '') }
}

/** A multiaddr with the peer id that must answer there. */
export const parseBootstrap: Parse<BootstrapAddress> = text => {
  const parsed = parseMultiaddr(text)
  if ('fault' in parsed) return { fault: parsed.fault }
  const { peerId, nodeId } = parsed
  if (peerId === undefined || nodeId === undefined) {
    return {
      fault: `${quoted(text)} lacks the peer id; append /p2p/ and what \`lattice id\` prints on that node`,
    }
  }
  return { value: { address: text.replace(/\/+$/, ''), peerId, nodeId } }
}

/** A secret of the given form; the message never repeats it. */
export function parseSecret(pattern: RegExp, rule: string): Parse<Secret> {
  return text => (pattern.test(text) ? { value: new Secret(text) } : { fault: `the value is not ${rule}` })
}
