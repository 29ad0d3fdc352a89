/** A release as `npm run build:release` lays it out, named by its version and what is in it. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** What is rolled out. */
export interface Release {
  /** Equal for equal content: `0.1.1-3f9a01bc`. */
  readonly id: string
  readonly version: string
  readonly path: string
}

/** Reads the release in `path`. Throws where there is none. */
export function readRelease(path: string): Release {
  const manifest = join(path, 'node_modules/@lattice/daemon/package.json')
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const hash = createHash('sha256')
  for (const file of walk(path, '')) {
    const at = join(path, file)
    const isLink = lstatSync(at).isSymbolicLink()
    hash.update(`${file}\0${isLink ? readlinkSync(at) : ''}\0`)
    if (!isLink) hash.update(createHash('sha256').update(readFileSync(at)).digest())
  }
  return { id: `${version}-${hash.digest('hex').slice(0, 8)}`, version, path }
}

function* walk(root: string, folder: string): Generator<string> {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* walk(root, path)
    else yield path
  }
}
