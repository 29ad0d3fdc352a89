/**
 * The signed HTTP messages of vectors/, made by the words of docs/protocol.md §9 alone: none of the code that
 * signs and checks them in a node has a part in it.
 */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'

/** A node with its key. */
interface Member {
  readonly key: KeyObject
  readonly id: string
}

/** What is signed of a request, and what then travels. */
interface Draft {
  readonly by?: Member
  readonly keyid?: string
  readonly dest?: Member
  readonly body?: string
  readonly method?: string
  readonly path?: string
  readonly query?: string
  readonly contentType?: string
  readonly created?: number
  readonly expires?: number
  readonly nonce?: string
  readonly components?: readonly string[]
  /** Changes the parameters before they are signed. */
  readonly parameters?: (parameters: string) => string
  /** Changes the request after it was signed. */
  readonly tamper?: (request: Request) => Request
}

/** A request as the receiver has it. */
interface Request {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  /** Hex. */
  readonly body: string
}

/** A request, when it arrives, and what comes of it. */
interface Case {
  readonly name: string
  /** Names of requests that the same server has answered before. */
  readonly after: readonly string[]
  /** The server's time, in seconds. */
  readonly time: number
  readonly request: Request
  /** What was signed. */
  readonly text: string
  readonly status: number
  readonly code?: string
}

const start = 1_700_000_000
const life = 'AAECAwQF'
const token = 'AAECAwQFBgcICQoLDA0ODw'
const challenge = `c:${token}`
const frameType = 'application/x-lattice-frame'
const frame = '01a0'
const requestComponents = ['@method', '@path', '@query', 'content-digest', 'content-type', 'x-node-dest']

function member(seed: number): Member {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const id = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  return { key, id }
}

const names = ['alice', 'bob', 'carol', 'mallory']
const [alice, bob, carol, mallory] = names.map((_, at) => member(at + 1)) as [Member, Member, Member, Member]

const digestOf = (body: string): string =>
  `sha-256=:${createHash('sha256').update(Buffer.from(body, 'hex')).digest('base64')}:`

function textOf(covered: readonly (readonly [name: string, value: string])[], parameters: string): string {
  return `${covered.map(([name, value]) => `${name}: ${value}\n`).join('')}"@signature-params": ${parameters}`
}

function sealed(by: Member, text: string, parameters: string): Record<string, string> {
  const signature = sign(null, Buffer.from(text), by.key).toString('base64')
  return { 'signature-input': `s=${parameters}`, signature: `s=:${signature}:` }
}

function requestOf(draft: Draft): { request: Request; text: string } {
  const { by = alice, dest = bob, body = frame, method = 'POST', path = '/sync/v1', query = '' } = draft
  const { contentType = frameType, created = start, components = requestComponents } = draft
  const { expires = created + 60, nonce = `${life}:${token}`, keyid = by.id } = draft
  const headers = { 'content-digest': digestOf(body), 'content-type': contentType, 'x-node-dest': dest.id }
  const values: Record<string, string> = {
    ...headers,
    '@method': method,
    '@path': path,
    '@query': query === '' ? '?' : query,
  }
  const parameters =
    `(${components.map(name => `"${name}"`).join(' ')});created=${created};expires=${expires}` +
    `;nonce="${nonce}";keyid="${keyid}";alg="ed25519";tag="lattice/1"`
  const told = draft.parameters?.(parameters) ?? parameters
  const covered = components.map(name => [`"${name}"`, values[name] ?? ''] as const)
  const text = textOf(covered, told)
  const request = { method, path, query, headers: { ...headers, ...sealed(by, text, told) }, body }
  return { request: draft.tamper?.(request) ?? request, text }
}

function caseOf(
  name: string,
  draft: Draft,
  outcome: readonly [status: number, code?: string],
  { time = start, after = [] }: { time?: number; after?: readonly string[] } = {},
): Case {
  const [status, code] = outcome
  return { name, after, time, ...requestOf(draft), status, ...(code === undefined ? {} : { code }) }
}

/** With one header changed, or taken away. */
const header =
  (name: string, value: string | undefined) =>
  (request: Request): Request => {
    const { [name]: _, ...rest } = request.headers
    return { ...request, headers: value === undefined ? rest : { ...rest, [name]: value } }
  }

const skewed = [401, 'CLOCK_SKEWED'] as const
const invalid = [401, 'SIGNATURE_INVALID'] as const
const stranger = [401, 'NOT_TRUSTED'] as const
const first = 'first contact: the life of the server is not known'
const plain = 'a request'

