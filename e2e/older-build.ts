/**
 * The sources of an earlier commit of this repository as a program of its own: the same dependencies, but its
 * own packages. So tests run a frozen build beside the present one, without a binary in the repository.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** The last commit whose nodes speak frame version 1 and no other. */
export const lastOfVersion1 = 'd0b16ee'

/** A commit whose nodes make backups, and whose store has format 2. */
export const lastOfStore2 = '1613d3f'

/** Unpacks `commit` under `directory`; the path of its `lattice` script. */
export function olderBuild(commit: string, directory: string): string {
  const home = join(directory, `build-${commit}`)
  mkdirSync(home)
  const archive = execFileSync('git', ['-C', root, 'archive', commit, 'package.json', 'packages'], {
    maxBuffer: 256 * 1024 * 1024,
  })
  execFileSync('tar', ['-x', '-C', home], { input: archive })
  linkDependencies(join(root, 'node_modules'), join(home, 'node_modules'))
  const own = join(home, 'node_modules/@lattice')
  mkdirSync(own)
  for (const name of readdirSync(join(home, 'packages'))) {
    symlinkSync(join(home, 'packages', name), join(own, name))
    const nested = join(root, 'packages', name, 'node_modules')
    if (existsSync(nested)) symlinkSync(nested, join(home, 'packages', name, 'node_modules'))
  }
  return join(home, 'packages/daemon/bin/lattice.js')
}

function linkDependencies(from: string, to: string): void {
  mkdirSync(to)
  const foreign = readdirSync(from).filter(name => name !== '@lattice' && name !== '.bin')
  for (const name of foreign) symlinkSync(join(from, name), join(to, name))
}
