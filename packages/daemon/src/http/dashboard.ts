/**
 * The built dashboard: a fixed list of files, read once at start, answered from memory.
 *
 * The list comes from the manifest that the build has written. A URL is looked up in it and never becomes a
 * path, so no request can reach another file.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { RequestHandler } from 'express'

/** Where `npm ci` builds the dashboard in a checkout. */
export const dashboardDirectory = fileURLToPath(new URL('../../../dashboard/dist/page/', import.meta.url))

interface ServedFile {
  readonly type: string
  readonly plain: Buffer
  readonly zipped: Buffer
  readonly etag: string
  readonly cache: string
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The names of files other than the page change with what is in them: a browser may keep them for ever. */
const assetCache = 'public, max-age=31536000, immutable'

/** The page itself is asked for each time; mostly the answer is that it has not changed. */
const pageCache = 'no-cache'

function readServed(directory: string, name: string, cache: string): ServedFile | undefined {
  const type = contentTypes[extname(name)]
  if (type === undefined) return undefined
  const plain = readFileSync(join(directory, name))
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { type, plain, zipped: gzipSync(plain), etag, cache }
}

/** The names of all files the manifest of the build speaks of, relative to its directory. */
function namesIn(manifest: unknown): Set<string> {
  const names = new Set<string>()
  const chunks = typeof manifest === 'object' && manifest !== null ? Object.values(manifest) : []
  for (const chunk of chunks as { file?: unknown; css?: unknown; assets?: unknown }[]) {
    for (const name of [chunk.file, chunk.css, chunk.assets].flat()) {
      if (typeof name === 'string' && /^assets\/[\w.-]+$/.test(name)) names.add(name)
    }
  }
  return names
}

/** URL path → file; undefined where no complete build is. */
function readBuild(directory: string): ReadonlyMap<string, ServedFile> | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'))
    const files = new Map<string, ServedFile>()
    for (const name of namesIn(manifest)) {
      const file = readServed(directory, name, assetCache)
      if (file !== undefined) files.set(`/${name}`, file)
    }
    const page = readServed(directory, 'index.html', pageCache)
    return page === undefined ? undefined : files.set('/', page)
  } catch {
    return undefined
  }
}

/**
 * Serves the build in `directory`: the page at `/`, its files below `/assets/`. Passes on what it does not
 * have. Undefined where nothing has been built.
 */
export function createDashboard(directory: string = dashboardDirectory): RequestHandler | undefined {
  const files = readBuild(directory)
  if (files === undefined) return undefined
  return (request, response, next) => {
    const file = files.get(request.path)
    if (file === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return next()
    response.vary('Accept-Encoding')
    response.set({ 'Content-Type': file.type, 'Cache-Control': file.cache, ETag: file.etag })
    if (request.fresh) return void response.status(304).end()
    const zip = request.acceptsEncodings(['gzip', 'identity']) === 'gzip'
    if (zip) response.set('Content-Encoding', 'gzip')
    return void response.send(zip ? file.zipped : file.plain)
  }
}
