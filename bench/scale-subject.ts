/**
 * One measurement of scale.ts in a process of its own, so that memory is that of one store and nothing else:
 * opens the store in the directory given, makes a runtime over it, writes, and prints one line of JSON.
 */
import { openSqliteStore } from '@lattice/daemon'
import { createIdentity, createRuntime } from './bench-node.ts'
import { cpuTimed, median, timed } from './statistics.ts'
import { randomPuts } from './workload.ts'

/** What scale.ts reads. */
export interface ScaleSample {
  readonly openMs: number
  readonly startMs: number
  readonly rssMiB: number
  readonly heapMiB: number
  readonly singleMs: number
  readonly singleCpuUs: number
  readonly batchCpuUs: number
  readonly batchPerS: number
  readonly readUs: number
}

const singles = 300
const batches = 12
const batchSize = 1_000
const keyLength = 40

async function measure(directory: string): Promise<ScaleSample> {
  const started = performance.now()
  const store = await openSqliteStore(directory)
  const openMs = performance.now() - started
  const runtime = createRuntime({ identity: createIdentity(), store })
  await runtime.start()
  runtime.status()
  const startMs = performance.now() - started
  const { rss, heapUsed } = process.memoryUsage()
  const latencies: number[] = []
  await runtime.write(randomPuts(batchSize, keyLength))
  const puts = randomPuts(singles, keyLength)
  const singleCpu = await cpuTimed(async () => {
    for (const put of puts) latencies.push(await timed(() => runtime.write([put])))
  })
  const groups = Array.from({ length: batches }, () => randomPuts(batchSize, keyLength))
  const rates: number[] = []
  const costs: number[] = []
  for (const group of groups) {
    let ms = 0
    costs.push(await cpuTimed(async () => (ms = await timed(() => runtime.write(group)))))
    rates.push((1000 * batchSize) / ms)
  }
  const readMs = await timed(() => {
    for (const { key } of puts) runtime.read(key)
  })
  await runtime.stop()
  await store.close()
  return {
    openMs,
    startMs,
    rssMiB: rss / 2 ** 20,
    heapMiB: heapUsed / 2 ** 20,
    singleMs: median(latencies),
    singleCpuUs: (1000 * singleCpu) / singles,
    batchCpuUs: (1000 * median(costs)) / batchSize,
    batchPerS: median(rates),
    readUs: (1000 * readMs) / puts.length,
  }
}

const [directory] = process.argv.slice(2)
if (directory === undefined) throw new Error('usage: scale-subject.ts DIRECTORY')
console.log(JSON.stringify(await measure(directory)))
