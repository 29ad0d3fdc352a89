/**
 * Disks that fail or dawdle while the node runs, and data directories that run twice (S5, S6, S11, S12, S13,
 * S18).
 */
import { chmodSync, cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { createClient } from '@lattice/api'
import { lattice, launch } from '../command.ts'
import { settingsOf, World, type Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, codeOf, equalRoots, metOverP2p, put, statusOf, valueOf } from '../federation.ts'
import { freePort } from '../ports.ts'
import { faultFlushes, faultReads, syscallFaultsMissing } from '../syscall-faults.ts'

const missing = syscallFaultsMissing()
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)
if (missing !== undefined) console.warn(`skipped: ${missing}`)
const where = missing === undefined ? describe : describe.skip

const limitMs = 180_000
/** A tracer slows every thread down: beats that a machine under load keeps. */
const beats = { LATTICE_HEARTBEAT_INTERVAL: '2s', LATTICE_PEERLESS_TIMEOUT: '20s' }
const world = new World()

afterAll(() => world.close())

where('a disk that fails to flush (S5)', () => {
  it(
    'gets nothing acknowledged from then on; the store is checked and opened anew, and keeps all it had',
    async () => {
      const [node] = (await world.federation(1)) as [Daemon]
      for (let at = 0; at < 20; at++) await put(node, `k${at}`, at)
      const { pid } = node
      const mend = await faultFlushes(node, { error: 'EIO' })
      const refusal = await put(node, 'unsure', 1).catch((error: unknown) => error)
      expect(codeOf(refusal)).toMatch(/^(STORE_SUSPECT|NOT_READY)$/)
      await mend()
      await eventually('writes are taken again', () => put(node, 'after', 1).catch(() => false), 60_000)
      for (let at = 0; at < 20; at++) expect(await valueOf(node, `k${at}`)).toBe(at)
      expect(node.pid).toBe(pid)
      expect(node.log).toMatch(/"STORE_SUSPECT"/)
      await node.kill()
      await node.start()
      expect(await valueOf(node, 'after')).toBe(1)
    },
    limitMs,
  )
})

where('a disk that fails to read (S6)', () => {
  it(
    'has nothing wrong served: the store is checked and opened anew, and serves again within 60 s',
    async () => {
      const [node] = (await world.federation(1)) as [Daemon]
      for (let at = 0; at < 20; at++) await put(node, `k${at}`, at)
      const { pid } = node
      const mend = await faultReads(node)
      const readings = await Promise.all(
        Array.from({ length: 20 }, (_, at) => valueOf(node, `k${at}`).catch(codeOf)),
      )
      for (const [at, reading] of readings.entries())
        if (typeof reading !== 'string') expect(reading).toBe(at)
      expect(readings.some(reading => typeof reading === 'string')).toBe(true)
      await mend()
      await eventually('the store is opened anew', () => node.log.split('"READY"').length === 3, 60_000)
      for (let at = 0; at < 20; at++) expect(await valueOf(node, `k${at}`)).toBe(at)
      expect(node.pid).toBe(pid)
      expect(node.log).toMatch(/"STORE_SUSPECT"/)
    },
    limitMs,
  )
})

