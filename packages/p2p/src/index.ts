/** The P2P lung: libp2p over TCP and WebSockets, gossip announces, request streams. */
export { createP2pTransport, type P2pLog, type P2pOptions, type P2pTransport } from './transport.ts'
export { nodeIdFromPeerId, peerIdFromNodeId } from './peer-id.ts'
export { version as libp2pVersion } from 'libp2p/version'
