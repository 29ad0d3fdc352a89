/** What strangers who read the whole state slowly can make a node hold: so much, and not for ever. */
import { EventEmitter } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import type { Response } from 'express'
import { createSnapshots } from '../src/http/state-snapshot.ts'
import type { Snapshots } from '../src/http/state-snapshot.ts'
import { sendPieces } from '../src/http/streaming.ts'
import { UntakenAnswers } from '../src/http/untaken.ts'
import { MemoryNode } from './http-world.ts'

describe('copies of the state in use', () => {
  const mebichars = 'x'.repeat(1024 * 1024)
  const node = new MemoryNode()
  /** A caller after a write: no copy fits him but a new one. */
  const takeAnew = (snapshots: Snapshots) => {
    node.apply([{ op: 'put', key: 'k0', value: 1 }])
    return snapshots.take()
  }

  it('are bounded by what they take, not by how many keys they have; two may always be', async () => {
    for (let count = 0; count < 40; count += 1) node.apply([{ op: 'put', key: `k${count}`, value: 1 }])
    const snapshots = createSnapshots(node, () => mebichars)
    const first = await takeAnew(snapshots)
    const second = await takeAnew(snapshots)
    await expect(takeAnew(snapshots)).rejects.toMatchObject({ code: 'OVERLOADED' })
    first.release()
    const third = await takeAnew(snapshots)
    expect(third.snapshot.root).toBe(node.root())
    await expect(takeAnew(snapshots)).rejects.toMatchObject({ code: 'OVERLOADED' })
    second.release()
    third.release()
  })

  it('may be many while they are small', async () => {
    const snapshots = createSnapshots(node, () => '1')
    const leases = []
    for (let count = 0; count < 100; count += 1) leases.push(await takeAnew(snapshots))
    expect(new Set(leases.map(({ snapshot }) => snapshot)).size).toBe(100)
  })
})

describe('long answers that wait for their readers', () => {
  const half = 32 * 1024 * 1024
  const reader = (): Response => new EventEmitter() as unknown as Response

  it('are bounded together, and one alone may be of any length', () => {
    const untaken = new UntakenAnswers()
    const first = reader()
    untaken.admit(first, half)
    untaken.admit(reader(), half)
    expect(() => untaken.admit(reader(), 1)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
    first.emit('close')
    const third = reader()
    untaken.admit(third, 1)
    third.emit('close')
    expect(() => untaken.admit(reader(), half + 1)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
    new UntakenAnswers().admit(reader(), 10 * half)
  })

  it('do not wait for readers who have gone', () => {
    const untaken = new UntakenAnswers()
    untaken.admit({ closed: true } as Response, 2 * half)
    expect(() => untaken.admit(reader(), 2 * half)).not.toThrow()
  })
})

/** A reader that takes each 64 KiB in `drainMs` of a clock that only it moves. */
class Reader extends EventEmitter {
  #now = 0
  readonly #drainMs: number
  destroyed = false
  chunks = 0
  isComplete = false

  constructor(drainMs: number) {
    super()
    this.#drainMs = drainMs
  }

  readonly now = (): number => this.#now

  write(): boolean {
    this.chunks += 1
    setImmediate(() => {
      this.#now += this.#drainMs
      this.emit('drain')
    })
    return false
  }

  end(): void {
    this.isComplete = true
  }

  destroy(): void {
    this.destroyed = true
  }
}

describe('a whole answer', () => {
  const send = async (drainMs: number): Promise<Reader> => {
    const reader = new Reader(drainMs)
    const pieces = Array.from({ length: 200 }, () => 'x'.repeat(64 * 1024))
    const frame = { before: '', between: '', after: '' }
    await sendPieces(reader as unknown as Response, pieces, frame, reader.now)
    return reader
  }

  it('reaches a reader of 256 kbit/s', async () => {
    const { chunks, isComplete, destroyed } = await send(2000)
    expect({ chunks, isComplete, destroyed }).toEqual({ chunks: 200, isComplete: true, destroyed: false })
  })

  it('is not eked out: who never stalls but takes it at a tenth of that is cut off', async () => {
    const { chunks, isComplete, destroyed } = await send(20_000)
    expect({ isComplete, destroyed }).toEqual({ isComplete: false, destroyed: true })
    expect(chunks).toBeLessThanOrEqual(3)
  })
})
