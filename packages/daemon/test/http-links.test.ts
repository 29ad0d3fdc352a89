/** The links of the other nodes: asked politely, believed in form only, and never waited for. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { linksSchema } from '@lattice/api'
import type { NodeId, PeerStatus } from '@lattice/core'
import { MemoryNode, startWorld } from './http-world.ts'
import type { World } from './http-world.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const link = { state: 'up', rttMs: 7 } as const
const peer = (id: string): PeerStatus => ({
  nodeId: id.repeat(64) as NodeId,
  name: `node-${id}`,
  path: 'p2p',
  why: '',
  sinceWall: 0,
  links: { p2p: link, http: { state: 'down', lastError: 'refused' } },
})

async function world(
  peers: readonly PeerStatus[],
  urls: Readonly<Record<string, string>> = {},
): Promise<World> {
  const node = new MemoryNode()
  node.overlay = { peers }
  const made = await startWorld({
    node,
    peer: nodeId => {
      const url = urls[nodeId[0] ?? '']
      return { peerId: nodeId, addresses: [], ...(url === undefined ? {} : { url }) }
    },
  })
  closers.push(() => made.close())
  return made
}

async function stranger(
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server: Server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const linksOf = async (asked: World) => linksSchema.parse((await asked.ask('/api/lattice/links')).json)
const rowsOf = async (asked: World) => (await linksOf(asked)).rows

it('are what each of them says, and why where it says nothing', async () => {
  const other = await world([peer('a'), peer('d')])
  const closed = await stranger(() => undefined)
  await closers.pop()?.()
  const asked = await world([peer('b'), peer('c'), peer('d')], { b: other.url, c: closed })
  const [b, c, d] = await rowsOf(asked)
  expect(b).toMatchObject({ node_id: 'b'.repeat(64), name: 'node-b', why: null })
  expect(b?.links.map(({ node_id: id, p2p, http }) => [id[0], p2p.rtt_ms, http.last_error])).toEqual([
    ['a', 7, 'refused'],
    ['d', 7, 'refused'],
  ])
  expect(c).toMatchObject({ why: 'it does not answer over HTTP', links: [] })
  expect(d).toMatchObject({ why: 'no HTTP address of it is known', links: [] })
  // Without it nobody can tell which of their links are those to this node.
  expect((await linksOf(asked)).node_id).toBe(asked.node.id)
})

it('of somebody who answers nonsense are not known', async () => {
  const nonsense: Readonly<Record<string, (response: ServerResponse) => void>> = {
    'it answers HTTP 502': response => response.writeHead(502).end('bad gateway'),
    'its answer is not that of this version': response => response.end('{"peers":[{"node_id":"x"}]}'),
    'its answer cannot be read': response => response.end('<html>login</html>'),
    'it does not answer over HTTP': response => response.writeHead(302, { location: '/other' }).end(),
    'its answer is too large': response => {
      const chunk = Buffer.alloc(65_536, 0x20)
      const pour = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', pour)
      pour()
    },
  }
  for (const [why, serve] of Object.entries(nonsense)) {
    const url = await stranger((_request, response) => serve(response))
    const [row] = await rowsOf(await world([peer('b')], { b: url }))
    expect(row?.why).toBe(why)
  }
})

it('are asked for once, however many look', async () => {
  let asked = 0
  const url = await stranger((_request, response) => {
    asked += 1
    response.end('{}')
  })
  const here = await world([peer('b')], { b: url })
  await Promise.all(Array.from({ length: 30 }, () => here.ask('/api/lattice/links')))
  expect(asked).toBe(1)
})
