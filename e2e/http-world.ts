/** Two daemons that know each other over HTTP alone, one of them only through a chaos proxy. */
import { afterAll, afterEach } from '@jest/globals'
import { startChaosProxy } from './chaos-proxy.ts'
import type { ChaosProxy } from './chaos-proxy.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'
import type { Settings } from './command.ts'
import { inPhase } from './federation.ts'

/** One entry of `GET /api/lattice/peers`. */
export type PeerRow = Awaited<ReturnType<Daemon['client']['getPeers']>>['peers'][number]

/** The caller dials the server through the proxy; the server dials nobody. */
export interface Behind {
  readonly caller: Daemon
  readonly server: Daemon
  readonly proxy: ChaosProxy
  close(): Promise<void>
}

/** What the tests of one file work with. */
export interface TestWorld {
  readonly world: World
  /** Closed after the test that adds it. */
  readonly open: { close(): Promise<unknown> }[]
  /** As `behindProxy`, for one test. */
  readonly start: (how?: Parameters<typeof behindProxy>[1]) => Promise<Behind>
}

/** A world for the tests of this file, which ends with them. */
export function worldForTests(): TestWorld {
  const world = new World()
  const open: TestWorld['open'] = []
  afterAll(() => world.close())
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close()
  })
  const start: TestWorld['start'] = async how => {
    const behind = await behindProxy(world, how)
    open.push(behind)
    return behind
  }
  return { world, open, start }
}

/** Starts both; resolves once they have met over HTTP, unless `meet` is false. */
async function behindProxy(
  world: World,
  how: { readonly meet?: boolean; readonly settings?: Settings } = {},
): Promise<Behind> {
  const settings = { LATTICE_P2P_ENABLED: 'false', LATTICE_NODES: '', ...how.settings }
  const [caller, server] = await world.federation(2, { start: 0, settings })
  if (caller === undefined || server === undefined) throw new Error('two nodes')
  const proxy = await startChaosProxy(server.url)
  if (how.meet === false) await server.start()
  else {
    await Promise.all([server.start(), caller.start({ LATTICE_NODES: proxy.url })])
    await inPhase(caller, 'HTTP')
  }
  const close = async (): Promise<void> => {
    await Promise.all([caller.kill(), server.kill()])
    await proxy.close()
  }
  return { caller, server, proxy, close }
}

/** How one node sees another. */
export async function rowOf(node: Daemon, other: Daemon): Promise<PeerRow> {
  const { peers } = await node.client.getPeers()
  const row = peers.find(({ node_id: id }) => id === other.plan.identity.publicKey)
  if (row === undefined) throw new Error(`${node.name} does not list ${other.name}`)
  return row
}

/** Waits until a node says something about another: in its reason, or as the last error of an address. */
export function told(node: Daemon, other: Daemon, pattern: RegExp, limitMs = 15_000): Promise<string> {
  const look = async (): Promise<string> => {
    const row = await rowOf(node, other)
    const texts = [row.why, ...row.addresses.map(({ last_error: error }) => error ?? '')]
    const found = texts.find(text => pattern.test(text))
    if (found === undefined) throw new Error(texts.join(' | '))
    return found
  }
  return eventually(`${node.name} says ${String(pattern)} of ${other.name}`, look, limitMs)
}

/** Waits until a node reaches another over HTTP. */
export function reaches(node: Daemon, other: Daemon, limitMs = 15_000): Promise<true> {
  const look = async (): Promise<true> => {
    const { path, why } = await rowOf(node, other)
    if (path === 'http') return true
    throw new Error(`${path}: ${why}`)
  }
  return eventually(`${node.name} reaches ${other.name} over HTTP`, look, limitMs)
}
