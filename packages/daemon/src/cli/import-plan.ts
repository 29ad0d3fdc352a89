/**
 * What must be written so that keys read as they were exported. Pure: from what is there and what is wanted.
 */
import { encodeValue, toHex, transactionOperationsMax } from '@lattice/core'
import type { JsonValue, Operation } from '@lattice/core'
import type { ExportedKey } from './exported-keys.ts'

/** The writes of an import. */
export interface ImportPlan {
  /** Each list is one transaction; the operations of one key are never torn apart unless they exceed it. */
  readonly transactions: readonly (readonly Operation[])[]
  readonly writtenKeys: number
  readonly unchangedKeys: number
  /** Keys that hold another type, and were not to be replaced. */
  readonly conflicts: readonly string[]
  /** Counters too far from what is wanted for one increment. In steps the total of a node might overflow. */
  readonly overflows: readonly string[]
}

/** Half the largest body: what JSON adds around the operations fits the other half, and so does one more. */
const transactionBytesMax = 512 * 1024

/** Plans an import. `replace`: a key of another type is deleted first. */
export function planImport(
  wanted: readonly ExportedKey[],
  present: ReadonlyMap<string, ExportedKey>,
  replace: boolean,
): ImportPlan {
  const [conflicts, overflows]: [string[], string[]] = [[], []]
  const perKey: Operation[][] = []
  let unchangedKeys = 0
  for (const key of wanted) {
    const current = present.get(key.key)
    if (current !== undefined && current.type !== key.type && !replace) {
      conflicts.push(`${JSON.stringify(key.key)} is a ${current.type}, not a ${key.type}`)
      continue
    }
    const operations = operationsFor(key, current)
    if (operations.some(isBeyondIncrement)) {
      const [name, is, wants] = [key.key, current?.value, key.value].map(value => JSON.stringify(value))
      overflows.push(`${name} is ${is}, too far from ${wants} for one increment`)
    } else if (operations.length === 0) unchangedKeys++
    else perKey.push(operations)
  }
  const transactions = batches(perKey)
  return { transactions, writtenKeys: perKey.length, unchangedKeys, conflicts, overflows }
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

function batches(perKey: readonly (readonly Operation[])[]): Operation[][] {
  const all: Operation[][] = []
  let open: Operation[] = []
  let bytes = 0
  const makeRoom = (count: number, size: number): void => {
    const fits = open.length + count <= transactionOperationsMax && bytes + size <= transactionBytesMax
    if (fits || open.length === 0) return
    all.push(open)
    ;[open, bytes] = [[], 0]
  }
  for (const operations of perKey) {
    const sizes = operations.map(operation => Buffer.byteLength(JSON.stringify(operation)))
    makeRoom(
      operations.length,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    for (const [index, operation] of operations.entries()) {
      const size = sizes[index] as number
      makeRoom(1, size)
      open.push(operation)
      bytes += size
    }
  }
  return open.length === 0 ? all : [...all, open]
}
