/**
 * One HTTP port, both lungs: libp2p's WebSockets share the port with REST and sync. Through a real TLS proxy:
 * full/one-port.test.ts.
 */
import { afterAll, describe, expect, it } from '@jest/globals'
import { World } from './daemons.ts'
import { arrives, equalRoots, metOverP2p, put } from './federation.ts'
import { travelsBy } from './changes.ts'

const world = new World()

afterAll(() => world.close())

describe('a node with one HTTP port and no other', () => {
  it('is a full P2P member: dialled by WebSocket there, it exchanges and gossips both ways', async () => {
    const [host, guest] = await world.federation(2, { start: 0 })
    if (host === undefined || guest === undefined) throw new Error('two nodes')
    const { port } = new URL(host.url)
    const announced = `/ip4/127.0.0.1/tcp/${port}/ws`
    await host.start({
      LATTICE_P2P_LISTEN: '',
      LATTICE_P2P_ANNOUNCE: announced,
      LATTICE_P2P_BOOTSTRAP: '',
      LATTICE_NODES: '',
    })
    await put(host, 'before', 'the guest came')
    await guest.start({
      LATTICE_P2P_LISTEN: '',
      LATTICE_P2P_BOOTSTRAP: `${announced}/p2p/${host.plan.identity.peerId}`,
      LATTICE_NODES: '',
    })
    await metOverP2p([host, guest])
    await arrives([guest], 'before', 'the guest came')
    expect(await travelsBy('p2p', host, guest, 'a')).toBe(true)
    expect(await travelsBy('p2p', guest, host, 'b')).toBe(true)
    await equalRoots([host, guest])
    expect((await host.client.getIdentity()).listen_addrs).toEqual([
      `${announced}/p2p/${host.plan.identity.peerId}`,
    ])
  })
})
