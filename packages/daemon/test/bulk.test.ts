/** A nearly empty node takes over what another one holds: bounded, resumable, whatever goes on meanwhile. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { frameBytesMax, type Message, type Rows } from '@lattice/core'
import { bytesOf, lost, rowsOf, SyncWorld, type Carried, type SyncNode } from './sync-world.ts'

/** Ten frames of them. */
const rows = rowsOf(2000, { authors: [0, 1, 2], valueBytes: 900 })
const payload = bytesOf(rows)

let world: SyncWorld

afterEach(() => world.stop())

const to = (place: number) => (frame: Carried) => frame.to === place
const entriesOf = (frames: readonly Carried[]): number =>
  frames.reduce(
    (sum, { message }) => sum + (message.rows?.entries.length ?? 0) + (message.entries?.length ?? 0),
    0,
  )
const locatorsOf = (frames: readonly Carried[]): number =>
  frames.reduce((sum, { message }) => sum + (message.rows?.locators.length ?? 0), 0)

describe('an empty node', () => {
  it('takes the state from one of its peers, in full and in bounded frames, for little more than it weighs', async () => {
    world = new SyncWorld()
    await world.add(rows)
    await world.add(rows.toReversed())
    const taker = await world.add()
    const tookMs = await world.until(() => world.isEqual(), 10_000)
    const answers = world.log.filter(to(2))
    expect(entriesOf(answers)).toBe(rows.length)
    expect(locatorsOf(answers)).toBe(0)
    expect(Math.max(...world.log.map(({ bytes }) => bytes))).toBeLessThanOrEqual(frameBytesMax)
    await world.pass(60_000)
    const total = world.log.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(total).toBeLessThan(1.03 * payload)
    expect(taker.runtime.status().peers.map(({ behind }) => behind)).toEqual([0, 0, undefined])
    // No frame waits for an alarm: only the round trips and the disk take time, and here they take none.
    expect(tookMs).toBeLessThan(1_000)
  })

  it('asks ahead of its disk, four frames and no more', async () => {
    world = new SyncWorld()
    await world.add(rows)
    const taker = await world.add()
    taker.store.hold()
    await world.pass(3_000)
    const [first, ...others] = world.log.filter(frame => to(1)(frame) && frame.message.rows !== undefined)
    expect(others).toHaveLength(3)
    expect(first?.message.standing).toBeDefined()
    const asked = world.log.filter(({ from, as }) => from === 1 && as === 'request')
    expect(asked.map(({ message }) => message.standing?.ahead ?? 0).filter(ahead => ahead > 0)).toHaveLength(
      3,
    )
    taker.store.release()
    await world.until(() => world.isEqual(), 10_000)
    expect(entriesOf(world.log.filter(to(1)))).toBe(rows.length)
  })

  it('says how far it has come', async () => {
    world = new SyncWorld()
    await world.add(rows)
    const taker = await world.add()
    const told: (object | undefined)[] = []
    taker.runtime.subscribe(({ kind }) => {
      if (kind === 'change') told.push(taker.runtime.status().peers[0]?.transfer)
    })
    await world.until(() => world.isEqual(), 10_000)
    const counts = told.flatMap(each => (each === undefined ? [] : [Object.values(each)]))
    expect(counts.length).toBeGreaterThan(rows.length / 2)
    expect(counts.every(([entries, of]) => entries > 0 && entries <= of && of === rows.length)).toBe(true)
    expect(taker.runtime.status().peers[0]?.transfer).toBeUndefined()
  })

  it('passes rows that were verified out of order once the gap before them is closed', async () => {
    world = new SyncWorld()
    await world.add(rows)
    let release = (): void => {}
    const held = new Promise<void>(resolve => (release = resolve))
    let calls = 0
    world.onVerify = async node => {
      if (node === 1 && ++calls === 2) await held
    }
    const taker = await world.add()
    await world.pass(1_000)
    expect(calls).toBeGreaterThan(3)
    expect(world.isEqual()).toBe(false)
    const behind = taker.runtime.status().peers[0]?.behind ?? 0
    expect(behind).toBeGreaterThan(rows.length / 2)
    release()
    await world.until(() => world.isEqual(), 10_000)
    expect(entriesOf(world.log.filter(to(1)))).toBe(rows.length)
  })
})

