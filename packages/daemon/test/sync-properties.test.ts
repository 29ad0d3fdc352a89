/**
 * Whatever two nodes hold, whichever way they take and whatever happens to their frames and disks: they end
 * equal, and no cursor, durable or told, ever stands beyond a row that its owner lacks.
 */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareEntries, parseEntry, toHex, type NewRow, type Operation, type Row } from '@lattice/core'
import { createSeededRandom, runsFromEnvironment } from '@lattice/core/testing'
import { sha256 } from './federation.ts'
import { lost, rowsOf, SyncWorld, type Carried, type SyncNode } from './sync-world.ts'

/** Few runs, because every change waits for them; FC_RUNS makes them many. */
const { seed, numRuns } = runsFromEnvironment(6)
const runs = { numRuns, ...(seed === undefined ? {} : { seed }) }

/** Virtual time during which things go wrong. */
const wildMs = 12_000
/** Virtual time within which a pair in peace must be equal: back-off, breaker and pauses between descents. */
const peaceMs = 300_000

/** Longest a test may take on a busy machine. */
const patienceMs = 180_000

/** What two nodes have in common, and what only one of them has. */
interface Start {
  readonly common: number
  readonly left: number
  readonly right: number
  readonly valueBytes: number
  readonly chance: number
}

const start = (common: fc.Arbitrary<number>, left: fc.Arbitrary<number>, right: fc.Arbitrary<number>) =>
  fc.record<Start>({
    common,
    left,
    right,
    valueBytes: fc.constantFrom(20, 400, 4000),
    chance: fc.integer({ min: 1, max: 2 ** 30 }),
  })

const few = fc.nat(60)

class History {
  readonly world = new SyncWorld()
  readonly #unit: () => number
  readonly #written = new Map<string, number>()
  #added = 0
  #isWild = false
  #hasForgotten = false
  readonly #skipped: string[] = []

  constructor(chance: number) {
    const random = createSeededRandom(chance)
    this.#unit = () => random.unit()
  }

