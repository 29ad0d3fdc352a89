/** `GET /api/lattice/export`: every key with its type and value, a line each (JSON Lines). */
import { routes } from '@lattice/api'
import type { CallerOf } from './caller.ts'
import { isNotModified } from './conditions.ts'
import type { Mount } from './mount.ts'
import { readerOf } from './readers.ts'
import type { CopiedKey } from './state-copy.ts'
import type { Snapshots } from './state-snapshot.ts'
import { sendPieces } from './streaming.ts'

interface ExportOptions {
  readonly snapshots: Snapshots
  readonly callerOf: CallerOf
}

function lineOf({ key, type, text }: CopiedKey): string {
  return `{"key":${JSON.stringify(key)},"type":"${type}","value":${text}}\n`
}

/** Adds the route. */
export function mountExport(mount: Mount, { snapshots, callerOf }: ExportOptions): void {
  mount(routes.exportState, async (_input, request, response) => {
    const { snapshot, release } = await snapshots.take(readerOf(callerOf, request, response))
    try {
      response.set({ ETag: `"${snapshot.root}"`, 'Cache-Control': 'no-cache' }).type('application/jsonl')
      if (isNotModified(request.headers['if-none-match'], snapshot.root)) response.status(304).end()
      else if (request.method === 'HEAD') response.end()
      else await sendPieces(response, snapshot.copy.texts(lineOf), { before: '', between: '', after: '' })
    } finally {
      release()
    }
  })
}
