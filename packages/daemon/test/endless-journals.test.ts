/** Who always has more to tell, and never news, is asked on at a pace of ours and not of its own. */
import { afterEach, expect, it } from '@jest/globals'
import type { Incarnation, Locator, Message } from '@lattice/core'
import { sha256 } from './federation.ts'
import { lost, rowsOf, SyncWorld } from './sync-world.ts'

const rows = rowsOf(64)
const held: readonly Locator[] = rows.map(({ path, leaf }) => ({
  path: path.subarray(0, 4),
  digest: leaf.subarray(0, 6),
}))
const drawn = (at: number): Uint8Array => sha256(Uint8Array.of(at & 255, (at >> 8) & 255, (at >> 16) & 255))
const nowhere = (at: number): Locator => ({
  path: drawn(at).subarray(0, 4),
  digest: drawn(at).subarray(4, 10),
})
const someLocators = (at: number): readonly Locator[] => held.slice(at % 48, (at % 48) + 16)
/** The lives of both stores (sync-world.ts). */
const [itsLife, ourLife] = ['000000000000a000', '000000000000a001'] as const

let world: SyncWorld

afterEach(() => world.stop())

/** The lie at a turn: whose life, rows up to where, and how far the journal goes in all. */
interface Lie {
  readonly life: string
  readonly after: number
  readonly upTo: number
  readonly seq: number
  readonly locators: readonly Locator[]
}

const endless: Record<string, (turn: number) => Lie> = {
  'tells of what the other holds': turn => {
    const after = 64 + 16 * turn
    return { life: itsLife, after, upTo: after + 16, seq: 2 ** 40, locators: someLocators(after) }
  },
  'tells of what nobody has': turn => {
    const after = 64 + turn
    return { life: itsLife, after, upTo: after + 1, seq: after + 1, locators: [nowhere(turn)] }
  },
  'begins anew each time': turn => {
    const life = (turn + 1).toString(16).padStart(16, '0')
    return { life, after: 0, upTo: 20, seq: 50, locators: someLocators(turn) }
  },
}

it.each(Object.keys(endless))('a peer that %s sets no pace', async name => {
  let turn = -1
  const lie = (): Message => {
    const { life, after, upTo, seq, locators } = (endless[name] as (turn: number) => Lie)(turn++)
    const own = life as Incarnation
    return {
      version: 2,
      standing: {
        lives: { own, yours: ourLife as Incarnation },
        seq,
        root: drawn(turn),
        ack: 64,
        heardMs: {},
        details: { count: 300, wall: 1_700_000_000_000 },
      },
      rows: { incarnation: own, after, upTo, entries: [], locators },
    }
  }
  world = new SyncWorld()
  world.copies = as => (as === 'announce' ? 0 : 1)
  world.onFrame = async ({ from, as, message }) => {
    await world.late(1)
    if (turn < 0 || from !== 0) return message
    // Its own questions would tell the truth in between.
    return as === 'request' ? lost() : lie()
  }
  await world.add(rows)
  await world.add(rows)
  await world.pass(10_000)
  turn = 0
  await world.pass(10_000)
  world.log.length = 0
  await world.pass(10_000)
  const asked = world.log.filter(({ from, as }) => from === 1 && as === 'request').length
  expect(asked).toBeLessThanOrEqual(2 * 20 * 10)
})
