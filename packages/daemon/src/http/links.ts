/**
 * `GET /api/lattice/links`: how the other nodes reach each other, in their own words. A node knows only its own
 * links; here it asks the others, at most once in ten seconds however many look, and says whom it could not
 * ask.
 */
import { peersSchema, routes } from '@lattice/api'
import type { RouteResult, Routes } from '@lattice/api'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { moment } from './shapes.ts'

type Row = RouteResult<Routes['getLinks']>['rows'][number]
type LinkOptions = Pick<HttpAppOptions, 'node' | 'peer' | 'clock'>

/** How long one round of questions serves everybody. */
const freshMs = 10_000

/** A node that is well answers in milliseconds; the page does not wait for one that is not. */
const timeoutMs = 2000

/** Far more than a thousand peers take. */
const answerBytesMax = 1_048_576

/** Reads a JSON answer of bounded size; rejects with a phrase. */
async function readJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(timeoutMs)
  const headers = { accept: 'application/json' }
  const response = await fetch(url, { signal, headers, redirect: 'error' }).catch(() => undefined)
  if (response === undefined) throw new Error('it does not answer over HTTP')
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    throw new Error(`it answers HTTP ${response.status}`)
  }
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body as ReadableStream<Uint8Array>) {
    size += part.byteLength
    if (size > answerBytesMax) throw new Error('its answer is too large')
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}

async function ask(url: string): Promise<Row['links']> {
  const answer: unknown = await readJson(url + routes.getPeers.path)
  const parsed = peersSchema.safeParse(answer)
  if (!parsed.success) throw new Error('its answer is not that of this version')
  return parsed.data.peers.map(({ node_id, links }) => ({ node_id, ...links }))
}

async function rowOf(
  { nodeId, name }: { readonly nodeId: string; readonly name?: string },
  url: string | undefined,
): Promise<Row> {
  const row = { node_id: nodeId, name: name ?? null }
  if (url === undefined) return { ...row, links: [], why: 'no HTTP address of it is known' }
  try {
    return { ...row, links: await ask(url), why: null }
  } catch (error) {
    const isOurs = Error.isError(error) && error.message.startsWith('it')
    return { ...row, links: [], why: isOurs ? error.message : 'its answer cannot be read' }
  }
}

/** Adds the route. */
export function mountLinks(mount: Mount, { node, peer, clock }: LinkOptions): void {
  let round: { readonly mono: number; readonly answer: Promise<unknown> } | undefined
  const askAll = async (wall: number): Promise<unknown> => {
    const { nodeId, peers } = node.status()
    const rows = peers.map(each => rowOf(each, peer(each.nodeId).url))
    return { success: true, asked_at: moment(wall), node_id: nodeId, rows: await Promise.all(rows) }
  }
  mount(routes.getLinks, async (_input, _request, response) => {
    const { mono, wall } = clock.now()
    if (round === undefined || mono - round.mono >= freshMs) round = { mono, answer: askAll(wall) }
    response.json(await round.answer)
  })
}
