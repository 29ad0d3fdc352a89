/** What the page makes of the node's answers, where one answer is not all there is to know. */
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { createNodeApi } from '../src/node-api.ts'

const real = globalThis.fetch
afterEach(() => {
  globalThis.fetch = real
})

/** Answers page `n` as `pages[n]`, by cursor; the URLs asked for. */
function serve(pages: readonly { state: object; damaged_keys?: string[] }[]): string[] {
  const asked: string[] = []
  globalThis.fetch = jest.fn(async (url: string) => {
    await Promise.resolve()
    asked.push(url)
    const at = Number(new URL(url).searchParams.get('cursor') ?? 0)
    const next_cursor = at + 1 < pages.length ? String(at + 1) : null
    return Response.json({ public_key: 'ab', entry_count: 1, ...pages[at], next_cursor })
  }) as unknown as typeof fetch
  return asked
}

const page = (prefix = '') => createNodeApi('http://node').page({ prefix, cursor: undefined, limit: 20 })

describe('a page of keys', () => {
  it('that thousands of deleted keys have left empty goes on to where there are some', async () => {
    const asked = serve([
      { state: {}, damaged_keys: ['a'] },
      { state: {} },
      { state: { k: 1 } },
      { state: {} },
    ])
    expect(await page('k')).toMatchObject({ entries: [['k', 1]], nextCursor: '3', damagedKeys: ['a'] })
    expect(asked.map(url => new URL(url).searchParams.get('prefix'))).toEqual(['k', 'k', 'k'])
  })

  it('is empty at the end, and after a bounded search', async () => {
    serve([{ state: {} }, { state: {} }])
    expect(await page()).toMatchObject({ entries: [], nextCursor: undefined })
    const asked = serve(Array.from({ length: 1000 }, () => ({ state: {} })))
    expect((await page()).nextCursor).toBe(String(asked.length))
    expect(asked.length).toBeLessThan(100)
  })
})
