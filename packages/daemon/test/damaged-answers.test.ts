/** What is damaged on the disk never passes for absent: in the state, an export, a page or an import. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Response } from 'express'
import type { Operation, Row } from '@lattice/core'
import { identityFromSeed } from '../src/host/identity.ts'
import { createSnapshots } from '../src/http/state-snapshot.ts'
import { token, startWorld, type MemoryNode, type World } from './http-world.ts'
import { openLoneRuntime, type LoneRuntime } from './lone-runtime.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

const { signer, nodeId } = identityFromSeed(new Uint8Array(32).fill(7), 'configured')
const put = (key: string, value: number): Operation => ({ op: 'put', key, value })
const keysOf = ({ text }: { text: string }): string[] =>
  Object.keys((JSON.parse(text) as { state: object }).state)

let world: World
let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lattice-damaged-'))
})
afterEach(async () => {
  await world.close()
  rmSync(home, { recursive: true, force: true })
})

const lattice = (...args: string[]): Promise<Outcome> =>
  runInProcess(args, { cwd: home, env: { LATTICE_URL: world.url, LATTICE_ADMIN_TOKEN: token } })

/** Flips a bit of the key's row on the disk; what the row was. */
function damage({ store }: LoneRuntime, key: string): Uint8Array {
  const row = store.slots(key)[0] as Row
  const { bytes } = row
  Object.assign(row, { bytes: bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 16 : byte)) })
  return bytes
}

describe('a node with a damaged entry', () => {
  let node: LoneRuntime
  beforeEach(async () => {
    node = openLoneRuntime(signer)
    await node.runtime.write([{ op: 'increment', key: 'n', by: 5 }])
    for (let key = 0; key < 6; key++) await node.runtime.write([put(`k${key}`, key)])
    world = await startWorld({ node: Object.assign(node.runtime, { id: nodeId }) as unknown as MemoryNode })
  })
  afterEach(() => node.runtime.stop())

  it.each(['export', 'state'])(
    'refuses the whole %s, from the first look on, and names the key',
    async name => {
      const path = `/api/lattice/${name}`
      expect((await world.ask(path)).status).toBe(200)
      damage(node, 'k3')
      for (const _look of ['finds it', 'knows it']) {
        const { status, headers, json } = await world.ask(path)
        expect([status, json['code'], headers.etag, headers['retry-after']]).toEqual([
          503,
          'ENTRY_DAMAGED',
          undefined,
          '5',
        ])
        expect(json['detail']).toContain('"k3"; ')
        expect(json['hint']).toContain('DELETE')
      }
    },
  )

  it('refuses it where the root is that of an earlier state, because what came since is lost', async () => {
    const snapshots = createSnapshots(node.runtime)
    const reader = { caller: 'any', response: {} as Response }
    const { snapshot } = await snapshots.take(reader)
    const tag = { 'if-none-match': `"${snapshot.root}"` }
    expect((await world.ask('/api/lattice/state', { headers: tag })).status).toBe(304)
    await node.runtime.write([put('late', 1)])
    damage(node, 'late')
    expect((await world.ask('/api/lattice/state/late')).status).toBe(503)
    expect(node.runtime.status().root).toBe(snapshot.root)
    await expect(snapshots.take(reader)).rejects.toMatchObject({ code: 'ENTRY_DAMAGED' })
    expect((await world.ask('/api/lattice/state', { headers: tag })).status).toBe(503)
    const page = await world.ask('/api/lattice/state?prefix=l', { headers: tag })
    expect([page.status, page.json['damaged_keys']]).toEqual([200, ['late']])
  })

  it('names it on the page that it is missing from, which can be kept by nobody', async () => {
    damage(node, 'k3')
    const first = await world.ask('/api/lattice/state?limit=3')
    expect([keysOf(first), first.json['damaged_keys']]).toEqual([['k0', 'k1', 'k2'], []])
    const cursor = String(first.json['next_cursor'])
    const second = await world.ask(`/api/lattice/state?limit=3&cursor=${cursor}`)
    expect([keysOf(second), second.json['damaged_keys']]).toEqual([['k4', 'k5', 'n'], ['k3']])
    expect([second.headers.etag, second.headers['cache-control']]).toEqual([undefined, 'no-store'])
    expect((await world.ask('/api/lattice/state?prefix=n')).json['damaged_keys']).toEqual([])
  })

  it('makes export and import end before they write anything, and lets both go on once it is back', async () => {
    expect((await lattice('export', 'whole.jsonl')).code).toBe(0)
    const bytes = damage(node, 'n')
    const exported = await lattice('export', 'partial.jsonl')
    expect([exported.code, existsSync(join(home, 'partial.jsonl'))]).toEqual([1, false])
    expect(exported.stderr).toMatch(/"n".*\[ENTRY_DAMAGED\]/s)
    const { seq } = node.runtime.status()
    const imported = await lattice('import', 'whole.jsonl')
    expect([imported.code, imported.stderr]).toEqual([1, expect.stringContaining('[ENTRY_DAMAGED]')])
    expect(node.runtime.status().seq).toBe(seq)
    await node.runtime.readmit([bytes])
    const done = await lattice('import', 'whole.jsonl')
    expect(done.stdout).toContain('0 keys written, 7 as wanted already\n')
    expect((await lattice('export', 'again.jsonl')).code).toBe(0)
    const [whole, again] = ['whole.jsonl', 'again.jsonl'].map(name => readFileSync(join(home, name), 'utf8'))
    expect(again).toBe(whole)
  })
})

