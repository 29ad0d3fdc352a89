/**
 * The command line: every command but `start` is a client, so the daemon and its libraries load only for that
 * one.
 */
import { buildProgram } from './cli/program.ts'

/** Runs one command line and sets the exit code of the process. */
export async function main(argv: string[]): Promise<void> {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
  const { stdout, stderr, stdin, env } = process
  // `lattice status --watch | head`: a reader that has seen enough is no failure, and the end of the command. A
  // daemon goes on: its `stop` is another.
  const unread = new AbortController()
  stdout.on('error', () => unread.abort())
  stderr.on('error', () => undefined)
  const signal = AbortSignal.any([stop.signal, unread.signal])
  const io = { stdout, stderr, stdin, env, cwd: process.cwd(), signal }
  const cli = buildProgram(io, {
    startDaemon: async (config, context) => {
      const { runDaemon } = await import('./main.ts')
      return runDaemon(config, context, stop)
    },
  })
  process.exitCode = await cli.run(argv)
}
