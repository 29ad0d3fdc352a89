/** Files of the deploy folder: beside the package once built, at the top of the repository in a checkout. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const places = ['../../deploy/', '../../../../deploy/']

/** The text of `deploy/<name>`. Throws when an installation lacks it. */
export function deployFile(name: string): string {
  const paths = places.map(place => fileURLToPath(new URL(place + name, import.meta.url)))
  const path = paths.find(existsSync)
  if (path === undefined) throw new Error(`this installation lacks deploy/${name}`)
  return readFileSync(path, 'utf8')
}
