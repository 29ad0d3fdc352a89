/** What strangers who read the whole state slowly can make a node hold: so much, and not for ever. */
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { Response } from 'express'
import type { Reader } from '../src/http/readers.ts'
import { createSnapshots } from '../src/http/state-snapshot.ts'
import type { Snapshots } from '../src/http/state-snapshot.ts'
import { sendPieces } from '../src/http/streaming.ts'
import { UntakenAnswers } from '../src/http/untaken.ts'
import { MemoryNode, startWorld, type World } from './http-world.ts'

/** A caller of his own unless named, who takes nothing. */
const reader = (caller: string = randomUUID()): Reader => {
  const response = Object.assign(new EventEmitter(), {
    destroy: () => response.emit('close'),
    req: { socket: { destroy: () => undefined } },
  })
  return { caller, response: response as unknown as Response }
}

describe('copies of the state in use', () => {
  const mebichars = 'x'.repeat(1024 * 1024)
  let node: MemoryNode
  beforeEach(() => {
    node = new MemoryNode()
  })
  /** A caller after a write: no copy fits him but a new one. */
  const takeAnew = (snapshots: Snapshots) => {
    node.apply([{ op: 'put', key: 'k0', value: 1 }])
    return snapshots.take(reader())
  }

  it('are bounded by what they take, not by how many keys they have; two may always be', async () => {
    for (let count = 0; count < 40; count += 1)
      node.apply([{ op: 'put', key: `long${count}`, value: mebichars }])
    const snapshots = createSnapshots(node)
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

  it('are gone with the last who reads them', async () => {
    const snapshots = createSnapshots(node)
    const first = await takeAnew(snapshots)
    const second = await snapshots.take(reader())
    expect(second.snapshot).toBe(first.snapshot)
    first.release()
    first.release()
    expect([...second.snapshot.copy.texts(({ key }) => key)]).toHaveLength(second.snapshot.copy.count)
    second.release()
    expect(() => [...second.snapshot.copy.texts(({ key }) => key)]).toThrow(/finalized|not open/)
  })

  it('are refused where a change could not be taken in', async () => {
    for (let at = 0; at < 300; at += 1) node.apply([{ op: 'put', key: `k${at}`, value: 1 }])
    const snapshots = createSnapshots(node)
    const untaken = ['no change before the first page', 'unreadable']
    // On the second page nobody comes by the first key any more.
    node.beforePage = () => {
      if (untaken.shift() !== 'unreadable') return
      jest.spyOn(node, 'read').mockImplementationOnce(() => {
        throw new Error('this change')
      })
      node.apply([{ op: 'put', key: 'k0', value: 2 }])
    }
    await expect(snapshots.take(reader())).rejects.toThrow('this change')
    node.apply([{ op: 'put', key: 'k0', value: 1 }])
    expect((await snapshots.take(reader())).snapshot.root).toBe(node.root())
  })

  it('may be many while they are small', async () => {
    const snapshots = createSnapshots(node)
    const leases = []
    for (let count = 0; count < 100; count += 1) leases.push(await takeAnew(snapshots))
    expect(new Set(leases.map(({ snapshot }) => snapshot)).size).toBe(100)
  })
})

describe('long answers that wait for their readers', () => {
  const half = 32 * 1024 * 1024
  it('are bounded together, and one alone may be of any length', () => {
    const untaken = new UntakenAnswers()
    const first = reader()
    untaken.admit(first, half)
    untaken.admit(reader(), half)
    expect(() => untaken.admit(reader(), 1)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
    first.response.emit('close')
    const third = reader()
    untaken.admit(third, 1)
    third.response.emit('close')
    expect(() => untaken.admit(reader(), half + 1)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }))
    new UntakenAnswers().admit(reader(), 10 * half)
  })

  it('do not wait for readers who have gone', () => {
    const untaken = new UntakenAnswers()
    untaken.admit({ caller: 'gone', response: { closed: true } as Response }, 2 * half)
    expect(() => untaken.admit(reader(), 2 * half)).not.toThrow()
  })
})

/** A reader who takes each 64 KiB in `drainMs` of a clock that only it moves. */
class PacedReader extends EventEmitter {
  #now = 0
  readonly #drainMs: number
  readonly req = { socket: { destroy: (): void => undefined } }
  readonly texts: string[] = []
  destroyed = false
  writableFinished = false

  constructor(drainMs: number) {
    super()
    this.#drainMs = drainMs
  }

  readonly now = (): number => this.#now

  write(text: string): boolean {
    this.texts.push(text)
    setImmediate(() => {
      this.#now += this.#drainMs
      this.emit('drain')
    })
    return false
  }

  end(text: string): void {
    this.texts.push(text)
    this.writableFinished = true
  }

  destroy(): void {
    this.destroyed = true
  }
}

const unframed = { before: '', between: '', after: '' }

describe('a whole answer', () => {
  const send = async (drainMs: number, pieces: readonly string[]): Promise<PacedReader> => {
    const paced = new PacedReader(drainMs)
    const patience = { nowMs: paced.now, stalledMs: 30_000 }
    await sendPieces(paced as unknown as Response, pieces, unframed, patience)
    return paced
  }
  const many = Array.from({ length: 200 }, () => 'x'.repeat(64 * 1024))

  it.each([
    ['many pieces', many],
    ['one long piece', [many.join('')]],
  ])('of %s reaches a reader of 256 kbit/s', async (_what, pieces) => {
    const { texts, writableFinished, destroyed } = await send(2000, pieces)
    expect({ writableFinished, destroyed }).toEqual({ writableFinished: true, destroyed: false })
    expect(texts.map(({ length }) => length)).toEqual([...many.map(({ length }) => length), 0])
  })

  it('holds up nobody else, however fast its reader is', async () => {
    const fast = Object.assign(new PacedReader(0), { write: () => true })
    let turns = 0
    const turn = (): void => {
      turns += 1
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    await sendPieces(fast as unknown as Response, many, unframed)
    clearImmediate(next)
    expect(turns).toBeGreaterThanOrEqual(many.length - 1)
  })

  it('asks for no further piece once its reader has been cut off', async () => {
    const paced = new PacedReader(0)
    const asked = jest.fn()
    const pieces = function* (): Generator<string> {
      for (const piece of many) {
        asked()
        yield piece
        if (asked.mock.calls.length === 3) paced.destroy()
      }
    }
    await sendPieces(paced as unknown as Response, pieces(), unframed)
    expect(asked).toHaveBeenCalledTimes(4)
    await sendPieces(paced as unknown as Response, pieces(), unframed)
    expect(asked).toHaveBeenCalledTimes(4)
  })

  it('is not eked out: who never stalls but takes it at a tenth of that is cut off', async () => {
    const { texts, writableFinished, destroyed } = await send(20_000, many)
    expect({ writableFinished, destroyed }).toEqual({ writableFinished: false, destroyed: true })
    expect(texts.length).toBeLessThanOrEqual(3)
  })

  it('has no character torn between two chunks', async () => {
    const pieces = [`x${'😀'.repeat(100_000)}`, 'y']
    const { texts } = await send(0, pieces)
    expect(texts.filter(text => !text.isWellFormed())).toEqual([])
    expect(texts.join('')).toBe(pieces.join(''))
  })
})

describe('a reader on a socket', () => {
  const long = 'x'.repeat(32 * 1024 * 1024)
  const patience = { nowMs: () => performance.now(), stalledMs: 100 }
  let server: Server
  let socket: Socket
  /** The next answer of the server, and what its caller is to be sent. */
  let answering: PromiseWithResolvers<Response>

  beforeEach(async () => {
    answering = Promise.withResolvers()
    server = createServer((request, response) => {
      // What is asked first is never answered in whole.
      if (request.url === '/first') response.write('a part')
      else answering.resolve(response as Response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
  })
  afterEach(() => {
    socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  const ask = (...paths: readonly string[]): Promise<Response> => {
    socket.write(paths.map(path => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    return answering.promise
  }

  it.each([
    ['in the middle', [long, 'end'], unframed],
    ['at the very end', ['begin'], { ...unframed, after: long }],
  ])('that stalls %s is counted no longer', async (_where, pieces, frame) => {
    const response = await ask('/')
    const untaken = new UntakenAnswers()
    untaken.admit({ caller: 'slow', response }, long.length)
    const closed = once(response, 'close')
    await sendPieces(response, pieces, frame, patience)
    await closed
    expect(() => untaken.admit(reader(), 2 * long.length)).not.toThrow()
  })

  it('that has gone by the time is not waited for', async () => {
    const response = await ask('/')
    socket.destroy()
    await once(response, 'close')
    await sendPieces(response, [long], unframed)
    expect(response.headersSent).toBe(false)
  })

  it('loses the connection too where the answer stands behind another one', async () => {
    const response = await ask('/first', '/second')
    await sendPieces(response, [long], unframed, patience)
    expect(response.req.socket.destroyed).toBe(true)
  })
})

describe('a caller who leaves his answers lying', () => {
  const greedy = '127.0.0.2'
  const text = (mebibytes: number): string => 'x'.repeat(mebibytes * 1024 * 1024)
  let world: World
  const sockets: Socket[] = []
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await world.close()
  })
  /** Asks from another address, and takes no more than the status. */
  const askIdly = async (path: string): Promise<number> => {
    const socket = connect({ port: world.port, host: '127.0.0.1', localAddress: greedy })
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    socket.pause()
    return Number(chunk.toString('latin1').slice(9, 12))
  }

  it('makes room for others, who ask for less', async () => {
    world = await startWorld()
    world.node.apply([{ op: 'put', key: 'k', value: text(20) }])
    const path = '/api/lattice/state/k'
    const statuses = []
    for (let count = 0; count < 4; count += 1) statuses.push(await askIdly(path))
    expect(statuses).toEqual([200, 200, 200, 503])
    for (let count = 0; count < 2; count += 1) {
      const { status, json } = await world.ask(path)
      expect([status, (json['value'] as string).length]).toEqual([200, text(20).length])
    }
    // What was cut off for others is room for himself again.
    expect(await askIdly(path)).toBe(200)
  })

  it.each([
    ['a proof', '/api/lattice/state/k?proof=true'],
    ['the history', '/api/lattice/metrics/history?series=latency'],
  ])('has no more of them where each is %s', async (_what, path) => {
    const node = new MemoryNode()
    node.prove = () => ({ key: 'k', entries: [text(20)], branches: [] })
    node.apply([{ op: 'put', key: 'k', value: 1 }])
    const series = new Map([[`latency/${text(20)}/p2p`, []]])
    world = await startWorld({ node, history: { read: async () => ({ stepMs: 10_000, series }) } })
    const statuses = []
    for (let count = 0; count < 4; count += 1) statuses.push(await askIdly(path))
    expect(statuses).toEqual([200, 200, 200, 503])
    const { status, text: all } = await world.ask(path)
    expect([status, all.includes(text(20))]).toEqual([200, true])
  })

  it('holds up nobody who asks for the whole state', async () => {
    const path = '/api/lattice/state'
    world = await startWorld()
    const write = (): unknown => world.node.apply([{ op: 'put', key: 'k', value: text(40) }])
    for (let count = 0; count < 2; count += 1) {
      write()
      expect(await askIdly(path)).toBe(200)
    }
    write()
    expect(await askIdly(path)).toBe(503)
    expect((await world.ask(path)).status).toBe(200)
  })
})
