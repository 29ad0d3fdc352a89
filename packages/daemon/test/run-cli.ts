/** Runs one command line within this process, as main does, with streams and environment of its own. */
import { buildProgram } from '../src/cli/program.ts'
import type { CliActions } from '../src/cli/register.ts'

/** How a run ended. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Where a run takes place. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  readonly stdin?: string | Uint8Array
  readonly signal?: AbortSignal
  readonly actions?: CliActions
}

const noDaemon: CliActions = { startDaemon: () => Promise.reject(new Error('no daemon in this test')) }

/** Runs `lattice ARGS`. */
export async function runInProcess(args: readonly string[], at: Surroundings): Promise<Outcome> {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const io = {
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdin: (async function* () {
      yield at.stdin ?? ''
    })(),
    env: at.env ?? {},
    cwd: at.cwd,
    signal: at.signal ?? new AbortController().signal,
  }
  const code = await buildProgram(io, at.actions ?? noDaemon).run(args)
  return { code, ...written }
}
