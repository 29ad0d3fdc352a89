/** Who is let in: members, and nobody else; and a node without any trusted key refuses all sync. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'
import { equalRoots, metOverP2p, put, rootOf, statusOf, valueOf } from './federation.ts'
import { createSigner, sendFrame } from './signed-request.ts'

const world = new World()
let one: Daemon
let two: Daemon
let stranger: Daemon
/** Trusts nobody; `admirer` trusts it and tries to reach it. */
let hermit: Daemon
let admirer: Daemon

beforeAll(async () => {
  const [members, loners] = await Promise.all([
    world.federation(3, { start: 0 }),
    world.federation(2, { start: 0, each: [{ LATTICE_TRUSTED_KEYS: '', LATTICE_NODES: '' }] }),
  ])
  ;[one, two, stranger] = members as [Daemon, Daemon, Daemon]
  ;[hermit, admirer] = loners as [Daemon, Daemon]
  const trusted = { LATTICE_TRUSTED_KEYS: [one, two].map(node => node.plan.identity.peerId).join(',') }
  await Promise.all([one.start(trusted), two.start(trusted), hermit.start()])
  // After those they try to reach: their first tries meet a refusal, not a closed port.
  await Promise.all([stranger.start(), admirer.start()])
}, 90_000)

afterAll(() => world.close())

describe('an untrusted node', () => {
  it('gets nothing over either path, gives nothing, and learns why', async () => {
    await metOverP2p([one, two])
    await put(one, 'secret', 42)
    await put(stranger, 'spoof', 'from outside')
    const addresses = await eventually('the stranger is told why', async () => {
      const { peers } = await stranger.client.getPeers()
      const told = peers.flatMap(peer => peer.addresses).filter(({ last_error }) => last_error !== null)
      const overHttp = told.filter(({ path }) => path === 'http').map(each => each.last_error)
      return (
        told.some(({ path }) => path === 'p2p') && overHttp.some(text => /trust/.test(text ?? '')) && told
      )
    })
    expect(addresses.map(({ path }) => path)).toEqual(expect.arrayContaining(['p2p', 'http']))
    expect(await statusOf(stranger)).toMatchObject({ peer_count: 0, sync_mode: 'NONE' })
    expect(await valueOf(stranger, 'secret')).toBeUndefined()
    for (const node of [one, two]) {
      expect(await valueOf(node, 'spoof')).toBeUndefined()
      expect(await statusOf(node)).toMatchObject({ peer_count: 1, phase: 'P2P' })
      const { peers } = await node.client.getPeers()
      expect(peers.map(peer => peer.node_id)).not.toContain(stranger.plan.identity.publicKey)
    }
    expect(await rootOf(stranger)).not.toBe(await equalRoots([one, two]))
  }, 60_000)
})

describe('a node without trusted keys', () => {
  it('serves its own clients', async () => {
    await put(hermit, 'mine', [1, 2, 3])
    expect(await valueOf(hermit, 'mine')).toEqual([1, 2, 3])
  })

  it('refuses every signed request with 401', async () => {
    const signer = createSigner()
    const answer = await sendFrame(hermit.url, {
      signer,
      dest: hermit.plan.identity.publicKey,
      body: new Uint8Array([1]),
    })
    expect(answer).toMatchObject({ status: 401, code: 'NOT_TRUSTED' })
  })

  it('refuses libp2p dials and HTTP of a node that trusts it', async () => {
    await put(admirer, 'gift', 'unwanted')
    await eventually('the dial is refused', async () => {
      const { peers } = await admirer.client.getPeers()
      const told = peers.flatMap(peer => peer.addresses)
      return ['p2p', 'http'].every(path => told.some(each => each.path === path && each.last_error !== null))
    })
    expect(await statusOf(admirer)).toMatchObject({ peer_count: 0, sync_mode: 'NONE' })
    expect(await valueOf(hermit, 'gift')).toBeUndefined()
    expect(await valueOf(admirer, 'mine')).toBeUndefined()
  })

  it('says why in status and log', async () => {
    const { warnings } = await statusOf(hermit)
    expect(warnings.map(({ code }) => code)).toContain('no-trusted-keys')
    expect((await hermit.client.getStatus()).safe_mode).toBe(true)
    expect(hermit.log).toMatch(/no trusted keys: this node serves its own clients and refuses all sync/)
  })
})
