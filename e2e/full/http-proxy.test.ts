/** Proxies that buffer, close, race, rewrite and lie on the way between two nodes (H7, H8, H9, H12, H13). */
import { describe, expect, it } from '@jest/globals'
import { setTimeout as delay } from 'node:timers/promises'
import { corrupted } from '../chaos-proxy.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, put, statusOf, valueOf } from '../federation.ts'
import { reaches, rowOf, told, worldForTests } from '../http-world.ts'
import { createCa, startTlsProxy } from '../tls-proxy.ts'

const { world, open, start } = worldForTests()

describe('H7: a proxy that buffers streams', () => {
  it('changes arrive at once all the same, through the held poll', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = { buffers: true }
    await put(server, 'first', 0)
    await arrives([caller], 'first', 0)
    for (let turn = 1; turn <= 5; turn++) {
      await put(server, 'pushed', turn)
      expect(await arrives([caller], 'pushed', turn)).toBeLessThan(1500)
    }
  }, 40_000)

  it('the event stream forbids buffering and rewriting, and says something at least every 25 s', async () => {
    const { server, proxy } = await start()
    const ended = new AbortController()
    const response = await fetch(`${proxy.url}/api/lattice/events`, {
      headers: { accept: 'text/event-stream' },
      signal: ended.signal,
    })
    expect(response.headers.get('x-accel-buffering')).toBe('no')
    expect(response.headers.get('cache-control')).toContain('no-transform')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    const begun = performance.now()
    let text = ''
    while (!text.includes(': ping')) text += (await reader?.read())?.value ?? ''
    expect(performance.now() - begun).toBeLessThan(25_000)
    ended.abort()
    expect(server.isRunning).toBe(true)
  }, 40_000)
})

describe('H8: a proxy that closes what is idle', () => {
  it('never finds the connection of a node idle for 30 s', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = { idleCloseMs: 30_000 }
    await put(server, 'before', 1)
    await arrives([caller], 'before', 1)
    const { epoch } = (await caller.client.getTransitions()).transitions.at(-1) ?? { epoch: 0 }
    await delay(58_000)
    expect(proxy.idleClosed).toBe(0)
    expect((await rowOf(caller, server)).path).toBe('http')
    expect((await caller.client.getTransitions()).transitions.at(-1)?.epoch ?? 0).toBe(epoch)
    await put(server, 'after', 1)
    expect(await arrives([caller], 'after', 1)).toBeLessThan(1500)
  }, 90_000)
})

describe('H9: a connection closed just as it is used again', () => {
  it('is retried once, unseen: no error shows, no write is lost or doubled', async () => {
    const { caller, server, proxy } = await start()
    let races = 0
    proxy.weather = {
      reset: ({ earlier }) => (earlier > 0 && earlier % 2 === 1 ? (races++, 'before') : undefined),
    }
    const errors: string[] = []
    for (let turn = 1; turn <= 15; turn++) {
      await caller.client.transact({ body: { operations: [{ op: 'increment', key: 'sum', by: 1 }] } })
      await server.client.transact({ body: { operations: [{ op: 'increment', key: 'sum', by: 1 }] } })
      await equalRoots([caller, server])
      const { addresses, path, why } = await rowOf(caller, server)
      errors.push(...addresses.flatMap(({ last_error: error }) => error ?? []))
      if (path !== 'http') errors.push(why)
    }
    expect(races).toBeGreaterThan(3)
    expect(errors).toEqual([])
    expect([await valueOf(caller, 'sum'), await valueOf(server, 'sum')]).toEqual([30, 30])
  }, 60_000)
})

describe('H12: a certificate that has expired', () => {
  it('fails closed with the reason on both lungs; the node behind it is asked nothing', async () => {
    const [server, caller] = await world.federation(2, { start: 0 })
    if (server === undefined || caller === undefined) throw new Error('two nodes')
    open.push({ close: () => Promise.all([server.kill(), caller.kill()]) })
    const ca = await createCa(world.directory)
    const proxy = await startTlsProxy(
      world.directory,
      new URL(server.url).host,
      await ca.issue('localhost', 0),
    )
    open.push({ close: () => proxy.stop() })
    const quiet = { LATTICE_P2P_LISTEN: '', LATTICE_P2P_BOOTSTRAP: '', LATTICE_NODES: '' }
    await server.start({ ...quiet, LATTICE_LOG_LEVEL: 'debug' })
    await put(server, 'secret', 1)
    await caller.start({
      ...quiet,
      NODE_EXTRA_CA_CERTS: ca.certFile,
      LATTICE_NODES: proxy.url,
      LATTICE_P2P_BOOTSTRAP: `/dns4/localhost/tcp/${proxy.port}/tls/ws/p2p/${server.plan.identity.peerId}`,
    })
    await told(caller, server, /expired/)
    const row = await eventually('both lungs say so', async () => {
      const seen = await rowOf(caller, server)
      return seen.addresses.every(({ last_error: error }) => error?.includes('expired')) && seen
    })
    expect(row.addresses.map(({ path }) => path).sort()).toEqual(['http', 'p2p'])
    expect(row).toMatchObject({ path: 'none', last_seen: null })
    expect(await valueOf(caller, 'secret')).toBeUndefined()
    expect((await rowOf(server, caller)).last_seen).toBeNull()
  }, 60_000)
})

