/** Requests to `POST /sync/v1`, headers and body as they may come: a status is always given, nothing is thrown. */
import { SyncHandler } from '@lattice/http-sync'
import { createSeededRandom } from '@lattice/core/testing'
import { createZeroSigner, memberId, sha256 } from './crypto.ts'

const self = memberId(1)

/** Header lines, an empty line, the body. The first line is method, path and query, a blank between them. */
export async function fuzzSyncRequest(input: Uint8Array): Promise<void> {
  const end = input.findIndex((byte, at) => byte === 10 && input[at + 1] === 10)
  const head = new TextDecoder('latin1').decode(end < 0 ? input : input.subarray(0, end))
  const [first = '', ...lines] = head.split('\n')
  const [method = '', path = '', query = ''] = first.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const handler = new SyncHandler({
    signer: createZeroSigner(self),
    // Every other signature holds: what follows the check is to be reached too.
    verify: (_author, _message, signature) => (signature[0] ?? 0) % 2 === 0,
    hash: sha256,
    trusted: new Set([memberId(2)]),
    clock: { now: () => ({ mono: 0, wall: 1_700_000_000_000 }), alarm: () => () => undefined },
    random: createSeededRandom(1),
  })
  handler.start({
    peerUp: () => undefined,
    peerDown: () => undefined,
    announced: () => undefined,
    serve: (_from, frame) => Promise.resolve(frame),
  })
  const body = end < 0 ? new Uint8Array(0) : input.subarray(end + 2)
  const signal = new AbortController().signal
  const answer = await handler.handle({ method, path, query, headers, body, signal })
  if (answer.status < 200 || answer.status > 599) throw new Error(`status ${answer.status}`)
}