describe('a transfer that is cut', () => {
  it.each(['p2p', 'http'] as const)('over %s goes on where it was', async kind => {
    world = new SyncWorld(kind)
    await world.add(rows)
    await world.add()
    let frames = 0
    world.onFrame = frame => {
      if (to(1)(frame) && frame.message.rows !== undefined && ++frames === 5) {
        world.cut(0, 1)
        return lost()
      }
      return frame.message
    }
    await world.pass(30_000)
    expect(world.isEqual()).toBe(false)
    world.heal(0, 1)
    await world.until(() => world.isEqual(), 60_000)
    expect(entriesOf(world.log.filter(to(1)))).toBe(rows.length)
    expect(locatorsOf(world.log)).toBe(0)
  })

  it('by a restart of the taker goes on behind what was durable', async () => {
    world = new SyncWorld()
    await world.add(rows)
    const taker = await world.add()
    let frames = 0
    world.onFrame = frame => {
      if (to(1)(frame) && frame.message.rows !== undefined && ++frames === 8) return new Promise(() => {})
      return frame.message
    }
    await world.pass(500)
    const held = taker.runtime.status().entryCount
    expect(held).toBeGreaterThan(rows.length / 4)
    world.onFrame = ({ message }) => message
    await world.restart(1)
    await world.until(() => world.isEqual(), 60_000)
    // The cursor is written with the next rows: those of one commit may come twice.
    const frameRows = Math.max(...world.log.map(({ message }) => message.rows?.entries.length ?? 0))
    expect(entriesOf(world.log.filter(to(1)))).toBeLessThanOrEqual(rows.length + 4 * frameRows)
    expect(locatorsOf(world.log)).toBe(0)
  })

  it('because the other node lost its disk ends equal, and does not begin from nothing', async () => {
    world = new SyncWorld()
    await world.add(rows)
    await world.add()
    let frames = 0
    world.onFrame = frame => {
      if (to(1)(frame) && frame.message.rows !== undefined && ++frames === 6) return new Promise(() => {})
      return frame.message
    }
    await world.pass(500)
    world.onFrame = ({ message }) => message
    await world.restart(0, rows.toReversed())
    await world.until(() => world.isEqual(), 60_000)
    expect(entriesOf(world.log.filter(to(1)))).toBeLessThan(1.2 * rows.length)
  })

  it('by commits that fail asks again for what was lost, and for nothing else', async () => {
    world = new SyncWorld()
    await world.add(rows)
    const taker = await world.add()
    let frames = 0
    world.onFrame = frame => {
      if (to(1)(frame) && frame.message.rows !== undefined && ++frames === 3) taker.store.failNext()
      return frame.message
    }
    await world.until(() => world.isEqual(), 60_000)
    expect(entriesOf(world.log.filter(to(1)))).toBeLessThan(1.7 * rows.length)
  })
})

describe('a transfer whose sender', () => {
  /** Two nodes with the same rows, and one without any, which takes them over HTTP. */
  async function beginFrom(onRows: (frame: number) => void): Promise<SyncNode> {
    world = new SyncWorld('http')
    await world.add(rows)
    await world.add(rows)
    let frames = 0
    world.onFrame = frame => {
      if (frame.from === 0 && to(2)(frame) && frame.message.rows !== undefined) onRows(++frames)
      return frame.message
    }
    const taker = await world.add()
    await world.pass(100)
    return taker
  }

  it('has gone goes on from another one, whatever else comes in meanwhile', async () => {
    const taker = await beginFrom(frame => {
      if (frame !== 5) return
      world.cut(0, 1)
      world.cut(0, 2)
      lost()
    })
    expect(taker.runtime.status().entryCount).toBeLessThan(rows.length / 2)
    const other = world.nodes[1] as SyncNode
    const write = async (): Promise<void> => {
      for (let number = 0; number < 20; number++) {
        await taker.runtime.write([{ op: 'put', key: `taker ${number}`, value: number }])
        await other.runtime.write([{ op: 'put', key: `other ${number}`, value: number }])
        await world.late(1_000)
      }
    }
    const written = write()
    await world.until(() => taker.runtime.status().entryCount > rows.length, 15_000)
    await world.pass(20_000)
    await written
  })

  it('waits for a slow disk is waited for', async () => {
    const taker = await beginFrom(frame => {
      if (frame === 2) world.nodes[2]?.store.hold()
    })
    expect(taker.store.waiting).toBe(1)
    await world.pass(15_000)
    taker.store.release()
    await world.until(() => world.isEqual(), 10_000)
    const told = (place: number): number =>
      entriesOf(world.log.filter(frame => frame.from === place && to(2)(frame)))
    // The first pushes a frame or two, because it hears of no progress.
    expect(told(0)).toBeLessThan(1.2 * rows.length)
    expect(told(1)).toBe(0)
  })
})

