/** `GET /api/lattice/export`: every key with its type and value, a line each (JSON Lines). */
import { routes } from '@lattice/api'
import { isNotModified } from './conditions.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { createSnapshots } from './state-snapshot.ts'
import { sendPieces } from './streaming.ts'

/** Adds the route. */
export function mountExport(mount: Mount, { node }: Pick<HttpAppOptions, 'node'>): void {
  const snapshots = createSnapshots(
    node,
    ({ key, type, value }) => `${JSON.stringify({ key, type, value })}\n`,
  )
  mount(routes.exportState, async (_input, request, response) => {
    const { snapshot, release } = await snapshots.take()
    try {
      response.set({ ETag: `"${snapshot.root}"`, 'Cache-Control': 'no-cache' }).type('application/jsonl')
      if (isNotModified(request.headers['if-none-match'], snapshot.root)) response.status(304).end()
      else if (request.method === 'HEAD') response.end()
      else await sendPieces(response, snapshot.members.values(), { before: '', between: '', after: '' })
    } finally {
      release()
    }
  })
}