function accepted(): readonly Case[] {
  return [
    caseOf(plain, {}, [200]),
    caseOf('an announce', { contentType: `${frameType};announce=1` }, [204]),
    caseOf('a hello, without a body', { contentType: `${frameType};hello=1`, body: '' }, [204]),
    caseOf('signed again with the nonce of the challenge', { nonce: challenge }, [200], { after: [first] }),
    caseOf('the nonce of a challenge, by a clock that is years away', { nonce: challenge, created: 1 }, [200], { after: [first] }),
    caseOf('the nonce of a challenge, 60 s after it', { nonce: challenge }, [200], { after: [first], time: start + 60 }),
    caseOf('60 s ahead of the server', { created: start + 60 }, [200]),
    caseOf('at its end', {}, [200], { time: start + 60 }),
    caseOf('shorter than 60 s', { expires: start + 1 }, [200]),
    caseOf('a second request with another nonce', { nonce: `${life}:${token}-` }, [200], { after: [plain] }),
    caseOf('the same nonce by another member', { by: carol }, [200], { after: [plain] }),
    caseOf('a query', { query: '?a=1' }, [200]),
    caseOf('headers that are not covered', { tamper: header('user-agent', 'x') }, [200]),
    caseOf('no content coding, in words', { tamper: header('content-encoding', 'identity') }, [200]),
  ] // prettier-ignore
}

function outOfTime(): readonly Case[] {
  return [
    caseOf(first, { nonce: token }, skewed),
    caseOf('the nonce of another life', { nonce: `BBECAwQF:${token}` }, skewed),
    caseOf('past its end', {}, skewed, { time: start + 61 }),
    caseOf('61 s ahead of the server', { created: start + 61 }, skewed),
    caseOf('longer than 60 s', { expires: start + 61 }, skewed),
    caseOf('ends as it begins', { expires: start }, skewed),
    caseOf('a nonce that looks like a challenge', { nonce: challenge }, skewed),
    caseOf('the nonce of a challenge, used before', { nonce: challenge }, skewed, { after: [first, 'signed again with the nonce of the challenge'] }),
    caseOf('the nonce of a challenge, too late', { nonce: challenge, created: start + 61 }, skewed, { after: [first], time: start + 61 }),
    caseOf('the nonce of a challenge for another member', { by: carol, nonce: challenge }, skewed, { after: [first] }),
    caseOf('seen before', {}, [401, 'REPLAYED'], { after: [plain] }),
    caseOf('seen before, with another body', { body: '01a1080a' }, [401, 'REPLAYED'], { after: [plain] }),
    caseOf('seen before, although its body did not match then', {}, [401, 'REPLAYED'], { after: ['the body was changed'] }),
  ] // prettier-ignore
}

/** The same request with another second in it. */
function later(request: Request): Request {
  const input = request.headers['signature-input'] ?? ''
  return header('signature-input', input.replaceAll('000000', '000009'))(request)
}

function forged(): readonly Case[] {
  const body = '01a1080a'
  const set = (name: string, value: string | undefined): Draft => ({ tamper: header(name, value) })
  return [
    caseOf('for another node', { dest: carol }, [421, 'PEER_MISMATCH']),
    caseOf('for another node, which the signature does not say', set('x-node-dest', carol.id), [421, 'PEER_MISMATCH']),
    caseOf('of another node, sent on to this one', { dest: carol, tamper: header('x-node-dest', bob.id) }, invalid),
    caseOf('by a stranger', { by: mallory }, stranger),
    caseOf('by a stranger, for another node', { by: mallory, dest: carol }, stranger),
    caseOf('by the server itself', { by: bob }, stranger),
    caseOf('in the name of another member', { by: carol, keyid: alice.id }, invalid),
    caseOf('the body was changed', { tamper: request => ({ ...request, body }) }, invalid),
    caseOf('the body was changed, and its digest', { tamper: request => ({ ...header('content-digest', digestOf(body))(request), body }) }, invalid),
    caseOf('an announce that was a request', set('content-type', `${frameType};announce=1`), invalid),
    caseOf('a query was added', { tamper: request => ({ ...request, query: '?a=1' }) }, invalid),
    caseOf('the time was changed', { tamper: later }, invalid),
    caseOf('the signature of another request', { tamper: header('signature', requestOf({ nonce: `${life}:${token}-` }).request.headers['signature']) }, invalid),
    caseOf('a digest of another kind', set('content-digest', `sha-512=:${'A'.repeat(86)}==:`), invalid),
  ] // prettier-ignore
}

function misshapen(): readonly Case[] {
  const told = (name: string, from: string | RegExp, to: string): Case =>
    caseOf(name, { parameters: text => text.replace(from, to) }, invalid)
  const sent = (name: string, of: string, change: (value: string) => string | undefined): Case => {
    const tamper = (request: Request): Request => header(of, change(request.headers[of] ?? ''))(request)
    return caseOf(name, { tamper }, invalid)
  }
  return [
    told('no algorithm', ';alg="ed25519"', ''),
    told('another algorithm', 'alg="ed25519"', 'alg="ed448"'),
    told('another tag', 'lattice/1', 'lattice/2'),
    told('no tag', ';tag="lattice/1"', ''),
    told('no nonce', /;nonce="[^"]*"/, ''),
    told('no end', /;expires=\d+/, ''),
    told('parameters in another order', /(;created=\d+)(;expires=\d+)/, '$2$1'),
    told('a parameter more', /$/, ';x=1'),
    told('a node id in upper case', alice.id, alice.id.toUpperCase()),
    told('a nonce of 21 characters', /nonce="[^"]*"/, `nonce="${life}:${token.slice(10)}"`),
    told('a nonce of 65 characters', /nonce="[^"]*"/, `nonce="${life}:${'A'.repeat(56)}"`),
    told('a nonce with other characters', token, `${token.slice(1)}+`),
    told('blanks between the parameters', /;/g, '; '),
    caseOf('components in another order', { components: [...requestComponents.slice(1), '@method'] }, invalid),
    caseOf('a component is not covered', { components: requestComponents.slice(0, -1) }, invalid),
    caseOf('a component more', { components: [...requestComponents, '@authority'] }, invalid),
    sent('another label', 'signature-input', value => value.replace('s=', 'sig1=')),
    sent('two signatures', 'signature', value => `${value}, t=:AAAA:`),
    sent('a signature without padding', 'signature', value => value.replace('==', '')),
    sent('a signature of 63 bytes', 'signature', () => `s=:${Buffer.alloc(63).toString('base64')}:`),
    ...['content-digest', 'x-node-dest', 'signature-input', 'signature'].map(name => sent(`no ${name}`, name, () => undefined)),
  ] // prettier-ignore
}

