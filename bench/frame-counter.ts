/** Counts the frames of a pair of nodes exactly, whatever carries them: a transport around a transport. */
import {
  decodeMessage,
  encodeMessage,
  isMalformed,
  type AddressStatus,
  type Inbox,
  type Message,
  type NodeId,
  type Transport,
} from '@lattice/core'

/** One frame that was sent. */
export interface CountedFrame {
  readonly as: 'request' | 'answer' | 'announce'
  readonly bytes: number
  /** Bytes of what every message carries: beat, acknowledgements, introduction. */
  readonly greetingBytes: number
  /** Carries more than a greeting: rows, entries, wants, a pull, or a step of the descent. */
  readonly works: boolean
  readonly isDescent: boolean
  /** What it carries beyond the greeting, for whoever looks into it. */
  readonly sections: string
}

/** A frame as it went by. */
export interface PassedFrame {
  readonly as: CountedFrame['as']
  readonly frame: Uint8Array
  readonly from: NodeId
}

/** Where frames are written down; read later, so that reading is not measured. Clear it to begin anew. */
export type FrameLog = PassedFrame[]

/** A transport of `self` that writes down what `inner` sends, and what it gets in answer. */
export function countFrames(inner: Transport, self: NodeId, log: FrameLog): Transport {
  return {
    kind: inner.kind,
    start: (inbox: Inbox) => inner.start(inbox),
    stop: () => inner.stop(),
    connect: (peer: NodeId, signal: AbortSignal) => inner.connect(peer, signal),
    request: async (peer, frame, signal) => {
      log.push({ as: 'request', frame, from: self })
      const answer = await inner.request(peer, frame, signal)
      log.push({ as: 'answer', frame: answer, from: peer })
      return answer
    },
    announce: async frame => {
      log.push({ as: 'announce', frame, from: self })
      await inner.announce(frame)
    },
    addresses: (peer: NodeId): readonly AddressStatus[] => inner.addresses(peer),
  }
}

/** What a frame says, in numbers. */
export function describe({ as, frame, from }: PassedFrame): CountedFrame {
  const message = decodeMessage(frame, from)
  if (isMalformed(message)) throw new Error(`a node sent a malformed frame: ${message.malformed}`)
  const { rows, entries, want, compare, pull, ...greeting } = message
  const isDescent = compare !== undefined
  const pulls = pull !== undefined || message.standing?.pull !== undefined
  const works = pulls || [rows, entries, want, compare].some(section => section !== undefined)
  const greetingBytes = encodeMessage(greeting satisfies Message).length
  const sections = [
    greeting.info && 'introduces itself',
    rows && `rows ${rows.after}–${rows.upTo}: ${rows.entries.length} + ${rows.locators.length} located`,
    entries && `entries ${entries.length}`,
    want && `wants ${want.length}`,
    compare && `compares ${compare.summaries.length}`,
    pulls && 'pulls',
  ]
  const told = sections.filter(section => typeof section === 'string').join(', ')
  return { as, bytes: frame.length, greetingBytes, works, isDescent, sections: told }
}

/** Exact sums over a log. */
export interface FrameSums {
  readonly bytes: number
  readonly greetingBytes: number
  /** Requests with their answers where either works; an announce that works counts half. */
  readonly roundTrips: number
  /** Requests and announces that only greet. */
  readonly beats: number
}

/** Adds a log up. */
export function sumFrames(passed: FrameLog): FrameSums {
  const log = passed.map(describe)
  let [bytes, greetingBytes, roundTrips, beats] = [0, 0, 0, 0]
  const asked: CountedFrame[] = []
  for (const frame of log) {
    bytes += frame.bytes
    greetingBytes += frame.greetingBytes
    if (frame.as === 'request') asked.push(frame)
    else if (frame.as === 'announce' && frame.works) roundTrips += 0.5
    else if (frame.as === 'announce') beats++
  }
  const answers = log.filter(frame => frame.as === 'answer')
  // One exchange per peer and path is under way at a time, so those that work are paired by number.
  const working = Math.max(
    asked.filter(({ works }) => works).length,
    answers.filter(({ works }) => works).length,
  )
  return { bytes, greetingBytes, roundTrips: roundTrips + working, beats: beats + asked.length - working }
}
