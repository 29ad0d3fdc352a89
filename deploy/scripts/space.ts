/**
 * A release onto a Hugging Face Space: one commit in its git repository, which builds and restarts by itself;
 * back by a commit that undoes it. The token comes from HF_TOKEN and reaches git by its environment only.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { SpaceNode } from './plan.ts'
import { must } from './shell.ts'
import type { Target, Tell } from './target.ts'

const checkout = join(import.meta.dirname, '../..')
/** What the Space's repository holds beside the sources. */
const spaceFiles = ['Dockerfile', 'README.md', '.dockerignore'] as const
/** Enough to go back over. */
const depth = '20'

/**
 * A Space as something a release can be put on. The release itself is built there, from the sources of this
 * checkout.
 */
export function spaceTarget(node: SpaceNode, tell: Tell): Target {
  const work = mkdtempSync(join(tmpdir(), 'lattice-space-'))
  process.once('exit', () => rmSync(work, { recursive: true, force: true }))
  const clone = join(work, 'space')
  const git = (...args: readonly string[]): Promise<string> =>
    must('git', args, { cwd: existsSync(clone) ? clone : work, env: gitEnvironment() })
  const fetched = async (): Promise<void> => {
    if (existsSync(clone)) return
    await git('clone', '--quiet', '--depth', depth, '--branch', node.branch, node.remote, clone)
  }
  const head = async (): Promise<string> => {
    await fetched()
    return (await git('rev-parse', 'HEAD')).trim()
  }
  const push = (): Promise<string> => git('push', '--quiet', 'origin', `HEAD:${node.branch}`)
  return {
    inForce: head,
    backup: () =>
      Promise.resolve(tell('the other nodes hold its state; its disk holds nothing that they do not')),
    upload: async release => {
      await fetched()
      await layOut(clone, node.settings)
      await git('add', '--all')
      if ((await git('status', '--porcelain')).trim() === '') return false
      await git('commit', '--quiet', '-m', `Lattice ${release.version}`)
      tell(`committed Lattice ${release.version}`)
      return true
    },
    activate: async () => {
      await push()
      tell('pushed; the Space builds and restarts')
    },
    back: async id => {
      await git('revert', '--no-edit', `${id}..HEAD`)
      await push()
      tell(`pushed what undoes it, back to ${id.slice(0, 8)}`)
    },
    tidy: () => Promise.resolve(),
    plan: release => [
      `one commit with Lattice ${release.version} and ${node.settings} as lattice.env in ${node.remote}`,
      `push to ${node.branch}; the Space builds and restarts`,
    ],
  }
}

/** The tracked files of this checkout, with the Space's own on top; what is no more goes. */
async function layOut(clone: string, settings: string): Promise<void> {
  for (const name of readdirSync(clone))
    if (name !== '.git') rmSync(join(clone, name), { recursive: true, force: true })
  const listed = await must('git', ['ls-files', '-z'], { cwd: checkout })
  for (const path of listed.split('\0').filter(each => each !== '' && existsSync(join(checkout, each))))
    cpSync(join(checkout, path), join(clone, path), { recursive: true })
  for (const name of spaceFiles) cpSync(join(checkout, 'deploy/huggingface', name), join(clone, name))
  cpSync(join(checkout, settings), join(clone, 'lattice.env'))
}

function gitEnvironment(): Readonly<Record<string, string>> {
  const author = { GIT_AUTHOR_NAME: 'lattice', GIT_AUTHOR_EMAIL: 'lattice@localhost' }
  const committer = { GIT_COMMITTER_NAME: 'lattice', GIT_COMMITTER_EMAIL: 'lattice@localhost' }
  const token = process.env['HF_TOKEN']
  const header = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.https://huggingface.co/.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: Bearer ${token ?? ''}`,
  }
  return { ...author, ...committer, GIT_TERMINAL_PROMPT: '0', ...(token === undefined ? {} : header) }
}
