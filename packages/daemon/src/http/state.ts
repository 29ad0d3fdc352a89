/** The replicated state: signed listings, single keys, writes. */
import { routes } from '@lattice/api'
import type { RouteRequest, Routes } from '@lattice/api'
import { LatticeError } from '@lattice/core'
import type { KeyReading, Operation } from '@lattice/core'
import type { Request, Response } from 'express'
import type { LatticeNode } from '../node.ts'
import type { CallerOf } from './caller.ts'
import { isNotModified, tagText, versionText, writeOptions } from './conditions.ts'
import { damagedWithin, refuseDamaged } from './damaged-keys.ts'
import { sendJson } from './json-answer.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { HttpProblem, invalid } from './problems.ts'
import { readerOf } from './readers.ts'
import type { CopiedKey } from './state-copy.ts'
import type { Snapshots } from './state-snapshot.ts'
import { sendPieces } from './streaming.ts'
import { longChars, type UntakenAnswers } from './untaken.ts'

/** Keys in a page when no limit is named. */
const pageKeysDefault = 1000

/** A page ends once it has this many characters, however few keys that are: the next one goes on there. */
const pageCharsMax = 1024 * 1024

interface StateOptions extends Pick<HttpAppOptions, 'node' | 'identity' | 'clock'> {
  readonly snapshots: Snapshots
  readonly callerOf: CallerOf
  readonly untaken: UntakenAnswers
}

interface Listing {
  readonly root: string
  readonly stateSize: number
  readonly entryCount: number
  readonly nextCursor?: string | null
  readonly damagedKeys?: readonly string[]
}

/** A root in the name of this node: signed together with the time, in whole seconds. */
function signedRoot(options: StateOptions, root: string) {
  const timestamp = Math.floor(options.clock.now().wall / 1000)
  const signature = Buffer.from(options.node.sign(new TextEncoder().encode(`${root}:${timestamp}`)))
  const publicKey = options.identity.nodeId
  return { merkle_root: root, timestamp, signature: signature.toString('hex'), public_key: publicKey }
}

/** The listing's fields besides `state`, signed. */
function signedFields(options: StateOptions, listing: Listing): Record<string, unknown> {
  return {
    success: true,
    ...signedRoot(options, listing.root),
    state_size: listing.stateSize,
    entry_count: listing.entryCount,
    signed: true,
    ...(listing.nextCursor === undefined ? {} : { next_cursor: listing.nextCursor }),
    ...(listing.damagedKeys === undefined ? {} : { damaged_keys: listing.damagedKeys }),
  }
}

/** One key as a member of `state`; `text` is its value as JSON. */
function memberOf({ key, text }: Pick<CopiedKey, 'key' | 'text'>): string {
  return `${JSON.stringify(key)}:${text}`
}

/** Everything of the JSON text but the members of `state`: before them, and after. */
function frameOf(fields: Record<string, unknown>): readonly [before: string, after: string] {
  return [`${JSON.stringify(fields).slice(0, -1)},"state":{`, '}}']
}

/** Marks the answer with its tag; true when the caller has it already and nothing else is to be sent. */
function revalidated(request: Request, response: Response, tag: string): boolean {
  response.set({ ETag: `"${tag}"`, 'Cache-Control': 'no-cache' })
  if (!isNotModified(request.headers['if-none-match'], tag)) return false
  response.status(304).end()
  return true
}

/** No tag: without what is damaged the root may be that of an earlier state, which lacked nothing. */
function unmarked(response: Response): void {
  response.removeHeader('ETag')
  response.set('Cache-Control', 'no-store')
}

async function sendWhole(options: StateOptions, request: Request, response: Response): Promise<void> {
  const { snapshot, release } = await options.snapshots.take(readerOf(options.callerOf, request, response))
  try {
    if (revalidated(request, response, snapshot.root)) return
    const count = snapshot.copy.count
    const fields = signedFields(options, { root: snapshot.root, stateSize: count, entryCount: count })
    response.type('json')
    if (request.method === 'HEAD') response.end()
    else {
      const [before, after] = frameOf(fields)
      await sendPieces(response, snapshot.copy.texts(memberOf), { before, between: ',', after })
    }
  } finally {
    release()
  }
}

function cursorText(next: string): string {
  return Buffer.from(next).toString('base64url')
}

function readCursor(cursor: string): string {
  const next = Buffer.from(cursor, 'base64url').toString()
  if (cursorText(next) === cursor) return next
  throw invalid('cursor', 'not a next_cursor of an earlier page')
}

type StateQuery = RouteRequest<Routes['getState']>['query']
type KeyQuery = RouteRequest<Routes['getKey']>['query']

interface Page {
  readonly members: readonly string[]
  readonly chars: number
  readonly next: string | undefined
}

/** A page also ends where many keys in a row were deleted ones: `list` looks at so many, and no more. */
function readMembers(node: LatticeNode, prefix: string, from: string, limit: number): Page {
  const members: string[] = []
  let chars = 0
  const isEnough = (reading: KeyReading): boolean => {
    const text = memberOf({ key: reading.key, text: JSON.stringify(reading.value) })
    members.push(text)
    chars += text.length
    return chars >= pageCharsMax
  }
  const { next } = node.list({ prefix, from, limit, isEnough })
  return { members, chars, next }
}

