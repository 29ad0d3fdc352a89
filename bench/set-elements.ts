/** What it costs to add to a set, and to take from it, against the number of its elements. */
import type { Operation } from '@lattice/core'
import { createDirectory, openAlone } from './bench-node.ts'
import { progress, round, type Cell, type Table } from './report.ts'
import { cpuTimed, median, timed } from './statistics.ts'

const sizes = [100, 1_000, 20_000, 60_000]
const perWrite = 1_000
const samples = 50

const element = (op: 'add' | 'remove', name: string): Operation => ({ op, key: 'set', element: name })

async function measure(size: number): Promise<Cell[]> {
  using directory = createDirectory()
  const { runtime, close } = await openAlone(directory.path)
  for (let from = 0; from < size; from += perWrite) {
    progress(`scale: a set of ${from} of ${size}`)
    const count = Math.min(perWrite, size - from)
    await runtime.write(Array.from({ length: count }, (_, at) => element('add', `element ${from + at}`)))
  }
  const each = async (op: 'add' | 'remove', prefix: string): Promise<{ ms: number; cpuUs: number }> => {
    const times: number[] = []
    const cpu = await cpuTimed(async () => {
      for (let at = 0; at < samples; at++)
        times.push(await timed(() => runtime.write([element(op, `${prefix} ${at}`)])))
    })
    return { ms: median(times), cpuUs: (1000 * cpu) / samples }
  }
  await each('add', 'warm-up')
  const [added, removed] = [await each('add', 'new'), await each('remove', 'element')]
  await close()
  return [size, ...[added.ms, added.cpuUs, removed.ms, removed.cpuUs].map(value => round(value))]
}

/** Sets of several sizes, each alone in a store of its own. */
export async function measureSets(): Promise<Table> {
  const rows: Cell[][] = []
  for (const size of sizes) rows.push(await measure(size))
  progress('')
  return {
    title: 'One more element of a set, and one less, one at a time',
    columns: ['elements', 'add ms', 'CPU µs', 'remove ms', 'CPU µs'],
    rows,
    notes: ['Medians; each write is durable. CPU: all threads.'],
  }
}
