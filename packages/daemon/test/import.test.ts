/** What an import reads and plans: exports of this system, and snapshots of the earlier one. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { encodeValue, LatticeError, toHex, type JsonValue, type Operation } from '@lattice/core'
import { anyElement, anyJson, anyKey, runsFromEnvironment } from '@lattice/core/testing'
import type { ExportedKey } from '../src/cli/exported-keys.ts'
import { planImport, type ImportPlan, type WantedKey } from '../src/cli/import-plan.ts'
import { pythonNumber, readLegacySnapshot } from '../src/cli/legacy-snapshot.ts'
import { WantedKeys } from '../src/cli/wanted-keys.ts'
import { startWorld, token } from './http-world.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

const elements = fc.uniqueArray(anyElement, { selector: each => toHex(encodeValue(each)) })
/** What REST takes: no whole number beyond ±(2^53 − 1). */
const isRounded = (value: unknown): boolean =>
  typeof value === 'object' && value !== null
    ? Object.values(value).some(isRounded)
    : Number.isInteger(value) && !Number.isSafeInteger(value)
const restJson = anyJson.filter(value => !isRounded(value))
const exported: fc.Arbitrary<ExportedKey> = fc.oneof(
  fc.record({ key: anyKey, type: fc.constant('register' as const), value: restJson }),
  fc.record({ key: anyKey, type: fc.constant('counter' as const), value: fc.integer() }),
  fc.record({ key: anyKey, type: fc.constant('set' as const), value: elements }),
)
const states = fc.uniqueArray(exported, { selector: each => each.key, maxLength: 12 })

/** How one key reads, whatever the order of its elements and members. */
function readingOf({ type, value }: ExportedKey): string {
  const canonical = (each: JsonValue): string => toHex(encodeValue(each))
  return type === 'set' ? `set ${value.map(canonical).sort().join()}` : `${type} ${canonical(value)}`
}

/** The simplest model of a node: applies operations to exported keys as the contract says. */
function applyAll(state: Map<string, ExportedKey>, operations: readonly Operation[]): void {
  for (const operation of operations) {
    const { key } = operation
    const current = state.get(key)
    if (operation.op === 'delete') state.delete(key)
    else if (operation.op === 'put') state.set(key, { key, type: 'register', value: operation.value })
    else if (operation.op === 'increment') {
      const before = current?.type === 'counter' ? current.value : 0
      state.set(key, { key, type: 'counter', value: before + operation.by })
    } else {
      const name = toHex(encodeValue(operation.element))
      const before = current?.type === 'set' ? current.value : []
      const others = before.filter(each => toHex(encodeValue(each)) !== name)
      state.set(key, {
        key,
        type: 'set',
        value: operation.op === 'add' ? [...others, operation.element] : others,
      })
    }
  }
}

const { signal } = new AbortController()

function runs(count: number): { numRuns: number; seed?: number } {
  const { seed, numRuns } = runsFromEnvironment(count)
  return { numRuns, ...(seed === undefined ? {} : { seed }) }
}

interface Plan extends Omit<ImportPlan, 'transactions'> {
  readonly transactions: readonly (readonly Operation[])[]
}

async function planOf(keys: () => AsyncIterable<WantedKey>, replace: boolean): Promise<Plan> {
  const plan = await planImport(keys, replace)
  const transactions: (readonly Operation[])[] = []
  for await (const operations of plan.transactions()) transactions.push(operations)
  expect(plan.transactionCount).toBe(transactions.length)
  return { ...plan, transactions }
}

function planned(
  wanted: readonly ExportedKey[],
  present: ReadonlyMap<string, ExportedKey>,
  replace: boolean,
): Promise<Plan> {
  const keys = async function* (): AsyncGenerator<WantedKey> {
    for (const each of wanted) yield { wanted: each, present: present.get(each.key) }
  }
  return planOf(keys, replace)
}