describe('H12: a certificate that ends soon', () => {
  it.each([
    ['in 10 days is a warning in status, health and log; sync goes on', 10],
    ['in 20 days is none', 20],
  ])(
    '%s',
    async (_, days) => {
      const [server, caller] = await world.federation(2, { start: 0 })
      if (server === undefined || caller === undefined) throw new Error('two nodes')
      open.push({ close: () => Promise.all([server.kill(), caller.kill()]) })
      const ca = await createCa(world.directory)
      const upstream = new URL(server.url).host
      const proxy = await startTlsProxy(world.directory, upstream, await ca.issue('localhost', days))
      open.push({ close: () => proxy.stop() })
      const httpOnly = { LATTICE_P2P_ENABLED: 'false', LATTICE_NODES: '' }
      await server.start(httpOnly)
      await caller.start({ ...httpOnly, NODE_EXTRA_CA_CERTS: ca.certFile, LATTICE_NODES: proxy.url })
      await put(server, `behind-tls/${days}`, days)
      await arrives([caller], `behind-tls/${days}`, days)
      const { warnings } = await statusOf(caller)
      const health = await caller.client.getHealthReport()
      const said = {
        status: warnings.some(
          ({ code, text }) => code === 'certificate-expiring' && text.includes(proxy.url),
        ),
        health: health.components.http_sync.reason.includes('certificate'),
        log: caller.log.includes('certificate-expiring'),
      }
      const soon = days <= 14
      expect(said).toEqual({ status: soon, health: soon, log: soon })
    },
    120_000,
  )
})

describe('H13: a proxy that rewrites', () => {
  it('may change the host name and add or drop headers that say nothing of the message', async () => {
    const { caller, server, proxy } = await start()
    proxy.weather = {
      editRequest: asked => {
        const { 'user-agent': _, 'accept-encoding': _encoding, ...headers } = asked.headers
        const forwarded = {
          'x-forwarded-for': '203.0.113.9',
          via: '1.1 edge',
          'x-forwarded-host': 'a.example',
        }
        return { ...asked, headers: { ...headers, host: 'inner.example:7860', ...forwarded } }
      },
      editAnswer: answer => ({
        ...answer,
        headers: { ...answer.headers, server: 'edge', via: '1.1 edge', 'x-request-id': '1' },
      }),
    }
    await put(caller, 'there', 1)
    await arrives([server], 'there', 1)
    await put(server, 'back', 2)
    await arrives([caller], 'back', 2)
    expect((await rowOf(caller, server)).path).toBe('http')
  }, 40_000)

  it.each([
    ['the body of a request', /Content-Digest|changed/],
    ['the path of a request', /signature|404|no Lattice node/i],
    ['the body of an answer', /changed or cut/],
    ['the destination', /X-Node-Dest|PEER_MISMATCH|signature/i],
  ])(
    'may not change %s',
    async (what, reason) => {
      const { caller, server, proxy } = await start()
      const { merkle_root: before } = await statusOf(server)
      const isSync = (path: string): boolean => path.startsWith('/sync/')
      proxy.weather = {
        editRequest: asked => {
          if (!isSync(asked.path)) return asked
          if (what.startsWith('the body of a req')) return { ...asked, body: corrupted(asked.body) }
          if (what.startsWith('the path')) return { ...asked, path: `${asked.path}?edge=1` }
          if (what !== 'the destination') return asked
          return { ...asked, headers: { ...asked.headers, 'x-node-dest': 'ab'.repeat(32) } }
        },
        editAnswer: (answer, { path }) =>
          what === 'the body of an answer' && isSync(path)
            ? { ...answer, body: corrupted(answer.body) }
            : answer,
      }
      await put(caller, 'unseen', 1)
      expect(await told(caller, server, reason)).toMatch(reason)
      const { merkle_root: after } = await statusOf(server)
      expect(after === before || what === 'the body of an answer').toBe(true)
      proxy.weather = {}
      await reaches(caller, server)
      await equalRoots([caller, server])
    },
    40_000,
  )
})
