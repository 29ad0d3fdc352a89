/** Whose entries are refused: told for some minutes, and no more of them than fit a sentence. */
import { expect, it } from '@jest/globals'
import type { NodeId } from '@lattice/core'
import { Strangers } from '../src/strangers.ts'

const named = (...digits: string[]): NodeId[] => digits.map(digit => digit.repeat(64) as NodeId)

it('those are told that came last, and not for ever', () => {
  const strangers = new Strangers()
  strangers.note(named('1', '2', '3'), 0)
  strangers.note(named('4', '1', '5'), 200_000)
  expect(strangers.recent(200_000)).toEqual(named('3', '4', '1', '5'))
  expect(strangers.recent(300_000)).toEqual(named('4', '1', '5'))
  expect(strangers.recent(500_000)).toEqual([])
})
