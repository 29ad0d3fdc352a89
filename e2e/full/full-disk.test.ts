/** A real disk that is really full, or cannot be written at all (reliability S3, S14). */
import { afterAll, describe, expect, it } from '@jest/globals'
import { launch } from '../command.ts'
import { quick, settingsOf, World, type Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, codeOf, equalRoots, put, valueOf } from '../federation.ts'
import { freePort } from '../ports.ts'
import { SmallDisk, smallDiskMissing } from '../small-disk.ts'

const missing = smallDiskMissing()
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)
if (missing !== undefined) console.warn(`skipped: ${missing}`)
const where = missing === undefined ? describe : describe.skip

const limitMs = 120_000
/** Room for a store with its log, and little more. */
const diskMib = 24
const large = 'x'.repeat(100_000)

const world = new World()
const disks: SmallDisk[] = []

afterAll(async () => {
  await world.close()
  await Promise.all(disks.map(disk => disk.close()))
})

/** Two nodes that trust each other, the first on a small disk; all are started, or those from `start` on. */
async function pairOnSmallDisk({ start = 0 } = {}): Promise<{
  disk: SmallDisk
  nodes: readonly [Daemon, Daemon]
}> {
  const drafts = await Promise.all(
    [`small${disks.length}`, `roomy${disks.length}`].map(async name => {
      const [made, http, p2p] = await Promise.all([world.identity(name), freePort(), freePort()])
      return { name, ...made, url: `http://127.0.0.1:${http}`, p2pAddress: `/ip4/127.0.0.1/tcp/${p2p}` }
    }),
  )
  const disk = await SmallDisk.open(drafts[0]?.stateDir ?? '', diskMib)
  disks.push(disk)
  const nodes = drafts.map((draft, index) =>
    world.daemon({
      ...draft,
      settings: { ...settingsOf(draft, drafts), ...quick },
      ...(index === 0 ? { within: disk.within } : {}),
    }),
  )
  const [first, second] = nodes as [Daemon, Daemon]
  await Promise.all(nodes.slice(start).map(node => node.start()))
  return { disk, nodes: [first, second] }
}

where('a full disk', () => {
  it(
    'refuses writes with 507, keeps what it acknowledged, takes deletes, and comes back by itself',
    async () => {
      const { disk, nodes } = await pairOnSmallDisk()
      const [first, second] = nodes
      const acknowledged: string[] = []
      const fillUp = async (): Promise<unknown> => {
        for (let at = 0; at < 500; at++) {
          await put(first, `k${at}`, large)
          acknowledged.push(`k${at}`)
        }
        return undefined
      }
      await put(first, 'kept', 1)
      disk.fill(3_000)
      const refusal = await fillUp().catch((error: unknown) => error)
      expect([codeOf(refusal), (refusal as { status?: number }).status]).toEqual(['STORE_FULL', 507])
      // Small ones are refused too from now on, without asking the disk.
      expect(codeOf(await put(first, 'small', 1).catch((error: unknown) => error))).toBe('STORE_FULL')
      expect(first.isRunning).toBe(true)
      const health = await first.client.getHealthReport()
      expect(health).toMatchObject({
        overall: 'degraded',
        components: { persistence: { status: 'degraded' } },
      })
      const { warnings } = await first.client.getP2pStatus()
      expect(warnings.map(({ code }) => code)).toContain('disk-full')
      expect(warnings.map(({ code }) => code)).not.toContain('store-damaged')
      await first.client.deleteKey({ params: { key: 'kept' } })
      for (const key of acknowledged) expect(await valueOf(first, key)).toBe(large)
      disk.clear()
      await eventually('writes are taken again', () => put(first, 'after', 2).catch(() => false), 30_000)
      await arrives([second], 'after', 2)
      await equalRoots(nodes)
      await first.kill()
      await first.start()
      for (const key of acknowledged) expect(await valueOf(first, key)).toBe(large)
      expect(await valueOf(first, 'kept')).toBeUndefined()
      expect((await first.client.getP2pStatus()).warnings.map(({ code }) => code)).not.toContain('disk-full')
    },
    limitMs,
  )
})

where('a disk that another node fills', () => {
  it(
    'keeps room for deletes, lets the node start anew, and is filled on once there is more',
    async () => {
      const { disk, nodes } = await pairOnSmallDisk({ start: 1 })
      const [small, roomy] = nodes
      for (let number = 0; number < 40; number++) {
        const value = large.slice(0, 80_000)
        const puts = Array.from({ length: 10 }, (_, at) => `${number}/${at}`)
        const operations = puts.map(key => ({ op: 'put' as const, key, value }))
        await roomy.client.transact({ body: { operations } })
      }
      await small.start()
      const warns = async (): Promise<boolean> =>
        (await small.client.getP2pStatus()).warnings.some(({ code }) => code === 'disk-full')
      await eventually('its disk is full', warns, 60_000)
      const remove = (key: string): Promise<unknown> =>
        small.client.deleteKey({ params: { key } }).catch(() => false)
      // What came while the disk refused a batch is refused with it.
      await eventually('a delete is taken', () => remove('0/0'), 10_000)
      await small.kill()
      await small.start()
      await eventually('a delete is taken anew', () => remove('0/1'), 10_000)
      expect(await valueOf(small, '0/0')).toBeUndefined()
      disk.resize(200)
      await equalRoots(nodes, 60_000)
      expect(await valueOf(roomy, '0/1')).toBeUndefined()
      await eventually('it says so', async () => !(await warns()), 30_000)
    },
    limitMs,
  )
})

where('a disk that cannot be written at all', () => {
  it(
    'ends the start with a clear error and a code, not with a node that pretends (S14)',
    async () => {
      const made = await world.identity('sealed')
      const disk = await SmallDisk.open(made.stateDir, diskMib)
      disks.push(disk)
      disk.remount('ro')
      const env = { LATTICE_STATE_DIR: made.stateDir, LATTICE_HTTP_PORT: String(await freePort()) }
      const child = launch(['start'], { env, within: disk.within }, ['ignore', 'pipe', 'pipe'])
      let said = ''
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => void (said += text))
      const code = await new Promise(resolve => child.once('close', resolve))
      expect(code).toBeGreaterThan(0)
      expect(said).toContain('STATE_DIR_UNUSABLE')
      expect(said).toContain(made.stateDir)
    },
    limitMs,
  )
})
