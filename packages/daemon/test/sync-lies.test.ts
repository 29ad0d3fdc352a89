/** X10: whatever a peer says about its trie costs us a bounded number of frames, and nobody else anything. */
import { afterEach, describe, expect, it } from '@jest/globals'
import {
  frameBytesMax,
  packDigests,
  type Incarnation,
  type Message,
  type Standing,
  type Summary,
} from '@lattice/core'
import { createSeededRandom } from '@lattice/core/testing'
import { rowsOf, SyncWorld } from './sync-world.ts'

const rows = rowsOf(300, { authors: [0, 1, 2], valueBytes: 100 })

let world: SyncWorld

afterEach(() => world.stop())

/**
 * Sixteen rounds end a descent, and after each the pause doubles, from a second to a minute: three descents
 * in three minutes once it has.
 */
const framesMax = 17 * 3

const random = createSeededRandom(7)

function bytes(length: number): Uint8Array {
  return random.bytes(length)
}

/** A branch at `depth` whose sixteen children nobody has. */
function falseBranch(depth: number, length = depth): Summary {
  const prefix = bytes((depth + 1) >> 1)
  if (depth % 2 === 1) prefix[prefix.length - 1] = (prefix.at(-1) as number) & 0xf0
  return {
    prefix,
    length,
    depth,
    digests: packDigests(Array.from({ length: 16 }, () => bytes(4))),
    bitmap: 0xffff,
  }
}

/** How it stands, told also where nobody asks for it. */
const stranger: Standing = {
  lives: { own: '000000000000a001' as Incarnation },
  seq: 270,
  root: new Uint8Array(32),
  heardMs: {},
}

const lies: Record<string, () => readonly Summary[]> = {
  'false hashes of what is there': () => [falseBranch(0)],
  'the same branch again and again': () => {
    const children = { digests: packDigests([new Uint8Array(4), new Uint8Array(4)]), bitmap: 0x8001 }
    return Array.from({ length: 200 }, () => ({
      prefix: new Uint8Array(0),
      length: 0,
      depth: 0,
      ...children,
    }))
  },
  'a trie as deep as paths are long': () =>
    Array.from({ length: 500 }, (_, at) => falseBranch(1 + (at % 127), at % 2)),
  'leaves that nobody has': () => [
    {
      prefix: new Uint8Array(0),
      length: 0,
      digests: packDigests(Array.from({ length: 256 }, () => bytes(4))),
    },
  ],
}

/** What it says of its root: always the same, or another one with each answer, as if much had moved. */
const roots: Record<string, () => Uint8Array> = {
  'one root': () => new Uint8Array(32),
  'ever new roots': () => bytes(32),
}

describe('X10: a peer that lies about its trie', () => {
  const cases = Object.keys(lies).map(name => [name, 'one root'])
  it.each([...cases, ['false hashes of what is there', 'ever new roots']] as [string, string][])(
    'with %s, under %s',
    async (name, rootsName) => {
      world = new SyncWorld()
      // Announces would tell its true root in between.
      world.copies = as => (as === 'announce' ? 0 : 1)
      world.onFrame = ({ from, message }): Message => {
        if (from !== 1) return message
        const root = roots[rootsName]?.() ?? new Uint8Array(32)
        const unasked: Standing | undefined = rootsName === 'one root' ? undefined : { ...stranger, root }
        const standing = message.standing ?? unasked
        return {
          ...message,
          ...(standing === undefined ? {} : { standing: { ...standing, root } }),
          ...(message.compare === undefined
            ? {}
            : { compare: { digestBytes: 4, summaries: lies[name]?.() ?? [] }, entries: [] }),
        }
      }
      await world.add(rows)
      await world.add(rows.slice(0, 270))
      await world.add(rows.slice(30))
      const honest = [world.nodes[0], world.nodes[2]]
      const isEqual = (): boolean => new Set(honest.map(node => node?.runtime.status().root)).size === 1
      await world.until(isEqual, 60_000)
      expect(honest[0]?.runtime.status().entryCount).toBe(rows.length)
      await world.pass(120_000)
      world.log.length = 0
      await world.pass(180_000)
      const asked = world.log.filter(
        ({ from, to, as, message }) => from === 0 && to === 1 && as === 'request' && message.compare,
      )
      expect(asked.length).toBeLessThanOrEqual(framesMax)
      expect(Math.max(...asked.map(frame => frame.bytes))).toBeLessThanOrEqual(frameBytesMax)
      expect(isEqual()).toBe(true)
    },
    60_000,
  )
})
