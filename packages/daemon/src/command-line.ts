/**
 * The command line: every command but `start` is a client, so the daemon and its libraries load only for that
 * one.
 */
import { exitCodes } from './cli/exit.ts'
import { buildProgram } from './cli/program.ts'

/** Runs one command line and sets the exit code of the process. */
export async function main(argv: string[]): Promise<void> {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
  const { stdout, stderr, stdin, env } = process
  // `lattice status --watch | head`: a reader that has seen enough is no failure, and the end of the command.
  const unread = new AbortController()
  let serves = false
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A daemon goes on, and so does what it has to say of its end.
    if (serves) return
    unread.abort(error)
    if (error.code === 'EPIPE') return
    stderr.write(`error: the answer could not be written: ${error.message}\n`)
    process.exitCode = exitCodes.failed
  })
  stderr.on('error', () => undefined)
  const signal = AbortSignal.any([stop.signal, unread.signal])
  const io = { stdout, stderr, stdin, env, cwd: process.cwd(), signal }
  const cli = buildProgram(io, {
    startDaemon: async (config, context) => {
      serves = true
      const { runDaemon } = await import('./main.ts')
      return runDaemon(config, context, stop)
    },
  })
  const code = await cli.run(argv)
  process.exitCode ??= code
}
