/** Composition root of the command line; the daemon is plugged in here. */
import { buildProgram } from './cli/program.ts'
import { LatticeError } from '@lattice/core'

/** Runs one command line and sets the exit code of the process. */
export async function main(argv: string[]): Promise<void> {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  const { stdout, stderr, stdin, env } = process
  const io = { stdout, stderr, stdin, env, cwd: process.cwd(), signal: stop.signal }
  const { run } = buildProgram(io, {
    startDaemon: () =>
      Promise.reject(new LatticeError('NOT_READY', 'the daemon is not built into this version')),
  })
  process.exitCode = await run(argv)
}
