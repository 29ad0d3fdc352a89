/** What stands in front of a node answers instead of it (reliability H1, H2, H5, H10, H11, H17). */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { page } from '../chaos-proxy.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, inPhase, put, statusOf, valueOf } from '../federation.ts'
import { reaches, rowOf, told, worldForTests } from '../http-world.ts'

const { world, open, start } = worldForTests()

describe('H1: a host that says when to come back', () => {
  it('is not asked before, and a third node is served meanwhile', async () => {
    const { caller, server, proxy } = await start({ meet: false })
    const [third] = await world.federation(1, { start: 0 })
    if (third === undefined) throw new Error('a node')
    const keys = [caller, server].map(({ plan }) => plan.identity.publicKey)
    const alone = {
      LATTICE_P2P_ENABLED: 'false',
      LATTICE_P2P_BOOTSTRAP: '',
      LATTICE_TRUSTED_KEYS: keys.join(),
    }
    await third.start(alone)
    proxy.weather = { answer: () => page(503, { 'retry-after': '40' }) }
    await caller.start({
      LATTICE_NODES: `${proxy.url},${third.url}`,
      LATTICE_TRUSTED_KEYS: [server, third].map(({ plan }) => plan.identity.publicKey).join(),
    })
    await told(caller, server, /asleep/)
    await reaches(caller, third)
    await put(caller, 'meanwhile', 1)
    await arrives([third], 'meanwhile', 1, 3000)
    const { length } = proxy.asked
    const asleepAt = proxy.asked.at(-1)?.atMono ?? 0
    await eventually('the host is asked again', () => proxy.asked.length > length, 45_000)
    expect((proxy.asked[length]?.atMono ?? 0) - asleepAt).toBeGreaterThanOrEqual(40_000)
  }, 80_000)
})

describe('H2: 429 with Retry-After', () => {
  it('slows down until the reset, and loses nothing', async () => {
    const { caller, server, proxy } = await start()
    let limitedAt: number | undefined
    let resetAt = Infinity
    proxy.weather = {
      answer: ({ atMono }) => {
        if (atMono >= resetAt) return undefined
        if (limitedAt === undefined) {
          limitedAt = atMono
          resetAt = atMono + 4000
        }
        return page(429, { 'retry-after': '4', ratelimit: '"default";r=0;t=4' })
      },
    }
    await put(caller, 'limited', 1)
    await put(server, 'limited-too', 2)
    await told(caller, server, /too many requests/)
    const waited = await arrives([server], 'limited', 1)
    await arrives([caller], 'limited-too', 2)
    await equalRoots([caller, server])
    expect(waited).toBeGreaterThan(2000)
    const early = proxy.asked.filter(({ atMono }) => atMono > (limitedAt ?? 0) + 50 && atMono < resetAt)
    expect(early).toEqual([])
  }, 40_000)
})

describe('H5: bursts of 502 and 504', () => {
  it('repeat requests whose effect may already stand, and no effect is doubled', async () => {
    const { caller, server, proxy } = await start()
    let count = 0
    // The upstream has served the request; the caller cannot know.
    proxy.weather = { editAnswer: answer => (++count % 3 === 0 ? answer : page(count % 2 === 0 ? 502 : 504)) }
    const increment = { operations: [{ op: 'increment' as const, key: 'sum', by: 1 }] }
    let turns = 0
    await eventually('answers were lost', async () => {
      await caller.client.transact({ body: increment })
      await server.client.transact({ body: increment })
      turns++
      return count >= 6
    })
    await told(caller, server, /not the peer \(50[24]\)/)
    proxy.weather = {}
    await equalRoots([caller, server], 30_000)
    expect([await valueOf(caller, 'sum'), await valueOf(server, 'sum')]).toEqual([2 * turns, 2 * turns])
  }, 60_000)

  it('that hit every second answer cost no more requests than calm weather and a tenth', async () => {
    const { caller, server, proxy } = await start({ settings: { LATTICE_REDIAL_MAX: '10s' } })
    const asked = async (key: string): Promise<number> => {
      const { length } = proxy.asked
      for (let turn = 0; turn < 100; turn++) {
        await put(caller, `${key}/${turn}`, turn)
        await delay(100)
      }
      return proxy.asked.length - length
    }
    const calm = await asked('calm')
    let answers = 0
    proxy.weather = { editAnswer: answer => (++answers % 2 === 0 ? answer : page(502)) }
    const stormy = await asked('stormy')
    proxy.weather = {}
    expect(answers).toBeGreaterThan(0)
    expect(stormy).toBeLessThanOrEqual(1.1 * calm)
    await arrives([server], 'stormy/99', 99, 30_000)
    await equalRoots([caller, server])
  }, 90_000)
})

describe('H10: an HTML page with status 200', () => {
  it('is a failure with a reason, and nothing of it is applied', async () => {
    const { caller, server, proxy } = await start()
    const { merkle_root: before } = await statusOf(caller)
    proxy.weather = { answer: () => page(200) }
    await put(server, 'hidden', 1)
    expect(await told(caller, server, /200 with text\/html|no Lattice node/)).not.toBe('')
    await eventually('no path is left', async () => (await rowOf(caller, server)).path === 'none')
    expect((await statusOf(caller)).merkle_root).toBe(before)
    proxy.weather = {}
    await arrives([caller], 'hidden', 1)
  }, 40_000)
})

describe('H11: redirects', () => {
  it('to another host or a metadata address are never followed', async () => {
    const { caller, server, proxy } = await start()
    let hits = 0
    const target = createServer((_request, response) => {
      hits++
      response.end('{}')
    })
    target.listen(0, '127.0.0.1')
    await new Promise(resolve => target.once('listening', resolve))
    open.push({ close: () => new Promise(resolve => target.close(resolve)) })
    const elsewhere = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`
    const places = [elsewhere, 'http://169.254.169.254/latest/meta-data/']
    let count = 0
    proxy.weather = {
      answer: () => page([301, 302, 307, 308][count % 4] ?? 302, { location: places[count++ % 2] ?? '' }),
    }
    await put(caller, 'here', 1)
    await told(caller, server, /redirects \(30[1278]\), and redirects are never followed/)
    await eventually('all four kinds were met', () => count >= 4)
    expect(hits).toBe(0)
    expect(await valueOf(server, 'here')).toBeUndefined()
    proxy.weather = {}
    await arrives([server], 'here', 1)
  }, 40_000)
})

describe('H17: the fallback is down everywhere', () => {
  it('the node is isolated: writers notice nothing, and what they wrote arrives later', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = { reset: () => 'before' }
    await inPhase(caller, 'NONE', 30_000)
    const slowest = { ms: 0 }
    for (let turn = 0; turn < 100; turn++) {
      const begun = performance.now()
      await put(caller, `queued/${turn}`, turn)
      slowest.ms = Math.max(slowest.ms, performance.now() - begun)
    }
    expect(slowest.ms).toBeLessThan(1000)
    await eventually('the node says that it is isolated', async () =>
      (await statusOf(caller)).warnings.some(({ code }) => code === 'isolated'),
    )
    proxy.weather = {}
    await equalRoots([caller, server], 30_000)
    expect(await valueOf(server, 'queued/99')).toBe(99)
  }, 80_000)
})
