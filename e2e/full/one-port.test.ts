/**
 * A host with a single port behind a TLS proxy, as on a Hugging Face Space: a full member over both lungs.
 *
 * nginx ends TLS with a certificate that only a test CA vouches for; the nodes behind a NAT only dial out.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { travelsBy } from '../changes.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, inPhase, metOverP2p, put, valueOf } from '../federation.ts'
import { createCa, startTlsProxy } from '../tls-proxy.ts'
import type { TestCa, TlsProxy } from '../tls-proxy.ts'

const world = new World()
let ca: TestCa
const proxies: TlsProxy[] = []

beforeAll(async () => {
  ca = await createCa(world.directory)
})
afterAll(async () => {
  await world.close()
  await Promise.all(proxies.map(proxy => proxy.stop()))
})

async function behindTls(node: Daemon, hostName = 'localhost', days = 1): Promise<TlsProxy> {
  const proxy = await startTlsProxy(world.directory, new URL(node.url).host, await ca.issue(hostName, days))
  proxies.push(proxy)
  return proxy
}

/** Three nodes; only the first can be reached, and only through its proxy. The third has no P2P at all. */
async function triangle(): Promise<{ space: Daemon; server: Daemon; httpOnly: Daemon; proxy: TlsProxy }> {
  const [space, server, httpOnly] = await world.federation(3, { start: 0 })
  if (space === undefined || server === undefined || httpOnly === undefined) throw new Error('three nodes')
  const proxy = await behindTls(space)
  const announced = `/dns4/localhost/tcp/${proxy.port}/tls/ws`
  const alone = { LATTICE_P2P_LISTEN: '', LATTICE_P2P_BOOTSTRAP: '', LATTICE_NODES: '' }
  const outward = { ...alone, LATTICE_NODES: proxy.url, NODE_EXTRA_CA_CERTS: ca.certFile }
  await space.start({ ...alone, LATTICE_P2P_ANNOUNCE: announced })
  await Promise.all([
    server.start({ ...outward, LATTICE_P2P_BOOTSTRAP: `${announced}/p2p/${space.plan.identity.peerId}` }),
    httpOnly.start({ ...outward, LATTICE_P2P_ENABLED: 'false' }),
  ])
  return { space, server, httpOnly, proxy }
}

describe('one HTTP port behind a TLS proxy', () => {
  it('carries P2P, HTTP sync through https, and both at once, in every direction', async () => {
    const { space, server, httpOnly, proxy } = await triangle()

    await metOverP2p([space, server], 1)
    const identity = await space.client.getIdentity()
    expect(identity.listen_addrs).toEqual([
      `/dns4/localhost/tcp/${proxy.port}/tls/ws/p2p/${space.plan.identity.peerId}`,
    ])
    expect(await travelsBy('p2p', space, server, 'gossip/out')).toBe(true)
    expect(await travelsBy('p2p', server, space, 'gossip/in')).toBe(true)

    await inPhase(httpOnly, 'HTTP')
    expect(await travelsBy('http', space, httpOnly, 'https/out')).toBe(true)
    expect(await travelsBy('http', httpOnly, space, 'https/in')).toBe(true)
    await put(httpOnly, 'relayed', 'from the node without P2P')
    await arrives([server], 'relayed', 'from the node without P2P')

    await server.client.switchMode({ query: { mode: 'http' } })
    expect(await travelsBy('http', server, space, 'forced/in')).toBe(true)
    expect(await travelsBy('http', space, server, 'forced/out')).toBe(true)
    await server.client.switchMode({ query: { mode: 'auto' } })
    await metOverP2p([space, server], 1)
    await equalRoots([space, server, httpOnly])
  }, 90_000)

  it('is never trusted with another name or a foreign CA: both lungs say why and send nothing', async () => {
    const [space, stranger, misled] = await world.federation(3, { start: 0 })
    if (space === undefined || stranger === undefined || misled === undefined) throw new Error('three nodes')
    const [proxy, misnamed] = await Promise.all([behindTls(space), behindTls(space, 'elsewhere.example')])
    const alone = { LATTICE_P2P_LISTEN: '', LATTICE_P2P_BOOTSTRAP: '', LATTICE_NODES: '' }
    const towards = (to: TlsProxy): Record<string, string> => ({
      ...alone,
      LATTICE_NODES: to.url,
      LATTICE_P2P_BOOTSTRAP: `/dns4/localhost/tcp/${to.port}/tls/ws/p2p/${space.plan.identity.peerId}`,
    })
    await space.start(alone)
    await Promise.all([
      stranger.start(towards(proxy)),
      misled.start({ ...towards(misnamed), NODE_EXTRA_CA_CERTS: ca.certFile }),
    ])
    await put(space, 'secret', 1)
    for (const [node, cause] of [
      [stranger, /unknown CA|chain is incomplete/],
      [misled, /another host name/],
    ] as const) {
      const errors = await eventually(`${node.name} says why`, async () => {
        const { peers } = await node.client.getPeers()
        const addresses = peers.find(({ peer_id: id }) => id === space.plan.identity.peerId)?.addresses ?? []
        const told = new Map(addresses.map(({ path, last_error: error }) => [path, error ?? '']))
        return cause.test(told.get('http') ?? '') && (told.get('p2p') ?? '') !== '' && told
      })
      expect(errors.get('p2p')).toMatch(/certificate/)
      expect((await node.client.getP2pStatus()).phase).toBe('NONE')
      expect(await valueOf(node, 'secret')).toBeUndefined()
    }
  }, 60_000)
})
