/**
 * True time: one queue of everything that will happen, in order.
 *
 * Between two happenings all promise callbacks run to their end, without a turn of the event loop: a
 * microtask that schedules a tick is the last of its generation, and Node drains microtasks before the tick.
 * Deterministic, and some twenty times cheaper than `setImmediate`.
 */

/** A happening in the queue. */
interface Happening {
  readonly at: number
  readonly order: number
  callback: (() => void) | undefined
}

/** Virtual time of the whole world, in milliseconds from 0. */
export class Timeline {
  readonly #heap: Happening[] = []
  readonly #onError: (error: unknown) => void
  #now = 0
  #order = 0
  #count = 0

  /** @param onError hears what a callback throws: the world goes on */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  get now(): number {
    return this.#now
  }

  /** How many things have happened. */
  get count(): number {
    return this.#count
  }

  /**
   * Calls back at `time` (now, if that has passed), in the order of scheduling among equals; returns the
   * cancellation.
   */
  at(time: number, callback: () => void): () => void {
    const happening: Happening = { at: Math.max(time, this.#now), order: this.#order++, callback }
    this.#push(happening)
    return () => void (happening.callback = undefined)
  }

  /** As `at`, counted from now. */
  after(delayMs: number, callback: () => void): () => void {
    return this.at(this.#now + delayMs, callback)
  }

  /** Lets the world happen until `time`, or until `stop` says so after some happening. */
  run(time: number, stop: () => boolean = () => false): Promise<void> {
    return new Promise(resolve => {
      const step = (): void => {
        if (stop() || !this.#happen(time)) return resolve()
        queueMicrotask(() => process.nextTick(step))
      }
      queueMicrotask(() => process.nextTick(step))
    })
  }

  #happen(limit: number): boolean {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > limit) {
        this.#now = Math.max(this.#now, limit)
        return false
      }
      this.#pop()
      const { callback } = next
      if (callback === undefined) continue
      this.#now = next.at
      this.#count++
      try {
        callback()
      } catch (error) {
        this.#onError(error)
      }
      return true
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(happening)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(happening, heap[parent] as Happening)) break
      heap[at] = heap[parent] as Happening
      at = parent
    }
    heap[at] = happening
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Happening
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      const right = child + 1
      if (right < heap.length && isBefore(heap[right] as Happening, heap[child] as Happening)) child = right
      if (!isBefore(heap[child] as Happening, last)) break
      heap[at] = heap[child] as Happening
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
