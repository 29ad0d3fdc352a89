/** Runs the `lattice` command as a process of its own, as a user does. */
import { spawn } from 'node:child_process'
import type { ChildProcess, StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const executable = join(root, 'node_modules/.bin/node')
const presentScript = join(root, 'packages/daemon/bin/lattice.js')

/** Longer than any command here takes; a hanging one must not hang the ring. */
const commandMsMax = 60_000

/** How a command ended. */
export interface Outcome {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Settings by their full name, such as `LATTICE_HTTP_PORT`. */
export type Settings = Readonly<Record<string, string>>

/**
 * Where a command runs. `stdin` is what it can read there; `within` is put before it, e.g. `ip netns exec x`;
 * `script` is the `lattice` of another build.
 */
export interface Surroundings {
  readonly env?: Settings
  readonly cwd?: string
  readonly stdin?: string
  readonly within?: readonly string[]
  readonly script?: string | undefined
}

/** The environment of a command: nothing of the surroundings that it would take as a setting. */
export function environment(settings: Settings = {}): NodeJS.ProcessEnv {
  const foreign = /^(LATTICE_|DIOTEC360_|AETHEL_|SPACE_|PORT$|JOURNAL_STREAM$|NOTIFY_SOCKET$|NODE_OPTIONS$)/
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  return { ...Object.fromEntries(kept), NO_COLOR: '1', ...settings }
}

/** Starts `lattice ARGS` and leaves it running; whoever starts it ends it. */
export function launch(args: readonly string[], at: Surroundings, stdio: StdioOptions): ChildProcess {
  const [program, ...rest] = [...(at.within ?? []), executable, at.script ?? presentScript, ...args]
  return spawn(program ?? executable, rest, { cwd: at.cwd ?? tmpdir(), env: environment(at.env), stdio })
}

/** Runs `lattice ARGS` to its end. */
export async function lattice(args: readonly string[], at: Surroundings = {}): Promise<Outcome> {
  const child = launch(args, at, ['pipe', 'pipe', 'pipe'])
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
    })
  }
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(at.stdin ?? '')
  const late = setTimeout(() => child.kill('SIGKILL'), commandMsMax)
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...written }
  } finally {
    clearTimeout(late)
  }
}

/** The JSON document a command printed. */
export function documentOf(outcome: Outcome): Record<string, unknown> {
  return JSON.parse(outcome.stdout) as Record<string, unknown>
}
