/**
 * What must be written so that keys read as they were exported. Pure: from what is there and what is wanted.
 */
import { encodeValue, toHex, transactionOperationsMax } from '@lattice/core'
import type { JsonValue, Operation } from '@lattice/core'
import { problemsMax, type ExportedKey } from './exported-keys.ts'

/** A key, how it is to read and how it reads now. */
export interface WantedKey {
  readonly wanted: ExportedKey
  readonly present: ExportedKey | undefined
}

/** The writes of an import. */
export interface ImportPlan {
  /** Each list is one transaction; the operations of one key are never torn apart unless they exceed it. */
  readonly transactions: () => AsyncIterable<readonly Operation[]>
  readonly transactionCount: number
  readonly writtenKeys: number
  readonly unchangedKeys: number
  /** Keys that hold another type, and were not to be replaced: the first of them. */
  readonly conflicts: readonly string[]
  /** Counters too far from what is wanted for one increment. In steps the total of a node might overflow. */
  readonly overflows: readonly string[]
}

/** Half the largest body: what JSON adds around the operations fits the other half, and so does one more. */
const transactionBytesMax = 512 * 1024

/**
 * Plans an import. `keys` are asked for twice, because they may be more than memory holds: to count what is to
 * be done, and to do it. `replace`: a key of another type is deleted first.
 */
export async function planImport(
  keys: () => AsyncIterable<WantedKey>,
  replace: boolean,
): Promise<ImportPlan> {
  const [conflicts, overflows]: [string[], string[]] = [[], []]
  let [writtenKeys, unchangedKeys, transactionCount] = [0, 0, 0]
  const counted = async function* (): AsyncGenerator<readonly Operation[]> {
    for await (const key of keys()) {
      const step = stepFor(key, replace)
      if (step.conflict !== undefined) note(conflicts, step.conflict)
      else if (step.overflow !== undefined) note(overflows, step.overflow)
      else if (step.operations.length === 0) unchangedKeys += 1
      else writtenKeys += 1
      yield step.operations
    }
  }
  for await (const _transaction of batches(counted())) transactionCount += 1
  const perKey = async function* (): AsyncGenerator<readonly Operation[]> {
    for await (const key of keys()) yield stepFor(key, replace).operations
  }
  const transactions = (): AsyncIterable<readonly Operation[]> => batches(perKey())
  return { transactions, transactionCount, writtenKeys, unchangedKeys, conflicts, overflows }
}

/** More of them are of no use to who mends them. */
function note(problems: string[], problem: string): void {
  if (problems.length < problemsMax) problems.push(problem)
}

/** What is to be done about one key. */
interface Step {
  readonly operations: readonly Operation[]
  readonly conflict?: string
  readonly overflow?: string
}

function stepFor({ wanted, present }: WantedKey, replace: boolean): Step {
  if (present !== undefined && present.type !== wanted.type && !replace) {
    const conflict = `${JSON.stringify(wanted.key)} is a ${present.type}, not a ${wanted.type}`
    return { operations: [], conflict }
  }
  const operations = operationsFor(wanted, present)
  if (!operations.some(isBeyondIncrement)) return { operations }
  const [name, is, wants] = [wanted.key, present?.value, wanted.value].map(value => JSON.stringify(value))
  return { operations: [], overflow: `${name} is ${is}, too far from ${wants} for one increment` }
}

function isBeyondIncrement(operation: Operation): boolean {
  return operation.op === 'increment' && !Number.isSafeInteger(operation.by)
}

function operationsFor(wanted: ExportedKey, current: ExportedKey | undefined): Operation[] {
  const { key } = wanted
  if (current !== undefined && current.type !== wanted.type)
    return [{ op: 'delete', key }, ...operationsFor(wanted, undefined)]
  switch (wanted.type) {
    case 'register':
      return current !== undefined && identityOf(current.value) === identityOf(wanted.value)
        ? []
        : [{ op: 'put', key, value: wanted.value }]
    case 'counter': {
      if (current === undefined && wanted.value === 0)
        return [
          { op: 'increment', key, by: 1 },
          { op: 'increment', key, by: -1 },
        ]
      const by = wanted.value - (current?.type === 'counter' ? current.value : 0)
      return by === 0 ? [] : [{ op: 'increment', key, by }]
    }
    case 'set':
      return setOperations(key, wanted.value, current?.type === 'set' ? current.value : undefined)
  }
}

/** Elements to add and to remove; an empty set is one that had an element. */
function setOperations(
  key: string,
  wanted: readonly JsonValue[],
  current: readonly JsonValue[] | undefined,
): Operation[] {
  if (current === undefined && wanted.length === 0)
    return [
      { op: 'add', key, element: null },
      { op: 'remove', key, element: null },
    ]
  const [before, after] = [new Set(current?.map(identityOf)), new Set(wanted.map(identityOf))]
  const added = wanted.filter(element => !before.has(identityOf(element)))
  const removed = (current ?? []).filter(element => !after.has(identityOf(element)))
  return [
    ...added.map(element => ({ op: 'add', key, element }) as const),
    ...removed.map(element => ({ op: 'remove', key, element }) as const),
  ]
}

/** What makes two values one: their canonical bytes, whatever the order of members. */
function identityOf(value: JsonValue): string {
  return toHex(encodeValue(value))
}

async function* batches(perKey: AsyncIterable<readonly Operation[]>): AsyncGenerator<readonly Operation[]> {
  let open: Operation[] = []
  let bytes = 0
  /** The transaction that has to end, because so much more does not fit. */
  const makeRoom = (count: number, size: number): readonly Operation[][] => {
    const fits = open.length + count <= transactionOperationsMax && bytes + size <= transactionBytesMax
    if (fits || open.length === 0) return []
    const full = open
    ;[open, bytes] = [[], 0]
    return [full]
  }
  for await (const operations of perKey) {
    const sizes = operations.map(operation => Buffer.byteLength(JSON.stringify(operation)))
    yield* makeRoom(
      operations.length,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    for (const [index, operation] of operations.entries()) {
      const size = sizes[index] as number
      yield* makeRoom(1, size)
      open.push(operation)
      bytes += size
    }
  }
  if (open.length > 0) yield open
}