async function* linesOf(...lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

/** What an import finds in a file, in order. */
async function parseExport(text: string): Promise<{ keys: ExportedKey[]; problems: readonly string[] }> {
  using all = new WantedKeys()
  const problems = await all.addExport(linesOf(...text.split('\n')))
  const keys: ExportedKey[] = []
  for await (const { wanted } of all.all(signal)) keys.push(wanted)
  return { keys, problems }
}

const byKey = (keys: readonly ExportedKey[]): Map<string, ExportedKey> =>
  new Map(keys.map(each => [each.key, each]))

describe('an import', () => {
  it('makes every key read as wanted, leaves the others alone, and has nothing to do a second time', async () => {
    const property = fc.asyncProperty(states, states, async (wanted, present) => {
      const state = byKey(present)
      const plan = await planned(wanted, state, true)
      const after = new Map(state)
      for (const operations of plan.transactions) applyAll(after, operations)
      for (const each of wanted) expect(readingOf(after.get(each.key) as ExportedKey)).toBe(readingOf(each))
      const named = new Set(wanted.map(({ key }) => key))
      for (const each of present) if (!named.has(each.key)) expect(after.get(each.key)).toBe(each)
      expect(plan.writtenKeys + plan.unchangedKeys).toBe(wanted.length)
      expect((await planned(wanted, after, true)).transactions).toEqual([])
    })
    await fc.assert(property, runs(300))
  })

  it('brings a counter that has grown beyond 2^53 down to what is wanted, instead of adding to it', async () => {
    using all = new WantedKeys()
    all.add({ key: 'n', type: 'counter', value: 5 })
    const grown = ['other', 'n'].map(key => JSON.stringify({ key, type: 'counter', value: 2 ** 53 + 2 }))
    await all.addPresent(linesOf(...grown))
    const { transactions } = await planOf(() => all.all(signal), false)
    expect(transactions).toEqual([[{ op: 'increment', key: 'n', by: 3 - 2 ** 53 }]])
  })

  it('names counters that are too far off for one increment, instead of finding out while it writes', async () => {
    const most = Number.MAX_SAFE_INTEGER
    const wanted: ExportedKey[] = [
      { key: 'far', type: 'counter', value: most },
      { key: 'near', type: 'counter', value: most },
    ]
    const present: ExportedKey[] = [
      { key: 'far', type: 'counter', value: -1 },
      { key: 'near', type: 'counter', value: 0 },
    ]
    expect(await planned(wanted, byKey(present), false)).toMatchObject({
      transactions: [[{ op: 'increment', key: 'near', by: most }]],
      writtenKeys: 1,
      overflows: [`"far" is -1, too far from ${most} for one increment`],
    })
  })

  it('names keys of another type instead of touching them', async () => {
    const wanted: ExportedKey[] = [{ key: 'k', type: 'counter', value: 1 }]
    const plan = await planned(wanted, byKey([{ key: 'k', type: 'register', value: 1 }]), false)
    expect(plan).toMatchObject({ transactions: [], conflicts: ['"k" is a register, not a counter'] })
  })

  it('keeps within the limits of a transaction', async () => {
    const small = Array.from(
      { length: 2500 },
      (_, at) => ({ key: `k${at}`, type: 'register', value: at }) as const,
    )
    const sizesOf = ({ transactions }: Plan): readonly number[] => transactions.map(each => each.length)
    expect(sizesOf(await planned(small, new Map(), false))).toEqual([1000, 1000, 500])
    for (const value of ['x'.repeat(100_000), '\u4e2d'.repeat(40_000), '\u0001'.repeat(130_000)]) {
      const large = small.slice(0, 30).map(each => ({ ...each, value }))
      for (const operations of (await planned(large, new Map(), false)).transactions)
        expect(Buffer.byteLength(JSON.stringify({ operations }))).toBeLessThan(1024 * 1024)
    }
  })

  it('tears the operations of a key apart only where one transaction cannot hold them', async () => {
    const present = Array.from(
      { length: 2_500 },
      (_, at) => ({ key: `k${at}`, type: 'register', value: at }) as const,
    )
    const wanted = present.map(
      ({ key }, at) => ({ key, type: 'set', value: at % 2 === 0 ? [] : [1, 2] }) as const,
    )
    const { transactions } = await planned(wanted, byKey(present), true)
    const keys = transactions.flatMap(operations => [...new Set(operations.map(({ key }) => key))])
    expect(new Set(keys).size).toBe(keys.length)
    const huge = { key: 'k', type: 'set', value: Array.from({ length: 1_500 }, (_, at) => at) } as const
    const torn = await planned([huge], new Map(), false)
    expect(torn.transactions.map(each => each.length)).toEqual([1_000, 500])
  })
})

describe('lattice import', () => {
  it('--dry-run says what would be written, and not that it was', async () => {
    const world = await startWorld()
    const run = (...more: string[]): Promise<Outcome> =>
      runInProcess(['import', '-', '--dry-run', ...more], {
        cwd: '/',
        stdin: '{"key":"a","type":"register","value":1}\n',
        env: { LATTICE_URL: world.url, LATTICE_ADMIN_TOKEN: token },
      })
    try {
      expect((await run()).stdout.split('\n').slice(-2)).toEqual([
        '1 key would be written, 0 as wanted already',
        '',
      ])
      expect(JSON.parse((await run('--json')).stdout)).toMatchObject({ dry_run: true, written: 1 })
      expect(world.node.read('a')).toBeUndefined()
    } finally {
      await world.close()
    }
  })

  it('that is refused midway says how far it came, and goes on from there', async () => {
    const world = await startWorld()
    const stdin = Array.from({ length: 2_500 }, (_, at) =>
      JSON.stringify({ key: `k${at}`, type: 'register', value: at }),
    ).join('\n')
    const env = { LATTICE_URL: world.url, LATTICE_ADMIN_TOKEN: token }
    const run = (): Promise<Outcome> => runInProcess(['import', '-', '--json'], { cwd: '/', stdin, env })
    const unsubscribe = world.node.subscribe(() => {
      world.node.refuseWrites = new LatticeError('STORE_FULL')
    })
    try {
      const { code, stderr } = await run()
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/^1 of 3 transactions were written; [^]*STORE_FULL/),
      ])
      unsubscribe()
      world.node.refuseWrites = undefined
      expect(JSON.parse((await run()).stdout)).toMatchObject({ written: 1_500, unchanged: 1_000 })
    } finally {
      await world.close()
    }
  })

  it('of a legacy snapshot names the keys that no node can hold, not lines that no file has', async () => {
    const stdin = JSON.stringify({ state: { a: 1, 'b\u0001': 2, c: 'x'.repeat(140_000) } })
    const { code, stderr } = await runInProcess(['import', '-', '--legacy', '--accept-root-mismatch'], {
      cwd: '/',
      stdin,
    })
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/"b\\u0001": key: [^]*"c": value: [^]*nothing was written/),
    ])
    expect(stderr).not.toContain('line')
  })

  it('finds a counter that is too far off before it writes anything', async () => {
    const world = await startWorld()
    const most = Number.MAX_SAFE_INTEGER
    world.node.apply([{ op: 'increment', key: 'n', by: -most }])
    const file = `{"key":"a","type":"register","value":1}\n{"key":"n","type":"counter","value":${most}}\n`
    const run = (): Promise<Outcome> =>
      runInProcess(['import', '-'], {
        cwd: '/',
        stdin: file,
        env: { LATTICE_URL: world.url, LATTICE_ADMIN_TOKEN: token },
      })
    try {
      const { code, stderr } = await run()
      expect([code, stderr]).toEqual([1, expect.stringContaining('[COUNTER_OVERFLOW]')])
      expect(stderr).toContain('nothing was written; `lattice delete` counters')
      expect(world.node.read('a')).toBeUndefined()
      world.node.apply([{ op: 'delete', key: 'n' }])
      expect((await run()).code).toBe(0)
      expect(world.node.read('n')?.value).toBe(most)
    } finally {
      await world.close()
    }
  })
})

