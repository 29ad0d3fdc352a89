/**
 * A malicious member: a true key, and lies in what it sends. It claims roots, positions and acknowledgements
 * that are not so, repeats old frames, sends rubbish, and signs entries from the future or two for one
 * version (reliability X3 to X10).
 *
 * Others must take no harm: what it may do is what any member may, write with its own name.
 */
import { encodeMessage, signEntry, versionAt, type Message, type Signer } from '@lattice/core'
import type { Dice } from './dice.ts'
import { encodeValue, type Version } from './entries.ts'
import { sha256 } from './keys.ts'

/** Begins the keys that a liar writes: nobody else's clients do. */
export const mischiefPrefix = 'lie-'

/** Frames kept for repetition. */
const rememberedMax = 50

/** Share of messages that are tampered with. */
const share = 0.3

/** Lies for one node; `wall` is its clock. */
export function liar(
  dice: Dice,
  signer: Signer,
  wall: () => number,
  count: (what: string) => void,
): (message: Message) => Message | Uint8Array {
  const remembered: Uint8Array[] = []
  const entry = (value: number, version: Version): Uint8Array =>
    sign(`${mischiefPrefix}${dice.below(3)}`, value, version, signer)
  const lies: Readonly<Record<string, (message: Message) => Message | Uint8Array>> = {
    'lie-root': message =>
      message.beat === undefined ? message : { ...message, beat: { ...message.beat, root: dice.bytes(32) } },
    'lie-position': message => {
      const { beat } = message
      if (beat === undefined) return message
      return { ...message, beat: { ...beat, seq: Math.max(0, beat.seq + dice.below(2_000) - 500) } }
    },
    'lie-acknowledgement': message =>
      message.ack === undefined
        ? message
        : { ...message, ack: { ...message.ack, seq: message.ack.seq + dice.below(1_000) } },
    'lie-digest': message => {
      const { compare } = message
      if (compare === undefined) return message
      return { ...message, compare: { ...compare, summaries: dice.shuffle(compare.summaries) } }
    },
    'lie-replay': message => (remembered.length === 0 ? message : dice.pick(remembered)),
    'lie-rubbish': message => {
      const frame = encodeMessage(message)
      return dice.chance(0.5) ? frame.subarray(0, dice.below(frame.length)) : dice.bytes(dice.below(200))
    },
    'lie-future': message => {
      const ahead = dice.chance(0.5) ? dice.between(0, 60_000) : dice.between(601_000, 36_000_000)
      const entries = [entry(dice.below(1_000), versionAt(wall() + ahead))]
      return { ...message, entries: [...(message.entries ?? []), ...entries] }
    },
    'lie-forged': message => {
      const bytes = entry(dice.below(1_000), versionAt(wall()))
      // The signature comes last.
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      return { ...message, entries: [...(message.entries ?? []), bytes] }
    },
    'lie-equivocation': message => {
      const version = versionAt(wall())
      const entries = [entry(1, version), entry(2, version)]
      return { ...message, entries: [...(message.entries ?? []), ...entries] }
    },
  }
  const names = Object.keys(lies)
  return message => {
    if (dice.chance(0.1)) {
      remembered.push(encodeMessage(message))
      if (remembered.length > rememberedMax) remembered.shift()
    }
    if (!dice.chance(share)) return message
    const name = dice.pick(names)
    count(name)
    return (lies[name] as (typeof lies)[string])(message)
  }
}

function sign(key: string, value: number, version: Version, signer: Signer): Uint8Array {
  return signEntry({ key, slot: '', value: encodeValue(value), base: 0n, version }, signer, sha256).bytes
}
