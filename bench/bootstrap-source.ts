/**
 * The node that an empty one is filled from, in a process of its own: over the store in the directory given,
 * behind a proxy that counts every byte. Tells its parent the port of the proxy, and the bytes when asked.
 */
import { identityFromSeed } from '@lattice/daemon'
import type { NodeId } from '@lattice/core'
import { freePorts } from './daemon-process.ts'
import { startSocketNode } from './socket-node.ts'
import { openTcpProxy } from './tcp-proxy.ts'

/** What the source tells its parent. */
export interface SourceWord {
  readonly port?: number
  readonly bytes?: number
}

const [directory = '', seed = '', taker = '', kind = 'p2p'] = process.argv.slice(2)
const identity = identityFromSeed(Buffer.from(seed, 'hex'), 'generated')
const [httpPort = 0, p2pPort = 0] = await freePorts(2)
const proxy = await openTcpProxy(() => (kind === 'p2p' ? p2pPort : httpPort))
const node = await startSocketNode({
  identity,
  trusted: new Set([identity.nodeId, taker as NodeId]),
  directory,
  httpPort,
  p2pPort,
  ...(kind === 'p2p' ? { p2pBootstrap: [] } : {}),
})
const tell = (word: SourceWord): void => void process.send?.(word)
process.on('message', () => tell({ bytes: proxy.bytes() }))
process.on('disconnect', () => void Promise.all([node.stop(), proxy.close()]).then(() => process.exit()))
tell({ port: proxy.port })