describe('an export', () => {
  it('is read back as it was, whatever the order of its lines', async () => {
    const property = fc.asyncProperty(states, fc.nat(), async (keys, turn) => {
      const lines = keys.map(each => JSON.stringify(each))
      const at = turn % (lines.length + 1)
      const { keys: read } = await parseExport([...lines.slice(at), ...lines.slice(0, at)].join('\n'))
      expect(byKey(read)).toEqual(byKey(JSON.parse(`[${lines.join(',')}]`) as ExportedKey[]))
    })
    await fc.assert(property, runs(100))
  })

  it('with faults is refused with the lines that hold them', async () => {
    const lines = [
      '{"key":"a","type":"register","value":1}',
      '{"key":"a","type":"register","value":2}',
      'no json',
      '{"key":"b","type":"counter","value":1.5}',
      '{"key":"","type":"set","value":[]}',
      '{"key":"c","type":"register","value":9007199254740993}',
      '{"key":"d","type":"register","value":1,"more":1}',
    ]
    const { problems } = await parseExport(lines.join('\n'))
    expect(problems.map(problem => problem.split(':')[0])).toEqual([2, 3, 4, 5, 6, 7].map(at => `line ${at}`))
  })
})

describe('a line', () => {
  const good = '{"key":"a","type":"register","value":{"b":[1]}}'

  it.each([
    ['{"key":"a","type":"register","value":{"n":9007199254740993}}', 'n: a whole number beyond ±(2^53 − 1)'],
    [good.replace('1', '01'), 'not JSON: Unexpected number in JSON at position'],
    ['[1]', 'not of the form {key, type, value}: must be an object, not a list'],
    [good.replace('"a"', '"a\\u0000"'), 'key: 1 to 512 bytes'],
    [good.replace('register', 'registr'), 'type: must be "register", "counter" or "set", not "registr"'],
    [good.replace('[1]', '["\\ud800"]'), 'value: a string holds half of a surrogate pair'],
    [`${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}`, 'it nests far deeper than any value'],
  ])('that is wrong is told with the field and the reason (%#)', async (line, told) => {
    const { problems } = await parseExport(`${good}\n\n${line}\n`)
    expect(problems).toEqual([expect.stringContaining(`line 3: ${told}`)])
  })

  it('that was cut short anywhere is told as such, and read where only its end is missing', async () => {
    for (let end = 1; end < good.length; end++)
      expect((await parseExport(good.slice(0, end))).problems).toEqual([
        expect.stringContaining('was the file cut short?'),
      ])
    expect((await parseExport(good)).problems).toEqual([])
  })
})

