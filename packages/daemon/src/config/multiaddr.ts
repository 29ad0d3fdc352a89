/**
 * Checks the multiaddrs this node understands: TCP, or WebSocket over TCP, perhaps behind TLS. Anything
 * else would be taken by libp2p's parser and then never dialled, so it is refused here, with the part that
 * does not fit.
 *
 * Source: https://github.com/multiformats/multiaddr
 */
import { isIPv4, isIPv6 } from 'node:net'

import type { NodeId } from '@lattice/core'

import { nodeIdFromPeerId } from '../host/peer-id.ts'

/** A well-formed address, taken apart. */
export interface MultiaddrParts {
  readonly host: string
  readonly port: number
  readonly webSocket: boolean
  readonly peerId?: string
  readonly nodeId?: NodeId
}

const hostNamePattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i
const hostChecks: Readonly<Record<string, (host: string) => boolean>> = {
  ip4: isIPv4,
  ip6: isIPv6,
  dns: host => hostNamePattern.test(host),
  dns4: host => hostNamePattern.test(host),
  dns6: host => hostNamePattern.test(host),
}
const example = 'write one like /ip4/192.0.2.1/tcp/9000 or /dns4/node.example.org/tcp/443/tls/ws'

/** Takes an address apart, or says which part of it does not fit. */
export function parseMultiaddr(text: string): MultiaddrParts | { readonly fault: string } {
  const shown = JSON.stringify(text)
  const parts = text.replace(/\/+$/, '').split('/')
  const [lead, family = '', host = '', tcp, portText = '', ...rest] = parts
  const check = hostChecks[family]
  if (lead !== '' || check === undefined) return { fault: `${shown} is not a multiaddr; ${example}` }
  if (!check(host)) return { fault: `${shown}: ${JSON.stringify(host)} is not a valid /${family} host` }
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : -1
  if (tcp !== 'tcp' || port < 0 || port > 65_535) {
    return {
      fault: `${shown}: /tcp/<port 0 to 65535> must follow the host; only TCP and WebSocket are spoken`,
    }
  }
  const webSocket = takeWebSocket(rest)
  const peer = takePeer(rest)
  if (peer !== undefined && 'fault' in peer) return { fault: `${shown}: ${peer.fault}` }
  if (rest.length > 0) return { fault: `${shown}: /${rest.join('/')} is not understood; ${example}` }
  return { host, port, webSocket, ...peer }
}

function takeWebSocket(rest: string[]): boolean {
  if (rest[0] === 'ws' || rest[0] === 'wss') return rest.splice(0, 1).length > 0
  if (rest[0] === 'tls' && rest[1] === 'ws') return rest.splice(0, 2).length > 0
  if (rest[0] === 'tls' && rest[1] === 'sni' && rest[3] === 'ws') return rest.splice(0, 4).length > 0
  return false
}

function takePeer(
  rest: string[],
): { readonly peerId: string; readonly nodeId: NodeId } | { readonly fault: string } | undefined {
  if (rest[0] !== 'p2p' && rest[0] !== 'ipfs') return undefined
  const [, peerId = ''] = rest.splice(0, 2)
  const nodeId = nodeIdFromPeerId(peerId)
  if (nodeId !== undefined) return { peerId, nodeId }
  const advice = '`lattice id` prints it on that node'
  return { fault: `${JSON.stringify(peerId)} is not an Ed25519 peer id (12D3KooW…); ${advice}` }
}
