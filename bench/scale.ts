/**
 * What grows with the number of entries: start, memory, and the cost of a write.
 *
 * Stores of n entries (40 B keys, 100 B values) are filled through the store's own writer; entries are signed
 * by nobody, since nothing here verifies them. Each n is then measured in a process of its own. The last
 * table is of sets, and what one more element costs.
 *
 *   npm run bench:scale -- [--n 10k,100k,1M] [--json]
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { encodeValue, rowOf, signEntry, type Signer } from '@lattice/core'
import { openSqliteStore, sha256 } from '@lattice/daemon'
import { createDirectory, createIdentity, factsOf, pastVersion } from './bench-node.ts'
import { print, progress, readNumbers, readOptions, round, verdict, type Cell } from './report.ts'
import { measureSets } from './set-elements.ts'
import type { ScaleSample } from './scale-subject.ts'
import { randomKeys, randomValue } from './workload.ts'

const options = readOptions({ n: { type: 'string', default: '10k,100k,1M' } })

const rowsPerCommit = 1_000
/** Commits on their way at once: the next is made while the last is written. */
const commitsAhead = 4

async function fill(directory: string, count: number): Promise<void> {
  const store = await openSqliteStore(directory)
  // Zeros in place of signatures: as long, and a million of them take no minute.
  const signer: Signer = { nodeId: createIdentity().nodeId, sign: () => new Uint8Array(64) }
  const open: Promise<void>[] = []
  for (let seq = 0; seq < count; seq += rowsPerCommit) {
    progress(`scale: filling ${seq} of ${count}`)
    const rows = randomKeys(Math.min(rowsPerCommit, count - seq), 40).map((key, at) => {
      const content = { key, slot: '', value: encodeValue(randomValue()), base: 0n, version: pastVersion }
      return rowOf(signEntry(content, signer, sha256), seq + at + 1, sha256)
    })
    open.push(store.commit({ rows, facts: factsOf(seq + rows.length) }))
    if (open.length >= commitsAhead) await open.shift()
  }
  await Promise.all(open)
  await store.close()
}

async function measure(count: number): Promise<ScaleSample> {
  using directory = createDirectory()
  await fill(directory.path, count)
  progress(`scale: measuring ${count}`)
  const script = fileURLToPath(new URL('./scale-subject.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, directory.path])
  return JSON.parse(stdout) as ScaleSample
}

const samples: Array<{ n: number; sample: ScaleSample }> = []
for (const n of readNumbers(options.n)) samples.push({ n, sample: await measure(n) })
progress('')
const first = samples[0]
const rows = samples.map(({ n, sample }): Cell[] => {
  const growth = sample.batchCpuUs / (first?.sample.batchCpuUs ?? sample.batchCpuUs)
  return [
    n,
    round(sample.startMs),
    round(sample.openMs),
    round(sample.rssMiB),
    round(sample.heapMiB),
    round(((sample.rssMiB - (first?.sample.rssMiB ?? 0)) * 2 ** 20) / Math.max(1, n - (first?.n ?? 0))),
    round(sample.singleMs),
    round(sample.batchPerS),
    round(sample.batchCpuUs),
    round(growth),
    round(sample.readUs),
    n === 1_000_000
      ? [
          `start ${verdict(sample.startMs, { atMost: 3000 })}`,
          `RSS ${verdict(sample.rssMiB, { atMost: 512 })}`,
          `growth ${verdict(growth, { atMost: 1.5 })}`,
        ].join('; ')
      : undefined,
  ]
})
print(
  {
    bench: 'scale',
    tables: [
      {
        title: 'What grows with the number of entries',
        columns: [
          'n',
          'start ms',
          'of which store',
          'RSS MiB',
          'heap MiB',
          'B/entry',
          'single ms',
          'batch/s',
          'batch CPU µs',
          'growth',
          'read µs',
          'goals at 1 M',
        ],
        rows,
        notes: [
          'B/entry: growth of RSS over the first row. Growth: CPU of a write in a batch, over the first row.',
        ],
      },
      await measureSets(),
    ],
  },
  options.json,
)
