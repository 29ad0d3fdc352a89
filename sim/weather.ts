/**
 * The state of the network: per path and direction, what is cut, how long a packet takes and how many are
 * lost.
 *
 * Causes overlap: a direction is open again when the last of them has ended.
 */
import type { PathKind } from '@lattice/core'
import type { Dice } from './dice.ts'

/** Ends what it stands for. Calling it again does nothing. */
export type Release = () => void

/** What is wrong everywhere on one path. */
export interface Nuisance {
  /** Added to every hop, in ms, drawn anew from 0 to this. */
  jitterMs: number
  /** Gossip messages that never arrive. */
  loss: number
  /** Gossip messages that come twice. */
  duplicates: number
  /** Gossip messages that are held back for up to `heldMs`. */
  reorder: number
  heldMs: number
}

/** Weather between the nodes 0 … count − 1. */
export class Weather {
  readonly nuisance: Readonly<Record<PathKind, Nuisance>> = { p2p: fair(), http: fair() }
  readonly #cuts = new Map<number, number>()
  readonly #latency: readonly (readonly number[])[]
  readonly #dice: Dice
  readonly #listeners: (() => void)[] = []

  /** @param slowestMs greatest basic one-way latency between two nodes */
  constructor(count: number, dice: Dice, slowestMs: number) {
    this.#dice = dice
    this.#latency = Array.from({ length: count }, () =>
      Array.from({ length: count }, () => dice.between(0.3, slowestMs)),
    )
  }

  /** Whether nothing passes from one node to another. */
  isCut(kind: PathKind, from: number, to: number): boolean {
    return (this.#cuts.get(place(kind, from, to)) ?? 0) > 0
  }

  /** Whether both directions are open. */
  isOpen(kind: PathKind, a: number, b: number): boolean {
    return !this.isCut(kind, a, b) && !this.isCut(kind, b, a)
  }

  /** Time of one hop, in ms. */
  hopMs(kind: PathKind, from: number, to: number): number {
    const basic = (this.#latency[from] as readonly number[])[to] as number
    return basic * (0.8 + 0.4 * this.#dice.unit()) + this.nuisance[kind].jitterMs * this.#dice.unit()
  }

  /** Cuts directions on one path until released. */
  cut(kind: PathKind, directions: Iterable<readonly [from: number, to: number]>): Release {
    const places = [...directions].map(([from, to]) => place(kind, from, to))
    for (const each of places) this.#cuts.set(each, (this.#cuts.get(each) ?? 0) + 1)
    this.#changed()
    let held = true
    return () => {
      if (!held) return
      held = false
      for (const each of places) this.#cuts.set(each, (this.#cuts.get(each) ?? 0) - 1)
      this.#changed()
    }
  }

  /** Calls back whenever something was cut or opened. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

function fair(): Nuisance {
  return { jitterMs: 0, loss: 0, duplicates: 0, reorder: 0, heldMs: 0 }
}

function place(kind: PathKind, from: number, to: number): number {
  return (kind === 'p2p' ? 0 : 4096) + from * 64 + to
}
