/**
 * Announces over gossipsub: one topic, signed by their author, checked before they are passed on.
 *
 * Gossip is a hint (reliability §1.4): it may lose, repeat and reorder. A frame announced twice within two
 * minutes is delivered once, since its id is the hash of its content (X18: an id nobody else can occupy with
 * other content). The topic is never left: gossipsub would keep its backoff in wall-clock time (reliability
 * §1.3).
 */
import { createHash } from 'node:crypto'
import { gossipsub, TopicValidatorResult, type GossipSub, type Message } from '@chainsafe/libp2p-gossipsub'
import { LatticeError, announceBytesMax, type NodeId } from '@lattice/core'
import { toNodeId } from './peer-id.ts'

/**
 * Room beyond the engine's budget for headers; above twice the budget gossip starts to lose (engineering §2).
 */
export const gossipBytesMax = 2 * announceBytesMax

/**
 * Sixteen of the largest announces: a peer that reads slower loses gossip and is repaired by anti-entropy.
 */
const outboundBufferBytesMax = 16 * gossipBytesMax

/**
 * gossipsub answers a request for missed messages in one RPC: room for all that fit its 5 s cache in
 * practice.
 */
const inboundRpcBytesMax = 4 * 1024 * 1024

/**
 * What one RPC may hold. Members send few topics and no peer exchange; defaults of 5,000 only help attackers
 * (X8).
 */
const rpcLimits = {
  maxSubscriptions: 8,
  maxMessages: 512,
  maxIhaveMessageIDs: 2048,
  maxIwantMessageIDs: 2048,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 64,
  maxPeerInfos: 8,
}

/**
 * For 2–8 members: everybody publishes to all (floodPublish), so the mesh only relays where links are missing
 * (N6). D 4 keeps any 8 members connected through one lost link each; libp2p's default of 6 is for thousands.
 */
const mesh = { D: 4, Dlo: 2, Dhi: 8, Dout: 1, Dscore: 2, Dlazy: 4 }

/**
 * Only trusted members connect, often from one address: scores could only shoot ourselves (reliability TB4).
 */
const neutralScores = { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0 }

/** The gossipsub service for libp2p, restricted to `topic`. */
export function gossipOnTopic(topic: string): ReturnType<typeof gossipsub> {
  return gossipsub({
    ...mesh,
    globalSignaturePolicy: 'StrictSign',
    fallbackToFloodsub: false,
    floodPublish: true,
    doPX: false,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    allowedTopics: [topic],
    msgIdFn: ({ topic, data }: Message) =>
      createHash('sha256').update(topic).update('\0').update(data).digest(),
    scoreParams: neutralScores,
    maxOutboundBufferSize: outboundBufferBytesMax,
    maxInboundDataLength: inboundRpcBytesMax,
    decodeRpcLimits: rpcLimits,
  })
}

/** Checks every message before it is delivered or passed on. Call before libp2p starts. */
export function guardTopic(pubsub: GossipSub, topic: string, trusted: ReadonlySet<NodeId>): void {
  pubsub.topicValidators.set(topic, (_, message) => {
    const author = authorOf(message)
    const good = author !== undefined && trusted.has(author) && message.data.length <= gossipBytesMax
    return good ? TopicValidatorResult.Accept : TopicValidatorResult.Reject
  })
}

/** Joins the topic for good and hands every announce of somebody else to `heard`. */
export function joinTopic(
  pubsub: GossipSub,
  topic: string,
  heard: (from: NodeId, frame: Uint8Array) => void,
): void {
  pubsub.addEventListener('message', ({ detail }) => {
    const author = authorOf(detail)
    if (author !== undefined && detail.topic === topic) heard(author, detail.data.slice())
  })
  pubsub.subscribe(topic)
}

/**
 * Hands a frame to all neighbours on the topic. Rejects with PEER_REFUSED when it is too large for gossip.
 */
export async function publish(pubsub: GossipSub, topic: string, frame: Uint8Array): Promise<void> {
  if (frame.length > gossipBytesMax) {
    const detail = `announce of ${frame.length} bytes; gossip carries ${gossipBytesMax} at most`
    throw new LatticeError('PEER_REFUSED', detail)
  }
  await pubsub.publish(topic, frame)
}

function authorOf(message: Message): NodeId | undefined {
  return message.type === 'signed' ? toNodeId(message.from) : undefined
}
