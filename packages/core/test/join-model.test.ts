/**
 * The join on a small world, exhaustively: three replicas, four operations on one key, every assignment of
 * the operations to the replicas, and everything a writer may have heard of the others before it wrote; with
 * clocks that tick and with clocks that stand still, so that versions tie.
 *
 * A share of all histories by default, which takes seconds; `MODEL_STRIDE=1` tells all of them, in minutes.
 * Nothing is random: a failure names its history, and `MODEL_ONLY=<number>` tells just that one.
 */
import { describe, expect, it } from '@jest/globals'
import { isLatticeError, parseEntry, type Operation, type Signer, type VerifiedEntry } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import { admit } from '../src/entry.ts'
import { alice, bob, carol, sha256 } from './crypto.ts'
import { heldBytes, join, openReplica, readingsOf, rootOf, write, type TestReplica } from './replicas.ts'

const key = 'k'
const operations: readonly Operation[] = [
  { op: 'put', key, value: 'v' },
  { op: 'delete', key },
  { op: 'increment', key, by: 1 },
  { op: 'add', key, element: 'x' },
]
const signers: readonly Signer[] = [alice, bob, carol]
const steps = 4

/** One operation of a history: who does what, having heard which of the earlier ones (a bit each). */
interface Step {
  readonly at: number
  readonly operation: Operation
  readonly heard: number
}

/**
 * A history by its number: mixed radix over kinds, places, what was heard (6 bits) and whether clocks tick.
 */
function historyOf(number: number): { history: Step[]; ticking: boolean } {
  let rest = number
  const digit = (radix: number): number => {
    const value = rest % radix
    rest = Math.floor(rest / radix)
    return value
  }
  const ticking = digit(2) === 1
  const history = Array.from({ length: steps }, (_, index): Step => {
    // By symmetry the first writer may be anybody.
    const at = index === 0 ? 0 : digit(signers.length)
    return { at, operation: operations[digit(operations.length)] as Operation, heard: digit(2 ** index) }
  })
  return { history, ticking }
}

const histories = 2 * operations.length ** steps * signers.length ** (steps - 1) * 2 ** (0 + 1 + 2 + 3)

/** What came of a step: its entries and the deletes its writer knew, or nothing where it was refused. */
interface Done {
  readonly step: Step
  readonly version: bigint
  readonly entries: readonly VerifiedEntry[]
  /** Version of the greatest delete the writer had heard of. */
  readonly floor: bigint
}

/** A replica, and the version of the greatest delete it has heard of. */
interface Writer {
  readonly node: TestReplica
  floor: bigint
}

const greatest = (versions: readonly bigint[]): bigint => versions.reduce((a, b) => (a > b ? a : b), 0n)
const deletesAmong = (done: readonly Done[]): bigint[] =>
  done.filter(each => each.step.operation.op === 'delete').map(each => each.version)

async function perform(
  writer: Writer,
  step: Step,
  done: readonly (Done | undefined)[],
  wall: number,
): Promise<Done | undefined> {
  const { node } = writer
  const news = done.filter((each, index): each is Done => {
    return each !== undefined && each.step.at !== step.at && (step.heard & (1 << index)) !== 0
  })
  for (const each of news) await join(node, each.entries)
  writer.floor = greatest([writer.floor, ...deletesAmong(news)])
  const before = node.store.lastSeq
  try {
    const version = await write(node, [step.operation], wall)
    const rows = node.store.after(before, 99)
    const entries = rows.map(row => admit(parseEntry(row.bytes, sha256) as VerifiedEntry))
    const { floor } = writer
    if (step.operation.op === 'delete') writer.floor = version
    return { step, version, entries, floor }
  } catch (error) {
    if (isLatticeError(error) && error.code === 'TYPE_CONFLICT') return undefined
    throw error
  }
}

/** What the key must read as, where only one type and deletes were written. */
function expectedOf(done: readonly Done[]): unknown {
  const kinds = new Set(done.map(each => each.step.operation.op).filter(op => op !== 'delete'))
  const floor = greatest(deletesAmong(done))
  if (kinds.size !== 1) return undefined
  if (kinds.has('increment')) {
    const counted = done.filter(each => each.step.operation.op === 'increment' && each.floor >= floor)
    return { value: counted.length === 0 ? undefined : counted.length }
  }
  // A register and its delete share one slot: the last write decides, and ties are the join's own affair.
  const versions = done.map(each => each.version)
  if (!kinds.has('put') || new Set(versions).size < versions.length) return undefined
  const last = done.reduce((a, b) => (a.version > b.version ? a : b))
  return { value: last.step.operation.op === 'put' ? 'v' : undefined }
}

/** Whether a writer is said to have heard of its own operations: the same history under another number. */
function isTold(history: readonly Step[]): boolean {
  return history.some(({ at, heard }) =>
    history.some((other, index) => other.at === at && (heard & (1 << index)) !== 0),
  )
}

async function tell(number: number): Promise<string | undefined> {
  const { history, ticking } = historyOf(number)
  if (isTold(history)) return undefined
  const writers = signers.map((signer): Writer => ({ node: openReplica(signer), floor: 0n }))
  const nodes = writers.map(({ node }) => node)
  const done: (Done | undefined)[] = []
  for (const [index, step] of history.entries())
    done.push(await perform(writers[step.at] as Writer, step, done, testWall + (ticking ? index : 0)))
  const told = done.filter(each => each !== undefined)
  const orders = [told, told.toReversed(), [...told.slice(2), ...told.slice(0, 2)]]
  for (const [index, node] of nodes.entries())
    for (const each of orders[index] as Done[]) await join(node, each.entries)
  const [first] = nodes as [TestReplica]
  const reading = readingsOf(first).get(key)
  const expected = expectedOf(told) as { value: unknown } | undefined
  if (expected !== undefined && reading?.value !== expected.value)
    return `reads ${JSON.stringify(reading?.value)}, not ${JSON.stringify(expected.value)}`
  for (const node of nodes) {
    if (rootOf(node) !== rootOf(first) || heldBytes(node) !== heldBytes(first)) return 'roots or rows differ'
    if (node.replica.read(key)?.version !== reading?.version) return 'readings differ'
    if (node.replica.keys.keyCount !== (reading === undefined ? 0 : 1)) return 'the number of keys is wrong'
  }
  return undefined
}

describe('three replicas and four operations', () => {
  const only = process.env['MODEL_ONLY']
  const stride = Number(process.env['MODEL_STRIDE'] ?? 251)

  it('end equal and as the contract says, in every history', async () => {
    const wrong: string[] = []
    let tried = 0
    for (let number = only === undefined ? 0 : Number(only); number < histories; number += stride) {
      const problem = await tell(number)
      tried++
      if (problem !== undefined)
        wrong.push(`MODEL_ONLY=${number}: ${problem} ${JSON.stringify(historyOf(number))}`)
      if (only !== undefined || wrong.length > 5) break
    }
    expect(wrong).toEqual([])
    expect(tried).toBe(only === undefined ? Math.ceil(histories / stride) : 1)
  }, 1_800_000)
})
