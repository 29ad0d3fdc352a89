/** What one stream may take of the time of all others. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { LatticeError } from '@lattice/core'
import { streamPair } from '@libp2p/utils'
import { createChannel, noBody } from '../src/channel.ts'
import { encodeMessage } from '../src/message.ts'

it('messages that have come by the thousand leave everything else its turn', async () => {
  const [ours, theirs] = await streamPair()
  const count = 2000
  const small = encodeMessage('abort', 7, noBody)
  theirs.send(Buffer.concat(Array.from({ length: count }, () => [Uint8Array.of(small.length), small]).flat()))
  const channel = createChannel(ours)
  let taken = 0
  const ended = channel.receive(() => void taken++)
  let mostAtOnce = 0
  while (taken < count) {
    const before = taken
    await turn()
    mostAtOnce = Math.max(mostAtOnce, taken - before)
  }
  expect(mostAtOnce).toBeLessThanOrEqual(64)
  channel.abort(new LatticeError('PEER_MALFORMED'))
  await ended
})
