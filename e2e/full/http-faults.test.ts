/**
 * The HTTP lung behind a platform that sleeps (reliability H1) and a proxy that cuts answers short (H6). The
 * other rows: http-*.test.ts beside it.
 */
import { describe, expect, it } from '@jest/globals'
import { page } from '../chaos-proxy.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, put, statusOf, valueOf } from '../federation.ts'
import { reaches, rowOf, told, worldForTests } from '../http-world.ts'

const { start } = worldForTests()

/** The shortest pause between two tries at a sleeping peer, and the longest until it is found awake. */
const asleep = { pauseMs: 30_000, foundMs: 35_000 }

describe('H1: a Space that sleeps and wakes', () => {
  it('is asked every 30 s at most, shows as asleep without alarm, and is back after it woke', async () => {
    const { caller, server, proxy } = await start({ meet: false })
    proxy.weather = { answer: () => page(503) }
    await caller.start({ LATTICE_NODES: proxy.url })
    await told(caller, server, /asleep/)
    const seen = await rowOf(caller, server)
    expect(seen).toMatchObject({ path: 'none', asleep: true })
    const { warnings } = await statusOf(caller)
    expect(warnings.map(({ code, severity }) => [code, severity])).toEqual([['peer-asleep', 'low']])
    expect((await caller.client.getHealth()).status).toBe('healthy')
    await put(caller, 'while-asleep', 1)
    const tries = proxy.asked.length
    const asleepAt = proxy.asked.at(-1)?.atMono ?? 0
    expect(tries).toBe(1)

    proxy.weather = {}
    await reaches(caller, server, asleep.foundMs)
    await arrives([server], 'while-asleep', 1)
    const [next] = proxy.asked.slice(tries)
    expect((next?.atMono ?? 0) - asleepAt).toBeGreaterThanOrEqual(asleep.pauseMs)
    expect(await rowOf(caller, server)).not.toHaveProperty('asleep')
  }, 90_000)
})

describe('H6: an answer that ends in the middle of its body', () => {
  it('is discarded as a whole, and the batch arrives complete once answers are whole again', async () => {
    const { caller, server, proxy } = await start()
    const whole = 4000
    let cuts = 0
    proxy.weather = {
      truncateAt: ({ body }) => {
        if (body.length < whole) return undefined
        cuts++
        return body.length - 100
      },
    }
    const operations = Array.from({ length: 100 }, (_, index) => ({
      op: 'put' as const,
      key: `batch/${index}`,
      value: 'x'.repeat(100),
    }))
    await server.client.transact({ body: { operations } })
    await eventually('answers are cut twice', () => cuts >= 2)
    await told(caller, server, /cut/)
    expect(await valueOf(caller, 'batch/0')).toBeUndefined()
    expect((await statusOf(caller)).merkle_root).not.toBe((await statusOf(server)).merkle_root)
    const state = await caller.client.getState({ query: { prefix: 'batch/' } })
    expect('state_size' in state && state.state_size).toBe(0)
    proxy.weather = {}
    await equalRoots([caller, server], 30_000)
    expect(await valueOf(caller, 'batch/99')).toBe('x'.repeat(100))
  }, 60_000)
})