describe('a set', () => {
  const line = (value: readonly JsonValue[]): string => JSON.stringify({ key: 's', type: 'set', value })
  const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)])

  it('may be larger and deeper than a value: its elements are held one by one', async () => {
    const value = [...Array.from({ length: 2_000 }, (_, at) => ({ at, text: 'x'.repeat(100) })), nested(64)]
    expect(await parseExport(line(value))).toEqual({ keys: [{ key: 's', type: 'set', value }], problems: [] })
  })

  it('with an element that no node holds is refused with its place', async () => {
    const { problems } = await parseExport([line([1, 'x'.repeat(140_000)]), line([nested(65)])].join('\n'))
    expect(problems).toEqual([
      expect.stringMatching(/^line 1: value\[1\]: the value takes 140005 bytes/),
      expect.stringMatching(/^line 2: value\[0\]: the value nests deeper than 64 levels/),
    ])
  })
})

describe('a name that stands twice in one object', () => {
  it.each([
    ['{"key":"e","key":"f","type":"register","value":1}', 'key'],
    ['{"key":"e","type":"register","value":{"x":1,"x":2}}', 'x'],
    ['{"key":"e","type":"register","value":[{"y":1},{"x":{"y":1},"\\u0078":2}]}', 'x'],
    ['{"key":"e","type":"set","value":[{"":1,"":1}]}', ''],
    ['{"key":"e","type":"register","value":{"__proto__":1,"__proto__":1}}', '__proto__'],
    [`{"key":"e","type":"register","value":${'['.repeat(50_000)}${']'.repeat(50_000)},"value":1}`, 'value'],
  ])('is refused with its line (%#)', async (line, name) => {
    const { keys, problems } = await parseExport(`{"key":"a","type":"register","value":1}\n${line}\n`)
    expect(problems).toEqual([`line 2: the name ${JSON.stringify(name)} stands twice in one object`])
    expect(keys.map(({ key }) => key)).toEqual(['a'])
  })

  it('may stand in two objects, and in texts', async () => {
    const value = { x: { x: [{ x: 1 }, { x: 2 }] }, y: '"x":1,"x":2,{', z: '"', '"x"': 1 }
    const line = JSON.stringify({ key: 'k', type: 'register', value })
    expect(await parseExport(line)).toEqual({ keys: [{ key: 'k', type: 'register', value }], problems: [] })
  })
})

