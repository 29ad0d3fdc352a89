/** Long work, step by step: a spinner on a terminal, one line per step elsewhere, nothing with `--json`. */
import { Listr } from 'listr2'

import { print, span } from './io.ts'
import type { CliIo } from './io.ts'

/** Tells what is going on within a step. */
export type Tell = (text: string) => void

/** Runs one step and shows it. */
export type Step = <T>(title: string, body: (tell: Tell) => Promise<T>) => Promise<T>

/** Characters of a bar: fits a step line of 80 columns. */
const barWidth = 24

/** `████░░░░ 42 %  1234 of 3000`: how far something has come. */
export function bar(done: number, about: number): string {
  const share = about === 0 ? 1 : Math.min(1, done / about)
  const full = Math.round(share * barWidth)
  const cells = '█'.repeat(full) + '░'.repeat(barWidth - full)
  return `${cells} ${String(Math.floor(share * 100)).padStart(3)} %  ${done} of ${about}`
}

/** How steps are shown on this output. */
export function stepper(io: CliIo, quiet: boolean): Step {
  if (quiet) return (_title, body) => body(() => undefined)
  return io.stdout.isTTY === true ? spinning : (title, body) => telling(io, title, body)
}

async function spinning<T>(title: string, body: (tell: Tell) => Promise<T>): Promise<T> {
  const results: T[] = []
  const list = new Listr(
    [
      {
        title,
        task: async (_context, task) => {
          results.push(
            await body(text => {
              task.output = text
            }),
          )
        },
      },
    ],
    // Signals are ours: listr2 would exit the process and leave daemons behind.
    { registerSignalListeners: false, rendererOptions: { collapseErrors: false, showErrorMessage: false } },
  )
  await list.run()
  const [result] = results
  return result as T
}

async function telling<T>(io: CliIo, title: string, body: (tell: Tell) => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const result = await body(() => undefined)
  print(io, `${title} (${span(performance.now() - startedAt)})`)
  return result
}
