/**
 * Whether libp2p speaks on a connection: both sides of multistream-select greet with the same line
 * (github.com/multiformats/multistream-select). Says nothing about who is there; Noise would.
 */
import type { Duplex } from 'node:stream'

const line = '/multistream/1.0.0\n'
const greeting = Buffer.concat([Buffer.of(line.length), Buffer.from(line)])
/** Answers that are no greeting by now never will be. */
const answerBytesMax = 512

/** The greeting as one masked binary WebSocket frame (RFC 6455 §5.2); a mask of zeros changes nothing. */
const framed = Buffer.concat([Buffer.of(0x82, 0x80 | greeting.length, 0, 0, 0, 0), greeting])

/** Resolves when the other side has greeted; rejects when it says something else, nothing, or hangs up. */
export async function greet(stream: Duplex, over: 'tcp' | 'websocket', signal: AbortSignal): Promise<void> {
  stream.write(over === 'tcp' ? greeting : framed)
  let heard = Buffer.alloc(0)
  const late = (): void => void stream.destroy(signal.reason as Error)
  signal.addEventListener('abort', late, { once: true })
  try {
    for await (const chunk of stream) {
      heard = Buffer.concat([heard, chunk as Buffer])
      if (heard.includes(line)) return
      if (heard.length > answerBytesMax) break
    }
  } finally {
    signal.removeEventListener('abort', late)
    stream.destroy()
  }
  throw new Error(heard.length === 0 ? 'it hung up without a word' : 'something else than libp2p answers')
}