where('a disk that takes 10 s to flush (S13)', () => {
  it(
    'stops neither heartbeats nor /health, and nobody changes the path',
    async () => {
      const nodes = (await world.federation(2, { settings: beats })) as [Daemon, Daemon]
      const [slow, other] = nodes
      const patient = createClient({ baseUrl: slow.url, timeoutMs: 60_000 })
      await metOverP2p(nodes)
      await equalRoots(nodes)
      const end = await faultFlushes(slow, { delayMs: 10_000 })
      const startedAt = performance.now()
      const written = patient.putKey({ params: { key: 'slow' }, body: 1 })
      let probes = 0
      let slowest = 0
      let isWritten = false
      void written.then(() => (isWritten = true))
      while (!isWritten) {
        const askedAt = performance.now()
        expect((await fetch(`${slow.url}/health`)).status).toBe(200)
        expect(await statusOf(other)).toMatchObject({ sync_mode: 'P2P' })
        slowest = Math.max(slowest, performance.now() - askedAt)
        probes++
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      expect(performance.now() - startedAt).toBeGreaterThan(10_000)
      expect(slowest).toBeLessThan(5_000)
      expect(probes).toBeGreaterThan(5)
      await written
      await end()
      await arrives([other], 'slow', 1)
      for (const node of nodes) {
        const { transitions } = await node.client.getTransitions()
        expect(transitions.map(({ to }) => to).filter(to => to !== 'P2P' && to !== 'GRACE')).toEqual([])
      }
    },
    limitMs,
  )
})

describe('one data directory', () => {
  it(
    'that was copied and runs twice is noticed within 30 s: one of them takes no writes any more (S11)',
    async () => {
      const [first, second] = (await world.federation(2)) as [Daemon, Daemon]
      await put(first, 'before', 1)
      await equalRoots([first, second])
      await first.stop()
      const stateDir = `${first.plan.stateDir}-double`
      cpSync(first.plan.stateDir, stateDir, { recursive: true })
      await first.start()
      const url = `http://127.0.0.1:${await freePort()}`
      const p2pAddress = `/ip4/127.0.0.1/tcp/${await freePort()}`
      const plan = { ...first.plan, name: 'double', stateDir, url, p2pAddress }
      const settings = { ...first.plan.settings, ...settingsOf(plan, [plan, second.plan]) }
      const double = world.daemon({ ...plan, settings })
      await double.start()
      const startedAt = performance.now()
      const refuses = async (node: Daemon): Promise<boolean> =>
        (await put(node, `by ${node.name} at ${Date.now()}`, 1).catch(codeOf)) === 'NODE_CLONED'
      const stopped = await eventually(
        'one of them takes no writes any more',
        async () => ((await refuses(first)) ? first : (await refuses(double)) && double),
        60_000,
      )
      expect(performance.now() - startedAt).toBeLessThan(30_000)
      const { warnings } = await statusOf(stopped)
      expect(warnings.map(({ code }) => code)).toContain('cloned')
      const { stdout } = await lattice(['doctor', '--url', stopped.url], { env: stopped.plan.settings })
      expect(stdout).toContain('A second node has the key of this one')
      const other = stopped === first ? double : first
      await other.stop()
      await stopped.stop()
      await stopped.start()
      await put(stopped, 'after', 1)
      await equalRoots([stopped, second])
    },
    limitMs,
  )

  it(
    'takes one daemon at a time: the second ends with a clear code (S12)',
    async () => {
      const [node] = (await world.federation(1)) as [Daemon]
      const env = { LATTICE_STATE_DIR: node.plan.stateDir, LATTICE_HTTP_PORT: String(await freePort()) }
      const second = await lattice(['start'], { env })
      expect(second.code).toBe(1)
      expect(second.stdout + second.stderr).toContain('STORE_LOCKED')
      expect(await put(node, 'still', 1)).toBeDefined()
    },
    limitMs,
  )

  it(
    'without its key, or with one that others can read, does not start and is not given another (S18)',
    async () => {
      const [node] = (await world.federation(1)) as [Daemon]
      await node.stop()
      const key = join(node.plan.stateDir, 'identity.key')
      const start = async (): Promise<string> => {
        const child = launch(['start'], { env: node.plan.settings }, ['ignore', 'pipe', 'pipe'])
        let said = ''
        for (const stream of [child.stdout, child.stderr])
          stream?.setEncoding('utf8').on('data', (text: string) => void (said += text))
        expect(await new Promise(resolve => child.once('close', resolve))).toBeGreaterThan(0)
        return said
      }
      chmodSync(key, 0o644)
      expect(await start()).toContain('IDENTITY_INVALID')
      rmSync(key)
      expect(await start()).toContain('IDENTITY_INVALID')
      rmSync(join(node.plan.stateDir, 'store.db'))
      expect(await start()).toContain('IDENTITY_INVALID')
    },
    limitMs,
  )
})
