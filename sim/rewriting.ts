/**
 * A transport whose messages are changed on the way: what lies, old builds and planted bugs are made of.
 *
 * It speaks version 1 of the protocol only, as a build before version 2 does: whole messages, each of which
 * can be read and changed by itself.
 */
import {
  decodeMessage,
  encodeMessage,
  isMalformed,
  type Inbox,
  type Message,
  type NodeId,
  type Transport,
} from '@lattice/core'

/** What becomes of the messages of one node. Left out: nothing. */
export interface Rewriting {
  /** What comes in: announces, requests and answers alike. */
  readonly received?: (message: Message, from: NodeId) => Message
  /** What goes out; bytes instead are sent as they are. */
  readonly sent?: (message: Message) => Message | Uint8Array
}

/** The transport of a node of version 1, with its messages rewritten. */
export function rewriting(inner: Transport, { received, sent }: Rewriting = {}): Transport {
  const takeIn = (frame: Uint8Array, from: NodeId): Uint8Array => {
    const message = decodeMessage(frame, from)
    if (isMalformed(message)) return frame
    const { speaks: _unheard, ...old } = message
    return encodeMessage(received?.(old, from) ?? old)
  }
  const sendOut = (frame: Uint8Array): Uint8Array => {
    const message = decodeMessage(frame)
    if (isMalformed(message)) return frame
    const { speaks: _unsaid, ...old } = message
    const changed = sent?.(old) ?? old
    return changed instanceof Uint8Array ? changed : encodeMessage(changed)
  }
  const inboxOf = (inbox: Inbox): Inbox => ({
    ...inbox,
    announced: (from, frame) => inbox.announced(from, takeIn(frame, from)),
    serve: async (from, frame, signal) => sendOut(await inbox.serve(from, takeIn(frame, from), signal)),
  })
  return {
    kind: inner.kind,
    start: inbox => inner.start(inboxOf(inbox)),
    stop: () => inner.stop(),
    connect: (peer, signal) => inner.connect(peer, signal),
    request: async (peer, frame, signal) => takeIn(await inner.request(peer, sendOut(frame), signal), peer),
    announce: frame => inner.announce(sendOut(frame)),
    addresses: peer => inner.addresses(peer),
  }
}
