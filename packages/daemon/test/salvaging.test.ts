/** While what a damaged database held comes back, nobody is told that the state is whole. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Salvaging } from '../src/salvaging.ts'
import { setAside } from '../src/store-aside.ts'
import type { Log } from '../src/host/log.ts'
import { startWorld, token, type World } from './http-world.ts'

describe('a salvage that goes on', () => {
  const log = { info: () => undefined, warn: () => undefined } as unknown as Log
  let directory = ''

  beforeEach(() => {
    directory = fs.mkdtempSync(join(tmpdir(), 'lattice-salvaging-'))
    const path = join(directory, 'store.db')
    const database = new DatabaseSync(path)
    database.exec('CREATE TABLE row (seq INTEGER PRIMARY KEY, bytes BLOB)')
    for (let seq = 1; seq <= 300; seq++)
      database.prepare('INSERT INTO row VALUES (?, ?)').run(seq, Buffer.alloc(8))
    database.close()
    setAside(path, Date.now())
  })
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }))

  /** A runtime that takes in what it is given once it is told to, page by page. */
  function takingIn() {
    const pages: Array<PromiseWithResolvers<boolean>> = []
    const readmit = (): Promise<boolean> => {
      const page = Promise.withResolvers<boolean>()
      pages.push(page)
      return page.promise
    }
    const taken = async (): Promise<void> => {
      pages.at(-1)?.resolve(true)
      await new Promise(resolve => setImmediate(resolve))
    }
    return { runtime: { readmit }, taken }
  }

  it('is told from before it begins until its last row has come', async () => {
    const salvaging = new Salvaging(directory)
    expect([salvaging.progress, salvaging.trouble]).toEqual(
      Array(2).fill(expect.stringContaining(': 0 rows so far')),
    )
    expect(salvaging.isUnderWay).toBe(true)
    const { runtime, taken } = takingIn()
    void salvaging.start(runtime, log)
    await taken()
    expect([salvaging.progress, salvaging.trouble]).toEqual(
      Array(2).fill(expect.stringContaining(': 256 rows so far')),
    )
    await taken()
    await taken()
    expect([salvaging.progress, salvaging.trouble, salvaging.isUnderWay]).toEqual([
      undefined,
      undefined,
      false,
    ])
    expect(new Salvaging(directory).progress).toBeUndefined()
  })

  it('is told until the next start where the database could not be read to its end', async () => {
    const [aside] = fs.readdirSync(directory).filter(name => !name.endsWith('.unread'))
    const other = new DatabaseSync(join(directory, aside ?? ''))
    other.exec('BEGIN EXCLUSIVE')
    const salvaging = new Salvaging(directory)
    await salvaging.start(takingIn().runtime, log)
    expect([salvaging.progress, salvaging.isUnderWay]).toEqual([undefined, true])
    expect(salvaging.trouble).toContain('the next start tries again')
    other.close()
    expect(new Salvaging(directory).progress).toContain(': 0 rows')
  })

  it('goes on with the next start where a stop cuts it off', async () => {
    const salvaging = new Salvaging(directory)
    const { runtime, taken } = takingIn()
    void salvaging.start(runtime, log)
    const stopped = salvaging.stop()
    await taken()
    await stopped
    expect(new Salvaging(directory).progress).toContain(': 0 rows')
  })
})

describe('over HTTP meanwhile', () => {
  let salvage: string | undefined
  let world: World

  beforeEach(async () => {
    salvage = 'some is being taken in: 7 rows so far'
    world = await startWorld({ salvage: () => salvage })
    world.node.apply([{ op: 'put', key: 'k', value: 1 }])
  })
  afterEach(() => world.close())

  const ask = (method: string, path: string, headers = {}, body?: unknown) =>
    world.ask(path, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  it.each([
    ['GET', '/api/lattice/state/k', {}],
    ['GET', '/api/lattice/state/none', {}],
    ['GET', '/api/lattice/state?key=k', {}],
    ['GET', '/api/lattice/state', {}],
    ['GET', '/api/lattice/state?limit=3', {}],
    ['GET', '/api/lattice/export', {}],
    ['PUT', '/api/lattice/state/k', { 'if-none-match': '*' }],
    ['DELETE', '/api/lattice/state/k', { 'if-match': '"0190000000000001"' }],
  ])('%s %s depends on what is to come, and is refused', async (method, path, headers) => {
    const refused = await ask(method, path, headers, method === 'PUT' ? 2 : undefined)
    expect([refused.status, refused.json['code'], refused.headers['retry-after']]).toEqual([
      503,
      'NOT_READY',
      '2',
    ])
    expect(refused.json['detail']).toContain('7 rows so far')
    salvage = undefined
    expect((await ask(method, path, headers, method === 'PUT' ? 2 : undefined)).json['code']).not.toBe(
      'NOT_READY',
    )
  })

  it('writes that depend on nothing are taken, and the node says that it is not ready', async () => {
    expect((await ask('PUT', '/api/lattice/state/k', {}, 2)).status).toBe(200)
    const operations = [{ op: 'put', key: 'l', value: 3 }]
    expect((await ask('POST', '/api/lattice/transactions', {}, { operations })).status).toBe(200)
    const refused = await ask('GET', '/readyz')
    expect([refused.status, refused.text]).toEqual([
      503,
      expect.stringContaining('state failed: some is being'),
    ])
    salvage = undefined
    expect((await ask('GET', '/readyz')).status).toBe(200)
  })
})
