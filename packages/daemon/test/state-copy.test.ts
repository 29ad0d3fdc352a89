/** The copy that an answer with the whole state is made of: complete, in order, and hardly in memory. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { anyKey, compareUtf8, runsFromEnvironment } from '@lattice/core/testing'
import { StateCopy, type CopiedKey } from '../src/http/state-copy.ts'

const { seed, numRuns } = runsFromEnvironment(150)
const runs = { numRuns, ...(seed === undefined ? {} : { seed }) }
const run = promisify(execFile)
const largeCopy = fileURLToPath(new URL('./fixtures/copy-state.ts', import.meta.url))
const copyWithoutRoom = fileURLToPath(new URL('./fixtures/copy-without-room.ts', import.meta.url))

const key = fc.oneof(anyKey, fc.constantFrom('a', 'b', '\uffff', '\u{10000}', 'e\\n'))
const step = fc.record({ key, text: fc.option(fc.string({ maxLength: 40 }), { freq: 3 }) })

const typeOf = (text: string) => (text.length > 20 ? 'set' : 'register')

describe('a copy of the state', () => {
  it('tells what was set last, and not what was deleted, in the order of keys', () => {
    const property = fc.property(fc.array(step, { maxLength: 600 }), steps => {
      using copy = new StateCopy()
      const expected = new Map<string, CopiedKey>()
      for (const { key: name, text } of steps) {
        if (text === null) copy.delete(name)
        else copy.set({ key: name, type: typeOf(text), value: text })
        if (text === null) expected.delete(name)
        else expected.set(name, { key: name, type: typeOf(text), text: JSON.stringify(text) })
      }
      const inOrder = [...expected.values()].sort((a, b) => compareUtf8(a.key, b.key))
      const texts = inOrder.map(each => JSON.stringify(each))
      expect([...copy.texts(each => JSON.stringify(each))]).toEqual(texts)
      expect([...copy.texts(each => JSON.stringify(each))]).toEqual(texts)
      expect(copy.count).toBe(expected.size)
    })
    fc.assert(property, runs)
  })

  it('may be larger than memory', async () => {
    const { stdout } = await run(process.execPath, ['--max-old-space-size=48', largeCopy])
    expect(JSON.parse(stdout)).toEqual({ count: 150_000, inOrder: 150_000 })
  })

  it('leaves room on the disk, which may be that of the store', () => {
    const kib = { key: 'k', type: 'register' as const, value: 'x'.repeat(1024) }
    const fill = (copy: StateCopy): void => {
      for (let at = 0; at < 2_000; at += 1) copy.set({ ...kib, key: `k${at}` })
    }
    using greedy = new StateCopy(2 ** 60)
    expect(() => fill(greedy)).toThrow(
      /^a copy of the state must leave 1099511627776 MiB of the disk, and \d+ are free$/,
    )
    expect(greedy.count).toBeGreaterThan(900)
    using modest = new StateCopy(1)
    fill(modest)
    expect(modest.count).toBe(2_000)
  })

  it('tells no half of itself once it is closed', () => {
    const copy = new StateCopy()
    for (let at = 0; at < 1_000; at += 1) copy.set({ key: `k${at}`, type: 'register', value: 1 })
    const texts = copy.texts(({ text }) => text)
    texts.next()
    copy[Symbol.dispose]()
    copy[Symbol.dispose]()
    expect(() => [...texts]).toThrow(/finalized|not open/)
  })

  it('is refused where no disk takes it, and the node that tells of changes does not fail with it', async () => {
    // Files of 4 MiB at most, and an error instead of the signal.
    const limited = `trap '' XFSZ; ulimit -f 4096; exec "$0" "$1"`
    const { stdout } = await run('bash', ['-c', limited, process.execPath, copyWithoutRoom])
    const { applied, refusal } = JSON.parse(stdout) as Record<string, unknown>
    expect(applied).toBeGreaterThanOrEqual(32)
    expect(refusal).toEqual({
      code: 'OVERLOADED',
      message: expect.stringMatching(/^no disk takes what is too much for memory: .*; page it with \?limit=/),
    })
  })
})