/** Reads a page, and says how to send it. */
function openPage(
  options: StateOptions,
  query: StateQuery,
  request: Request,
  response: Response,
): () => Promise<void> {
  const { node, untaken, callerOf } = options
  const { root, keyCount } = node.status()
  const range = {
    prefix: query.prefix ?? '',
    from: query.cursor === undefined ? '' : readCursor(query.cursor),
  }
  const limit = query.limit === undefined ? pageKeysDefault : Number(query.limit)
  const page = readMembers(node, range.prefix, range.from, limit)
  const damagedKeys = damagedWithin(node.quarantine.damagedKeys, { ...range, next: page.next })
  // Found by this very page, perhaps.
  if (damagedKeys.length > 0) unmarked(response)
  const listing = {
    root,
    stateSize: page.members.length,
    entryCount: keyCount,
    nextCursor: page.next === undefined ? null : cursorText(page.next),
    damagedKeys,
  }
  const [before, after] = frameOf(signedFields(options, listing))
  if (page.chars >= longChars) untaken.admit(readerOf(callerOf, request, response), page.chars)
  response.type('json')
  return () => sendPieces(response, page.members, { before, between: ',', after })
}

function sendSummary(options: StateOptions, response: Response): void {
  const { root, keyCount } = options.node.status()
  response.json(signedFields(options, { root, stateSize: 0, entryCount: keyCount }))
}

async function sendKey(
  { node, untaken, callerOf }: StateOptions,
  key: string,
  request: Request,
  response: Response,
): Promise<void> {
  const reading = node.read(key)
  if (reading === undefined && node.quarantine.isDamaged(key)) throw new LatticeError('ENTRY_DAMAGED')
  if (reading === undefined) throw new LatticeError('KEY_NOT_FOUND', `there is no key ${JSON.stringify(key)}`)
  const tag = tagText(reading)
  if (isNotModified(request.headers['if-none-match'], tag)) return void revalidated(request, response, tag)
  const { value, author, type } = reading
  const version = versionText(reading.version)
  const text = JSON.stringify({ success: true, key, value, version, author, type })
  const headers = { ETag: `"${tag}"`, 'Cache-Control': 'no-cache' }
  await untaken.sendJsonText(readerOf(callerOf, request, response), text, headers)
}

/** The key with the proof that the signed root holds it; the problem of an absent key has a proof too. */
function provenText(options: StateOptions, key: string): string {
  const { node } = options
  const parts = node.prove(key)
  if (parts === undefined)
    throw new HttpProblem(
      'BODY_TOO_LARGE',
      `${JSON.stringify(key)} has more elements than a proof may hold`,
      {
        // That of the code is for bodies that are sent.
        extra: { hint: 'read it without its proof, or split the set over several keys' },
      },
    )
  const proof = { format: 'lattice.proof/v1', ...signedRoot(options, node.status().root), ...parts } as const
  const reading = node.read(key)
  if (reading === undefined)
    throw new HttpProblem('KEY_NOT_FOUND', `there is no key ${JSON.stringify(key)}`, { extra: { proof } })
  const { value, author, type } = reading
  return JSON.stringify({
    success: true,
    key,
    value,
    version: versionText(reading.version),
    author,
    type,
    proof,
  })
}

async function sendProven(
  options: StateOptions,
  key: string,
  request: Request,
  response: Response,
): Promise<void> {
  const { node, untaken, callerOf } = options
  const text = await node.atRest(() => provenText(options, key))
  await untaken.sendJsonText(readerOf(callerOf, request, response), text, { 'Cache-Control': 'no-store' })
}

async function write(
  node: LatticeNode,
  operation: Operation,
  request: Request,
  response: Response,
): Promise<void> {
  const { key } = operation
  const receipt = await node.write([operation], writeOptions(request.headers))
  const version = versionText(receipt.version)
  const tag = operation.op === 'delete' ? {} : { ETag: `"${version}"` }
  sendJson(response, { success: true, key, version, merkle_root: receipt.root }, tag)
}

/** Adds the state routes. */
export function mountState(mount: Mount, options: StateOptions): void {
  const { node } = options

  const readOne = (
    key: string,
    query: KeyQuery,
    request: Request,
    response: Response,
  ): void | Promise<void> =>
    query.proof === 'true'
      ? sendProven(options, key, request, response)
      : sendKey(options, key, request, response)

  mount(routes.getState, async ({ query }, request, response) => {
    if (query.key !== undefined) return readOne(query.key, query, request, response)
    const paged = query.prefix !== undefined || query.limit !== undefined || query.cursor !== undefined
    if (!paged && query.summary !== 'true') {
      // A caller that has the current state costs nothing; otherwise the tag is that of the copy that is
      // sent.
      refuseDamaged(node.quarantine.damagedKeys)
      const { root } = node.status()
      if (isNotModified(request.headers['if-none-match'], root))
        return void revalidated(request, response, root)
      return sendWhole(options, request, response)
    }
    const send = await node.atRest(() => {
      if (node.quarantine.damagedKeys.length > 0) unmarked(response)
      else if (revalidated(request, response, node.status().root)) return undefined
      if (query.summary !== 'true') return openPage(options, query, request, response)
      return sendSummary(options, response)
    })
    await send?.()
  })
  mount(routes.getKey, ({ params, query }, request, response) =>
    readOne(params.key, query, request, response),
  )
  mount(routes.putKey, ({ params, body }, request, response) =>
    write(node, { op: 'put', key: params.key, value: body }, request, response),
  )
  mount(routes.putKeyByQuery, ({ query, body }, request, response) =>
    write(node, { op: 'put', key: query.key, value: body }, request, response),
  )
  mount(routes.deleteKey, ({ params }, request, response) =>
    write(node, { op: 'delete', key: params.key }, request, response),
  )
  mount(routes.deleteKeyByQuery, ({ query }, request, response) =>
    write(node, { op: 'delete', key: query.key }, request, response),
  )
}