  /** Frames are lost and late, commits fail, processes end and clients write, from now on until peace. */
  goWild(): void {
    this.#isWild = true
    this.world.onFrame = async (frame: Carried) => {
      const { message, as } = frame
      this.#skipped.push(...falselyTold(this.world, frame))
      if (!this.#isWild) return message
      // Collected, because whoever asks takes an error here for a failure of the path.
      if (this.#unit() < 0.3) this.#skipped.push(...skippedRows(this.world))
      if (this.#unit() < 0.3) this.#write()
      if (this.#unit() < 0.1) this.#failCommit()
      const dice = this.#unit()
      if (dice < 0.1) return lost()
      if (dice < 0.3) await this.world.late(this.#unit() * 3_000)
      if (dice > 0.97 && as === 'answer') await this.world.restart(this.#unit() < 0.5 ? 0 : 1)
      return message
    }
    this.world.onVerify = async () => {
      if (this.#isWild && this.#unit() < 0.3) await this.world.late(this.#unit() * 2_000)
    }
    this.world.copies = () => {
      if (!this.#isWild) return 1
      const dice = this.#unit()
      return dice < 0.1 ? 0 : dice < 0.25 ? 2 : 1
    }
  }

  /** A disk is lost, and with it what was written there and had not reached the other node. */
  async restore(at: number, rows: readonly NewRow[]): Promise<void> {
    await this.world.restart(at, rows)
    this.#hasForgotten = true
  }

  /** Peace: both end equal, with all that was ever acknowledged. */
  async expectEqual(): Promise<void> {
    this.#isWild = false
    await this.world.until(() => this.world.isEqual(), peaceMs)
    expect([...this.#skipped, ...skippedRows(this.world)]).toEqual([])
    for (const { runtime } of this.#hasForgotten ? [] : this.world.nodes) {
      for (const [key, value] of this.#written) expect([key, runtime.read(key)?.value]).toEqual([key, value])
      expect(runtime.read('sum')?.value ?? 0).toBe(this.#added)
    }
  }

  /** The next commit of a node is refused; not the one that fills its new disk. */
  #failCommit(): void {
    const { image, store } = this.world.nodes[this.#unit() < 0.5 ? 0 : 1] as SyncNode
    if (image.lastSeq > 0) store.failNext()
  }

  #write(): void {
    const { runtime } = this.world.nodes[this.#unit() < 0.5 ? 0 : 1] as SyncNode
    const number = this.#written.size
    const puts: Operation[] = [
      { op: 'put', key: `written ${number}`, value: number },
      { op: 'increment', key: 'sum', by: number + 1 },
      { op: 'add', key: 'set', element: number },
      { op: 'put', key: 'shared', value: number },
    ]
    runtime.write(puts).then(
      () => {
        this.#written.set(`written ${number}`, number)
        this.#added += number + 1
      },
      () => {},
    )
  }
}

/** The rows that a node's durable cursor has passed, and that it neither holds nor has superseded. */
function skippedRows({ nodes }: SyncWorld): string[] {
  return nodes.flatMap(node =>
    nodes.flatMap(other => {
      const fact = node.image.facts.get(`cursor/${other.signer.nodeId}`)
      if (fact === undefined || toHex(fact.subarray(0, 8)) !== other.image.incarnation) return []
      return lackingUpTo(Number(BigInt(`0x${toHex(fact.subarray(8))}`)), node, other)
    }),
  )
}

/** The rows that a question says are durable with its sender, and that are not. */
function falselyTold({ nodes }: SyncWorld, { message: { standing }, as, from, to }: Carried): string[] {
  const [node, other] = [nodes[from], nodes[to]]
  if (standing?.ack === undefined || as !== 'request' || node === undefined || other === undefined) return []
  const { lives, ack } = standing
  const [own, theirs] = [node.image.incarnation, other.image.incarnation]
  const isOfThisLife = 'tag' in lives ? toHex(lives.tag) === tagOf(own, theirs) : lives.yours === theirs
  return isOfThisLife ? lackingUpTo(ack, node, other) : []
}

/** What stands for two lives in a frame: the last four bytes of both, exclusive or. */
function tagOf(...lives: readonly string[]): string {
  const tag = lives.map(life => BigInt(`0x${life.slice(-8)}`)).reduce((one, other) => one ^ other)
  return tag.toString(16).padStart(8, '0')
}

function lackingUpTo(upTo: number, node: SyncNode, other: SyncNode): string[] {
  const held = new Map([...node.image.rows.values()].map(row => [`${row.key} ${row.slot}`, row]))
  const lacking = [...other.image.rows.values()].filter(
    row => row.seq <= upTo && !covers(held.get(`${row.key} ${row.slot}`), row),
  )
  return lacking.map(({ key, seq }) => `${key} at ${seq} of ${upTo}`)
}

function covers(held: Row | undefined, row: Row): boolean {
  if (held === undefined) return false
  const [own, other] = [parseEntry(held.bytes, sha256), parseEntry(row.bytes, sha256)]
  return own !== undefined && other !== undefined && compareEntries(own, other) >= 0
}

async function told(begin: Start, tell: (history: History) => Promise<void>): Promise<void> {
  const history = new History(begin.chance)
  try {
    await tell(history)
    await history.expectEqual()
  } finally {
    await history.world.stop()
  }
}

describe('two nodes end equal while clients write and frames are lost, repeated and late', () => {
  it(
    'by cursor, after a partition',
    async () => {
      const property = fc.asyncProperty(start(few, few, few), begin =>
        told(begin, async history => {
          const { world } = history
          const common = rowsOf(begin.common, { authors: [0, 1, 2], valueBytes: begin.valueBytes })
          const [a, b] = [await world.add(common), await world.add(common)]
          await world.until(() => world.isEqual(), peaceMs)
          world.cut(0, 1)
          for (let at = 0; at < begin.left; at++)
            void a.runtime.write([{ op: 'put', key: `left ${at}`, value: at }])
          for (let at = 0; at < begin.right; at++)
            void b.runtime.write([{ op: 'put', key: `right ${at}`, value: at }])
          await world.pass(20_000)
          history.goWild()
          world.heal(0, 1)
          await world.pass(wildMs)
        }),
      )
      await fc.assert(property, runs)
    },
    patienceMs,
  )

  it(
    'by descent, as strangers',
    async () => {
      const property = fc.asyncProperty(start(few, few, few), begin =>
        told(begin, async history => {
          const { common, left, right, valueBytes } = begin
          const all = rowsOf(common + left + right, { authors: [0, 1, 2], valueBytes })
          history.goWild()
          await history.world.add(all.slice(0, common + left))
          await history.world.add([...all.slice(common + left), ...all.slice(0, common)])
          await history.world.pass(wildMs)
        }),
      )
      await fc.assert(property, runs)
    },
    patienceMs,
  )

  it(
    'by snapshot, one of them with next to nothing',
    async () => {
      const property = fc.asyncProperty(
        start(fc.nat(10), fc.integer({ min: 120, max: 300 }), fc.nat(3)),
        fc.boolean(),
        (begin, lesserIsEmpty) =>
          told(begin, async history => {
            const { common, left, right, valueBytes } = begin
            const all = rowsOf(common + left + right, { authors: [0, 1, 2], valueBytes })
            const [most, next] = [
              all.slice(0, common + left),
              [...all.slice(common + left), ...all.slice(0, common)],
            ]
            history.goWild()
            for (const rows of lesserIsEmpty ? [next, most] : [most, next]) await history.world.add(rows)
            await history.world.pass(wildMs)
          }),
      )
      await fc.assert(property, runs)
    },
    patienceMs,
  )

  it(
    'when one of them is restored from a backup, or begins anew, in the midst of it',
    async () => {
      const property = fc.asyncProperty(start(few, few, few), fc.nat(60), (begin, kept) =>
        told(begin, async history => {
          const { common, left, right, valueBytes } = begin
          const all = rowsOf(common + left + right, { authors: [0, 1], valueBytes })
          history.goWild()
          await history.world.add(all.slice(0, common + left))
          await history.world.add(all.slice(common))
          await history.world.pass(5_000)
          await history.restore(1, all.slice(0, kept))
          await history.world.pass(wildMs)
        }),
      )
      await fc.assert(property, runs)
    },
    patienceMs,
  )
})
