/**
 * One target under coverage-guided fuzzing, in this process: kept inputs first, then what grows out of them.
 */
import { createSeededRandom } from '@lattice/core/testing'
import { Coverage } from './coverage.ts'
import { mutate } from './mutate.ts'
import type { Target } from './targets.ts'

/** Inputs between two looks at the coverage: a look costs some milliseconds. */
const batchInputs = 200

/** An input that takes longer than this is a fault of its own: peers must not buy our time so cheaply. */
const slowMs = 2_000

/** What came of a hunt. */
export interface Hunt {
  readonly executions: number
  readonly blocks: number
  /** Inputs worth keeping: each reached something that those before had not. */
  readonly corpus: readonly Uint8Array[]
  /** The first input that broke a promise, and how. */
  readonly finding: { readonly input: Uint8Array; readonly problem: string } | undefined
}

/** Fuzzes until the time is over or a promise is broken. */
export async function hunt(
  target: Target,
  start: readonly Uint8Array[],
  { seconds, seed }: { seconds: number; seed: number },
): Promise<Hunt> {
  const random = createSeededRandom(seed)
  const coverage = new Coverage()
  const corpus: Uint8Array[] = []
  let executions = 0
  const tryOne = async (input: Uint8Array): Promise<string | undefined> => {
    executions++
    const startedAt = performance.now()
    try {
      await target(input.slice())
    } catch (error) {
      return Error.isError(error) ? (error.stack ?? error.message) : String(error)
    }
    const ms = performance.now() - startedAt
    return ms > slowMs ? `took ${Math.round(ms)} ms` : undefined
  }
  /** Which inputs of a batch reached something new: by halves, each tried again. */
  const learn = async (batch: readonly Uint8Array[]): Promise<void> => {
    for (const input of batch) await tryOne(input)
    if (batch.length === 1) {
      if (await coverage.grew()) corpus.push(...batch)
    } else if (await coverage.peek()) {
      const half = batch.length >> 1
      await learn(batch.slice(0, half))
      await learn(batch.slice(half))
    }
  }
  const done = (finding?: Hunt['finding']): Hunt => {
    coverage.stop()
    return { executions, blocks: coverage.size, corpus, finding }
  }
  await coverage.start()
  for (const input of start) {
    const problem = await tryOne(input)
    if (problem !== undefined) return done({ input, problem })
    if (await coverage.grew()) corpus.push(input)
  }
  const end = performance.now() + seconds * 1000
  const pick = (): Uint8Array => corpus[Math.floor(random.unit() * corpus.length)] ?? new Uint8Array(0)
  while (performance.now() < end) {
    const batch = Array.from({ length: batchInputs }, () => mutate(pick(), pick(), random))
    for (const input of batch) {
      const problem = await tryOne(input)
      if (problem !== undefined) return done({ input, problem })
    }
    if (await coverage.peek()) await learn(batch)
  }
  return done()
}
