/** State carried from one daemon to another in a file, and taken over from the earlier system. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { documentOf, lattice } from '../command.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { put, valueOf } from '../federation.ts'

const world = new World()
let from: Daemon
let to: Daemon

const file = (name: string): string => join(world.directory, name)
const run = (node: Daemon, ...args: string[]) => lattice([...args, '--json', '--url', node.url])

beforeAll(async () => {
  // Strangers to each other: nothing passes between them but the file.
  ;[[from], [to]] = (await Promise.all([world.federation(1), world.federation(1)])) as [[Daemon], [Daemon]]
  await put(from, 'a/register', { b: [1, 2.5, null], a: 'é😀' })
  await put(from, '__proto__', { ['__proto__']: 1 })
  await put(from, 'gone', 1)
  await from.client.deleteKey({ params: { key: 'gone' } })
  const operations = [
    { op: 'increment', key: 'visits', by: 41 },
    { op: 'increment', key: 'zero', by: 5 },
    { op: 'increment', key: 'zero', by: -5 },
    { op: 'add', key: 'members', element: { n: 1 } },
    { op: 'add', key: 'members', element: 'x' },
    { op: 'add', key: 'empty', element: 1 },
    { op: 'remove', key: 'empty', element: 1 },
  ] as const
  await from.client.transact({ body: { operations: [...operations] } })
}, 60_000)

afterAll(() => world.close())

describe('an export', () => {
  it('D10: imported elsewhere and exported again is the same file, byte for byte', async () => {
    expect(documentOf(await run(from, 'export', file('one.jsonl')))).toMatchObject({ keys: 6 })
    expect(documentOf(await run(to, 'import', file('one.jsonl')))).toMatchObject({ written: 6, unchanged: 0 })
    await run(to, 'export', file('two.jsonl'))
    expect(readFileSync(file('two.jsonl'), 'utf8')).toBe(readFileSync(file('one.jsonl'), 'utf8'))
    expect(documentOf(await run(to, 'import', file('one.jsonl')))).toMatchObject({ written: 0, unchanged: 6 })
  }, 60_000)

  it('with one bad line is refused, and nothing of it is written', async () => {
    const lines = ['{"key":"new","type":"register","value":1}', '{"key":"bad","type":"counter","value":"x"}']
    writeFileSync(file('bad.jsonl'), lines.join('\n'))
    const outcome = await run(to, 'import', file('bad.jsonl'))
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('line 2')
    expect(await valueOf(to, 'new')).toBeUndefined()
  }, 30_000)
})

describe('a snapshot of the earlier system', () => {
  it('whose root does not match says so, and is taken only when that is accepted', async () => {
    const state = { 'account:alice': { balance: 1000, nonce: 0 } }
    writeFileSync(file('legacy.json'), JSON.stringify({ state, merkle_root: 'ab'.repeat(32), timestamp: 1 }))
    const refused = await run(to, 'import', '--legacy', file('legacy.json'))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('they differ')
    expect(await valueOf(to, 'account:alice')).toBeUndefined()
    const taken = await run(to, 'import', '--legacy', file('legacy.json'), '--accept-root-mismatch')
    expect(documentOf(taken)).toMatchObject({ written: 1, legacy_root_in_file: 'ab'.repeat(32) })
    expect(await valueOf(to, 'account:alice')).toEqual(state['account:alice'])
  }, 60_000)
})