describe('a copy of the state', () => {
  const damaged = (...damagedKeys: (string | undefined)[]): MemoryNode['quarantine'] => ({
    isDamaged: () => false,
    damagedKeys,
  })
  beforeEach(async () => {
    world = await startWorld()
    world.node.apply(Array.from({ length: 600 }, (_, at) => put(`k${at}`, at)))
  })

  it('is refused where something was damaged for a while, as it may be missing', async () => {
    let pages = 0
    world.node.beforePage = () => void (world.node.quarantine = damaged(...(++pages === 2 ? ['k1'] : [])))
    expect((await world.ask('/api/lattice/export')).status).toBe(503)
    world.node.beforePage = () => undefined
    world.node.quarantine = damaged()
    expect((await world.ask('/api/lattice/export')).status).toBe(200)
  })

  it('is refused where damage was found by a read of what changed meanwhile', async () => {
    let pages = 0
    world.node.beforePage = () => {
      if (++pages !== 2) return
      world.node.apply([put('k0', 1)])
      world.node.quarantine = damaged()
    }
    const read = world.node.read.bind(world.node)
    world.node.read = key => {
      if (key === 'k0' && pages === 2) world.node.quarantine = damaged('k0')
      return read(key)
    }
    expect((await world.ask('/api/lattice/export')).status).toBe(503)
  })

  it('is refused where damage was found last', async () => {
    world.node.atRest = async look => {
      world.node.quarantine = damaged('k1')
      return look()
    }
    expect((await world.ask('/api/lattice/export')).status).toBe(503)
  })

  it('is refused with the first names, and with how many more there are', async () => {
    world.node.quarantine = damaged(...Array.from({ length: 25 }, (_, at) => `d${at}`), undefined)
    expect((await world.ask('/api/lattice/state')).json['detail']).toContain('"d19", 6 more; ')
    world.node.quarantine = damaged(undefined)
    expect((await world.ask('/api/lattice/state')).json['detail']).toContain('1 whose names are lost; ')
  })

  it('as a page names what is damaged within its prefix and before the next page, and what has no name', async () => {
    world.node.quarantine = damaged('k999', 'k1999', 'j', 'k10', undefined, 'k1\u{1f600}', 'k1\uffff')
    const page = async (query: string): Promise<unknown> =>
      (await world.ask(`/api/lattice/state?${query}`)).json['damaged_keys']
    expect(await page('prefix=k1')).toEqual(['?', 'k10', 'k1999', 'k1\uffff', 'k1\u{1f600}'])
    expect(await page('limit=1')).toEqual(['?', 'j'])
    const { json } = await world.ask('/api/lattice/state?limit=2')
    const cursor = String(json['next_cursor'])
    expect(await page(`limit=1&cursor=${cursor}`)).toEqual(['?', 'k10'])
    world.node.quarantine = damaged()
    expect(await page('prefix=k1')).toEqual([])
  })
})
