/**
 * A rateless IBLT (Yang, Gilad, Alizadeh, SIGCOMM 2024) by Peerbit, over 64-bit digests of the entries: coded
 * symbols until the other side has decoded the difference, then the entries.
 */
import { createHash } from 'node:crypto'
import {
  cborSize,
  cpuOf,
  loadPeer,
  payloadOf,
  type Difference,
  type KeyValue,
  type PeerBench,
  type PeerCost,
} from './peer.ts'

interface Decoder {
  add_symbol(symbol: bigint): void
  add_coded_symbol(coded: object): void
  try_decode(): void
  decoded(): boolean
  get_local_symbols(): unknown[]
  get_remote_symbols(): unknown[]
  free(): void
}

interface Encoder {
  add_symbol(symbol: bigint): void
  produce_next_coded_symbol(): Record<string, unknown>
  free(): void
}

interface Riblt {
  readonly ready: Promise<unknown>
  readonly EncoderWrapper: new () => Encoder
  readonly DecoderWrapper: new () => Decoder
}

/** Coded symbols sent before the other side tries to decode them: a frame of a few kilobytes. */
const symbolsPerFrame = 200
/** Far more than any difference measured here takes. */
const symbolsMax = 200_000

/** Peerbit's rateless IBLT, if it is installed. */
export async function openRiblt(): Promise<PeerBench | undefined> {
  const riblt = await loadPeer<Riblt>('@peerbit/riblt')
  await riblt?.ready
  return (
    riblt && {
      name: 'riblt',
      note: `riblt: coded symbols as CBOR, ${symbolsPerFrame} before each try; 8 bytes for each entry asked for.`,
      reconcile: difference => reconcile(riblt, difference),
    }
  )
}

async function reconcile(riblt: Riblt, { common, left, right }: Difference): Promise<PeerCost> {
  const [encoder, decoder] = [new riblt.EncoderWrapper(), new riblt.DecoderWrapper()]
  const symbols = (entries: readonly KeyValue[]): bigint[] => entries.map(symbolOf)
  const [shared, ours, theirs] = [symbols(common), symbols(left), symbols(right)]
  let bytes = payloadOf(left) + payloadOf(right) + 8 * right.length
  let roundTrips = 1
  const cpuMs = await cpuOf(() => {
    for (const symbol of [...shared, ...ours]) encoder.add_symbol(symbol)
    for (const symbol of [...shared, ...theirs]) decoder.add_symbol(symbol)
    for (let sent = 0; sent < symbolsMax && (sent === 0 || !decoder.decoded()); roundTrips++) {
      for (let at = 0; at < symbolsPerFrame; at++, sent++) {
        const coded = encoder.produce_next_coded_symbol()
        bytes += cborSize(Object.values(coded))
        decoder.add_coded_symbol(coded)
      }
      decoder.try_decode()
    }
  })
  const found = decoder.get_local_symbols().length + decoder.get_remote_symbols().length
  encoder.free()
  decoder.free()
  if (found !== left.length + right.length) throw new Error('riblt found another difference')
  return { bytes, roundTrips, cpuMs }
}

function symbolOf([key, value]: KeyValue): bigint {
  return createHash('sha256').update(key).update(value).digest().readBigUInt64BE()
}
