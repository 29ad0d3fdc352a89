/**
 * New inputs from old ones, as AFL's havoc stage makes them: a few small changes, one on top of the other.
 */
import type { Random } from '@lattice/core'

/** Longest input: what lies beyond is refused by length before anything is decoded. */
export const inputBytesMax = 16 * 1024

/** Numbers at which lengths and counts break: the borders of CBOR's forms and of signed bytes. */
const borders = [0, 1, 0x17, 0x18, 0x7f, 0x80, 0xff]

type Change = (input: Uint8Array, dice: Dice) => Uint8Array

/** Whole numbers below a bound. */
type Dice = (bound: number) => number

const changes: readonly Change[] = [
  (input, dice) => patched(input, dice, byte => byte ^ (1 << dice(8))),
  (input, dice) => patched(input, dice, () => dice(256)),
  (input, dice) => patched(input, dice, () => borders[dice(borders.length)] as number),
  (input, dice) => patched(input, dice, byte => (byte + dice(33) - 16) & 0xff),
  (input, dice) =>
    spliced(
      input,
      dice(input.length + 1),
      0,
      bytesOf(1 + dice(8), () => dice(256)),
    ),
  (input, dice) => spliced(input, dice(input.length + 1), 1 + dice(16), new Uint8Array(0)),
  (input, dice) => {
    const from = dice(input.length + 1)
    return spliced(input, dice(input.length + 1), 0, input.slice(from, from + 1 + dice(64)))
  },
]

/** A changed copy of `input`; `other` is where foreign parts come from. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const dice: Dice = bound => Math.floor(random.unit() * bound)
  let changed = input
  if (dice(4) === 0) {
    const from = dice(other.length + 1)
    changed = spliced(changed, dice(changed.length + 1), dice(32), other.slice(from, from + 1 + dice(256)))
  }
  for (let count = 1 + dice(5); count > 0; count--)
    changed = (changes[dice(changes.length)] as Change)(changed, dice)
  return changed.subarray(0, inputBytesMax)
}

function patched(input: Uint8Array, dice: Dice, change: (byte: number) => number): Uint8Array {
  if (input.length === 0) return Uint8Array.of(change(0))
  const copy = input.slice()
  const at = dice(copy.length)
  copy[at] = change(copy[at] as number)
  return copy
}

function spliced(input: Uint8Array, at: number, drop: number, put: Uint8Array): Uint8Array {
  return Uint8Array.from([...input.subarray(0, at), ...put, ...input.subarray(at + drop)])
}

function bytesOf(length: number, make: () => number): Uint8Array {
  return Uint8Array.from({ length }, make)
}