function beforeAnySignature(): readonly Case[] {
  const type = [415, 'MEDIA_TYPE_UNSUPPORTED'] as const
  return [
    caseOf('another path', { path: '/sync/v2' }, [404, 'NOT_FOUND']),
    caseOf('another method', { method: 'PUT' }, [405, 'METHOD_NOT_ALLOWED']),
    caseOf('a content coding', { tamper: header('content-encoding', 'gzip') }, type),
    caseOf('another content type', { contentType: 'application/cbor' }, type),
    caseOf('another spelling of the content type', { contentType: `${frameType}; announce=1` }, type),
    caseOf('no content type', { tamper: header('content-type', undefined) }, type),
  ]
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function answerTo(
  signature: string,
  {
    by = bob,
    status = 200,
    body = '01a1080a',
    contentType = frameType,
    components = '"@status" "content-digest" "signature";req',
  },
): { answer: Answer; text: string } {
  const parameters = `(${components});keyid="${by.id}";tag="lattice/1"`
  const values: Record<string, string> = {
    '"@status"': String(status),
    '"content-digest"': digestOf(body),
    '"signature";req': signature,
  }
  const covered = components.split(' ').map(name => [name, values[name] ?? ''] as const)
  const text = textOf(covered, parameters)
  const headers = { 'content-type': contentType, 'content-digest': digestOf(body) }
  return { answer: { status, headers: { ...headers, ...sealed(by, text, parameters) }, body }, text }
}

/** Answers to the request of first contact: whom the asker believes, and whom not. */
function answers(): unknown {
  const { request } = requestOf({ nonce: token })
  const { signature = '' } = request.headers
  const { answer, text } = answerTo(signature, {})
  const problem = { status: 401, code: 'CLOCK_SKEWED', life, time: start, nonce: challenge }
  const body = Buffer.from(JSON.stringify(problem)).toString('hex')
  const challenged = answerTo(signature, { status: 401, contentType: 'application/problem+json', body })
  const again = requestOf({ nonce: challenge }).request
  const refused: readonly (readonly [reason: string, answer: Answer])[] = [
    ['by another member', answerTo(signature, { by: carol }).answer],
    ['to another request', answerTo(again.headers['signature'] ?? '', {}).answer],
    ['another status', { ...answer, status: 204 }],
    ['the body was changed', { ...answer, body: frame }],
    ['the body was changed, and its digest', { ...answer, body: frame, headers: { ...answer.headers, 'content-digest': digestOf(frame) } }],
    ['not signed', { ...answer, headers: { 'content-type': frameType } }],
    ['no digest', { ...answer, headers: { ...answer.headers, 'content-digest': '' } }],
    ['not bound to the request', answerTo(signature, { components: '"@status" "content-digest"' }).answer],
    ['signed as a request is', { ...answer, headers: { ...answer.headers, ...pick(request.headers) } }],
    ['another content type', answerTo(signature, { contentType: 'text/html' }).answer],
  ] // prettier-ignore
  return {
    request: first,
    good: { ...answer, text },
    challenge: { ...challenged.answer, text: challenged.text },
    again: { request: again, answer: answerTo(again.headers['signature'] ?? '', {}).answer },
    refused: refused.map(([reason, each]) => ({ reason, ...each })),
  }
}

function pick(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { signature = '', 'signature-input': input = '' } = headers
  return { signature, 'signature-input': input }
}

/** The text of `vectors/sync.json`. */
export function syncVectors(): string {
  const seeds = Object.fromEntries(names.map((name, at) => [name, `0${at + 1}`.repeat(32)]))
  const server = { node: bob.id, trusted: [alice.id, bob.id, carol.id], life, challenge, start }
  const refused = [...beforeAnySignature(), ...misshapen(), ...forged(), ...outOfTime()]
  const content = {
    seeds,
    server,
    accepted: accepted(),
    refused: refused.map(({ name, ...rest }) => ({ reason: name, ...rest })),
    answers: answers(),
  }
  return `${JSON.stringify(content, null, 1)}\n`
}