describe('while a transfer goes on', () => {
  it('writes on both sides arrive on both sides', async () => {
    world = new SyncWorld()
    const giver = await world.add(rows)
    const taker = await world.add()
    const writes: Promise<unknown>[] = []
    world.onFrame = frame => {
      if (frame.as !== 'answer') return frame.message
      const number = writes.length
      writes.push(
        giver.runtime.write([{ op: 'put', key: `giver ${number}`, value: number }]),
        taker.runtime.write([{ op: 'put', key: `taker ${number}`, value: number }]),
        giver.runtime.write([{ op: 'put', key: `key ${number}`, value: 'newer' }]),
      )
      return frame.message
    }
    await world.until(() => (world.nodes[1]?.runtime.status().entryCount ?? 0) > rows.length, 60_000)
    world.onFrame = ({ message }) => message
    await Promise.all(writes)
    await world.until(() => world.isEqual(), 60_000)
    expect(giver.runtime.status().entryCount).toBe(rows.length + (2 * writes.length) / 3)
  })
})

describe('a peer that lies', () => {
  /** Node 0 answers pulls with what `forge` makes of its rows; node 1 is honest. */
  async function besides(forge: (message: Message) => Message): Promise<void> {
    world = new SyncWorld()
    world.onFrame = ({ from, message }) => (from === 0 ? forge(message) : message)
    await world.add(rows)
    await world.add(rows)
    await world.add()
  }
  const honestAreEqual = (): boolean =>
    world.nodes[1]?.runtime.status().root === world.nodes[2]?.runtime.status().root

  /** Questions to the liar in the minute after the first two. */
  async function asksPerMinute(): Promise<number> {
    await world.pass(120_000)
    const before = world.log.length
    await world.pass(60_000)
    return world.log
      .slice(before)
      .filter(({ from, to: at, as }) => from === 2 && at === 0 && as === 'request').length
  }

  it.each([
    ['', false],
    [' and acknowledges ever more', true],
  ])(
    'that ekes an endless journal out%s does not keep the state from us, and is asked ever more rarely',
    async (_, acks) => {
      let [seq, ack] = [0, 0]
      await besides(message => {
        const { standing, rows: told } = message
        if (standing === undefined) return message
        const details = { count: 2 ** 40, wall: 1_700_000_000_000 }
        const root = new Uint8Array(32)
        const grown = { ...standing, root, seq: 2 ** 40, details, ...(acks ? { ack: ++ack } : {}) }
        if (told === undefined) return { ...message, standing: grown }
        return {
          ...message,
          standing: grown,
          rows: { ...told, after: 0, upTo: ++seq, entries: [], locators: [] },
        }
      })
      await world.until(honestAreEqual, 120_000)
      expect(await asksPerMinute()).toBeLessThan(60)
    },
  )

  it('that repeats the same rows for ever is left for the other', async () => {
    let first: Rows | undefined
    await besides(message => {
      const { rows: told, standing } = message
      if (told === undefined || standing === undefined) return message
      first ??= told
      return { ...message, standing: { ...standing, seq: Math.max(first.upTo, standing.seq) }, rows: first }
    })
    await world.until(honestAreEqual, 120_000)
    expect(await asksPerMinute()).toBeLessThan(60)
  })

  it('that forges every entry has none of them taken', async () => {
    await besides(message => {
      if (message.rows === undefined) return message
      const entries = message.rows.entries.map(entry => {
        const forged = entry.slice()
        forged[forged.length - 70] = (forged[forged.length - 70] as number) ^ 1
        return forged
      })
      return { ...message, rows: { ...message.rows, entries } }
    })
    await world.until(honestAreEqual, 120_000)
    const state = world.nodes[2]?.runtime.list({ prefix: '', from: '', limit: 1 })
    expect(state?.items[0]?.value).toMatch(/^\.+0$/)
  })
})

describe('a node that holds much already', () => {
  it('is told by locator what a third node has written', async () => {
    world = new SyncWorld()
    await world.add(rows)
    await world.add(rows.slice(0, -100))
    await world.until(() => world.isEqual(), 60_000)
    expect(entriesOf(world.log.filter(to(1)))).toBeLessThan(200)
  })
})
