/** A directory with an env file, and the configuration as loaded there with nothing else around. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { formatProblem, loadConfig } from '../src/config/index.ts'
import type { ConfigInput, Loaded } from '../src/config/index.ts'

/** A place to load configurations in. */
export interface ConfigWorld {
  readonly directory: string
  /** Writes the lines to `node.env` there; returns its path. */
  file(...lines: string[]): string
  load(input: Partial<ConfigInput>): Loaded
  /** The problems as lines, with the directory shown as `.`. */
  problemsOf(loaded: Loaded): string[]
  close(): void
}

/** Makes a fresh place; close it afterwards. */
export function openConfigWorld(): ConfigWorld {
  const directory = mkdtempSync(join(tmpdir(), 'lattice-config-'))
  return {
    directory,
    file: (...lines) => {
      const path = join(directory, 'node.env')
      writeFileSync(path, `${lines.join('\n')}\n`)
      return path
    },
    load: input => loadConfig({ env: {}, cwd: directory, ...input }),
    problemsOf: loaded => loaded.problems.map(formatProblem).map(line => line.replaceAll(directory, '.')),
    close: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** What `body` throws; undefined when it does not. */
export function catchError(body: () => unknown): unknown {
  try {
    body()
  } catch (error) {
    return error
  }
  return undefined
}
