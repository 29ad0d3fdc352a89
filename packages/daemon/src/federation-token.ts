/**
 * An invitation as one string: who a node is, where it is reached, on which topic, until when.
 *
 * Text: `lattice1:` and base64url of a JSON body followed by the node's Ed25519 signature over prefix and
 * body. The signature proves that body and key belong together and that no character was lost on the way; it
 * cannot prove whose key it is. That is what the four words are for: compared aloud, they tell apart any two
 * keys an attacker could make (64 bits, proquints of arXiv:0901.4016).
 */
import { isNodeId, type NodeId, type Signer } from '@lattice/core'

import { parseMultiaddr } from './config/multiaddr.ts'
import { parseBaseUrl } from './config/values.ts'
import { createVerifier, sha256 } from './host/crypto.ts'

/** What an invitation says. */
export interface Invitation {
  readonly nodeId: NodeId
  readonly name: string
  /** Multiaddrs without peer id. */
  readonly addresses: readonly string[]
  /** Base URLs. */
  readonly urls: readonly string[]
  readonly topic: string
  /** Unix seconds. */
  readonly expires: number
}

const tokenPrefix = 'lattice1:'
const signatureBytes = 64
// Far beyond a name, a topic and the addresses of one node; keeps a pasted file from being parsed.
const tokenLengthMax = 8192
/** Addresses or URLs in one invitation: a node has two or three. */
const placesMax = 16

/** Writes an invitation as one string. */
export function writeToken(invitation: Omit<Invitation, 'nodeId'>, signer: Signer): string {
  const { name, addresses, urls, topic, expires } = invitation
  const body = Buffer.from(
    JSON.stringify({ k: signer.nodeId, n: name, a: addresses, u: urls, t: topic, x: expires }),
  )
  const signature = signer.sign(signed(body))
  return tokenPrefix + Buffer.concat([body, signature]).toString('base64url')
}

/** Reads an invitation, or says what is wrong with it. `nowWall` is in Unix milliseconds. */
export function readToken(text: string, nowWall: number): Invitation | { readonly fault: string } {
  const bare = text.replace(/\s+/g, '')
  if (!bare.startsWith('lattice'))
    return { fault: 'this is not an invitation; `lattice invite` prints one, and it begins with lattice1:' }
  if (!bare.startsWith(tokenPrefix))
    return {
      fault: 'this invitation was made by a newer Lattice; update this node, or invite from an older one',
    }
  const bytes = Buffer.from(bare.slice(tokenPrefix.length), 'base64url')
  const body = bytes.subarray(0, -signatureBytes)
  const invitation = bare.length > tokenLengthMax ? undefined : parseBody(body)
  const whole =
    invitation !== undefined &&
    bytes.toString('base64url') === bare.slice(tokenPrefix.length) &&
    createVerifier().verifyOne(invitation.nodeId, signed(body), bytes.subarray(-signatureBytes))
  if (!whole)
    return {
      fault:
        'the invitation is damaged or was changed on its way; copy it again, all of it, or make a new one',
    }
  if (invitation.expires * 1000 > nowWall) return invitation
  const when = new Date(invitation.expires * 1000).toISOString()
  return { fault: `the invitation expired at ${when}; make a new one with \`lattice invite\`` }
}

/** Four words for a key, to be compared aloud: 64 bits of its hash. */
export function fingerprint(nodeId: NodeId): string {
  const digest = sha256(Buffer.from(`lattice fingerprint ${nodeId}`))
  return [0, 2, 4, 6].map(at => proquint(((digest[at] ?? 0) << 8) | (digest[at + 1] ?? 0))).join('-')
}

const consonants = 'bdfghjklmnprstvz'
const vowels = 'aiou'

/** 16 bits as a word that can be spoken: consonant, vowel, consonant, vowel, consonant. */
function proquint(bits: number): string {
  const consonant = (shift: number): string => consonants[(bits >> shift) & 15] ?? ''
  const vowel = (shift: number): string => vowels[(bits >> shift) & 3] ?? ''
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0)
}

function signed(body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(tokenPrefix), body])
}

/** Everything in it is checked as if a stranger had written it: it ends up in a configuration file. */
function parseBody(body: Buffer): Invitation | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { k, n, a, u, t, x } = parsed as Record<string, unknown>
  if (typeof k !== 'string' || !isNodeId(k) || typeof n !== 'string' || typeof t !== 'string')
    return undefined
  if (!isPlaces(a) || !isPlaces(u) || typeof x !== 'number' || !isTime(x)) return undefined
  if (a.some(each => 'fault' in parseMultiaddr(each)) || u.some(each => 'fault' in parseBaseUrl(each)))
    return undefined
  if (!/^[!-~]{1,128}$/.test(t) || !/^[A-Za-z0-9._-]{1,64}$/.test(n)) return undefined
  return { nodeId: k, name: n, addresses: a, urls: u, topic: t, expires: x }
}

/** Whole Unix seconds that a Date can tell (ECMA-262, time values). */
function isTime(seconds: number): boolean {
  return Number.isInteger(seconds) && !Number.isNaN(new Date(1000 * seconds).getTime())
}

function isPlaces(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= placesMax &&
    value.every(each => typeof each === 'string' && /^[!-~]{1,300}$/.test(each) && !/[#"',]/.test(each))
  )
}
