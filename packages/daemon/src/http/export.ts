/** `GET /api/lattice/export`: every key with its type and value, a line each (JSON Lines). */
import { routes } from '@lattice/api'
import type { CallerOf } from './caller.ts'
import { isNotModified } from './conditions.ts'
import type { Mount } from './mount.ts'
import type { HttpAppOptions } from './options.ts'
import { readerOf } from './readers.ts'
import { createSnapshots } from './state-snapshot.ts'
import { sendPieces } from './streaming.ts'

interface ExportOptions extends Pick<HttpAppOptions, 'node'> {
  readonly callerOf: CallerOf
}

/** Adds the route. */
export function mountExport(mount: Mount, { node, callerOf }: ExportOptions): void {
  const snapshots = createSnapshots(
    node,
    ({ key, type, value }) => `${JSON.stringify({ key, type, value })}\n`,
  )
  mount(routes.exportState, async (_input, request, response) => {
    const { snapshot, release } = await snapshots.take(readerOf(callerOf, request, response))
    try {
      response.set({ ETag: `"${snapshot.root}"`, 'Cache-Control': 'no-cache' }).type('application/jsonl')
      if (isNotModified(request.headers['if-none-match'], snapshot.root)) response.status(304).end()
      else if (request.method === 'HEAD') response.end()
      else await sendPieces(response, snapshot.copy.texts(), { before: '', between: '', after: '' })
    } finally {
      release()
    }
  })
}
