/**
 * Multiaddrs as they come from the operator and from peers.
 *
 * What the operator configures is dialled as it stands. What a peer claims about itself or others could point
 * our dialler at the inside of our own network, so ranges that never hold a member are refused (reliability
 * TB4, SSRF).
 */
import { LatticeError, type NodeId } from '@lattice/core'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { nodeIdFromPeerId } from './peer-id.ts'

/** Hosts of cloud metadata services: a member never lives there, credentials do. */
const metadataHosts = new Set(['100.100.100.200', 'fd00:ec2::254', 'metadata.google.internal'])

/** Parses one configured multiaddr. Throws CONFIG_INVALID that names `setting`. */
export function parseAddress(text: string, setting: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (cause) {
    const example = '/ip4/192.0.2.1/tcp/9000 or /dns4/example.org/tcp/443/tls/ws'
    throw new LatticeError('CONFIG_INVALID', `${setting}: "${text}" is not a multiaddr such as ${example}`, {
      cause,
    })
  }
}

/** Groups bootstrap addresses by the node they end in. Throws CONFIG_INVALID when one names no node. */
export function parseBootstrap(texts: readonly string[]): ReadonlyMap<NodeId, readonly string[]> {
  const byNode = new Map<NodeId, string[]>()
  for (const text of texts) {
    const last = parseAddress(text, 'bootstrap').getComponents().at(-1)
    if (last?.name !== 'p2p' || last.value === undefined) {
      throw new LatticeError('CONFIG_INVALID', `bootstrap: "${text}" must end in /p2p/<peer id of that node>`)
    }
    const nodeId = nodeAt(text, last.value)
    byNode.set(nodeId, [...(byNode.get(nodeId) ?? []), text])
  }
  return byNode
}

function nodeAt(text: string, peerId: string): NodeId {
  try {
    return nodeIdFromPeerId(peerId)
  } catch (cause) {
    throw new LatticeError(
      'CONFIG_INVALID',
      `bootstrap: "${text}" does not end in an Ed25519 peer id (12D3Koo…)`,
      {
        cause,
      },
    )
  }
}

/** Whether an address that a peer told us may be dialled at all. */
export function isDialableClaim(address: Multiaddr): boolean {
  const components = address.getComponents()
  const host = components[0]?.value?.toLowerCase() ?? ''
  switch (components[0]?.name ?? '') {
    case 'ip4':
      return !host.startsWith('169.254.') && !host.startsWith('0.') && !metadataHosts.has(host) && isDirect()
    case 'ip6':
      return !/^(fe[89ab]|::ffff:|::$)/.test(host) && !metadataHosts.has(host) && isDirect()
    case 'dns':
    case 'dns4':
    case 'dns6':
      return !metadataHosts.has(host) && isDirect()
    default:
      return false
  }
  function isDirect(): boolean {
    return components.every(({ name }) => name !== 'p2p-circuit')
  }
}
