/** Which commit is being tried: a seed tells the same history on the same commit only. */
import { execFileSync } from 'node:child_process'

/** Short name of the commit, with a plus where files differ from it; `unknown` outside a checkout. */
export function commitOf(): string {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '')
  } catch {
    return 'unknown'
  }
}
