/** A node is taken out for good, and another one joins: what the first has written stays good. */
import { afterAll, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { equalRoots, metOverP2p, put, rootOf, statusOf, valueOf } from '../federation.ts'

const world = new World()
afterAll(() => world.close())

it('a node that joins later takes in what a former member has written, once it is told of it', async () => {
  const nodes = (await world.federation(4, { start: 0 })) as [Daemon, Daemon, Daemon, Daemon]
  const [one, two, leaving, joining] = nodes
  const trusting = (...all: readonly Daemon[]): Record<string, string> => ({
    LATTICE_TRUSTED_KEYS: all.map(node => node.plan.identity.peerId).join(','),
  })
  const before = [one, two, leaving]
  await Promise.all(before.map(node => node.start(trusting(...before))))
  await metOverP2p(before)
  await put(leaving, 'by-the-former', 'still good')
  await equalRoots(before)
  await leaving.stop()
  const after = [one, two, joining]
  const former = { LATTICE_FORMER_KEYS: leaving.plan.identity.peerId }
  for (const node of [one, two]) {
    await node.stop()
    await node.start({ ...trusting(...after), ...former })
  }
  await joining.start(trusting(...after))
  await metOverP2p(after)
  await put(one, 'by-a-member', 1)
  await eventually('the newcomer has the rest', async () => (await valueOf(joining, 'by-a-member')) === 1)
  expect(await valueOf(joining, 'by-the-former')).toBeUndefined()
  expect(await rootOf(joining)).not.toBe(await rootOf(one))

  await joining.stop()
  await joining.start({ ...trusting(...after), ...former })
  await equalRoots(after, 60_000)
  expect(await valueOf(joining, 'by-the-former')).toBe('still good')

  // The former member itself is turned away.
  await leaving.start(trusting(...nodes))
  await put(leaving, 'too-late', true)
  await eventually('it is told so', async () => {
    const { peers } = await leaving.client.getPeers()
    return peers.flatMap(peer => peer.addresses).some(each => /trust/.test(each.last_error ?? ''))
  })
  expect(await statusOf(leaving)).toMatchObject({ peer_count: 0 })
  for (const node of after) expect(await valueOf(node, 'too-late')).toBeUndefined()
}, 180_000)
