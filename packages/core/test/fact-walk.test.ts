/** A walk through facts sees each of them once, in pieces of a bounded size. */
import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { createMemoryStore } from '@lattice/core/testing'
import { FactWalk } from '../src/fact-walk.ts'

const digits = fc.array(fc.constantFrom(...'0123456789abcdef'.split('')), { minLength: 4, maxLength: 4 })
/** Many that begin alike, and some anywhere. */
const names = fc.uniqueArray(
  fc.oneof(
    digits,
    digits.map(each => ['a', 'b', ...each.slice(2)]),
  ),
  {
    maxLength: 60,
    selector: each => each.join(''),
  },
)

it('sees all, and again all after its end', async () => {
  await fc.assert(
    fc.asyncProperty(names, fc.integer({ min: 1, max: 20 }), async (all, count) => {
      const store = createMemoryStore()
      const mine = all.map(each => `mine/${each.join('')}`)
      const facts = new Map([...mine, 'mind', 'mine0'].map(name => [name, Uint8Array.of(1)]))
      await store.commit({ rows: [], drops: [], facts })
      const walk = new FactWalk(store, 'mine/')
      for (let round = 0; round < 2; round++) {
        const seen: string[] = []
        for (let isEnd = false; !isEnd;) {
          const piece = walk.next(count)
          expect(piece.facts.length).toBeLessThan(2 * count)
          seen.push(...piece.facts.map(([name]) => name))
          ;({ isEnd } = piece)
        }
        expect(seen).toEqual(mine.toSorted())
      }
    }),
  )
})