describe('a snapshot of the earlier system', () => {
  // Written by Python 3.11: json.dumps of a dict, and the root as the earlier system computed it.
  const python = String.raw`{"state": {"account:alice": {"balance": 1000, "nonce": 0}, "account:bob": {"nonce": 3, "balance": 12.5, "10": 1, "2": [1.0, -0.0, 1e-07, 1e-05, true, null]}, "\u00e9\ud83d\ude00": "caf\u00e9 \ud83d\ude00 \u007f \" / \n", "z\uffff": "after", "\ud83d\ude00": []}, "merkle_root": "c1852a488be03c599a8aad5d0f2b4030ddb1911972570e71e70b4a6a9a3dce16", "timestamp": 1700000000}`

  it('gives the root that Python gave: floats, order of members, escapes, order of keys', () => {
    const snapshot = readLegacySnapshot(python)
    if ('problem' in snapshot) throw new Error(snapshot.problem)
    expect(snapshot.rootRecomputed).toBe(snapshot.rootInFile)
    expect(snapshot.items.find(({ key }) => key === 'account:alice')?.value).toEqual({
      balance: 1000,
      nonce: 0,
    })
  })

  it('shows by its root that a value was changed', () => {
    const snapshot = readLegacySnapshot(python.replace('1000', '1001'))
    if ('problem' in snapshot) throw new Error(snapshot.problem)
    expect(snapshot.rootRecomputed).not.toBe(snapshot.rootInFile)
  })

  it.each([
    ['1.0', '1.0'], ['1e16', '1e+16'], ['1e15', '1000000000000000.0'], ['0.00001', '1e-05'],
    ['12345678901234567890', '12345678901234567890'], ['-0', '0'], ['-0.0', '-0.0'], ['1e-7', '1e-07'],
    ['123456789.25', '123456789.25'], ['0.0001', '0.0001'], ['5e-324', '5e-324'], ['1e22', '1e+22'],
  ])('writes the number %s as Python writes it: %s', (source, written) => {
    expect(pythonNumber(source)).toBe(written)
  }) // prettier-ignore

  it.each([
    ['no JSON', '{\n"state":NaN}', /not JSON in line 2, at character 10/],
    ['too deep', `{"state":{\n"a":${'['.repeat(65)}${']'.repeat(65)}}}`, /deeper than 64 levels in line 2/],
    ['far too deep', '['.repeat(1_000_000), /deeper than 64 levels in line 1/],
    ['another document', '{"a":1}', /no object "state"/],
    ['a number that would be rounded', '{"state":{"a":{"b":9007199254740993}}}', /a\.b holds a number/],
  ])('that is %s is refused', (_, text, reason) => {
    expect(readLegacySnapshot(text)).toEqual({ problem: expect.stringMatching(reason) })
  })
})
