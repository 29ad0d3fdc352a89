/** When each of the latest commits became durable: how long a peer has failed to acknowledge it. */
import type { Cursor } from './journal.ts'
import { pendingMarksMax } from './limits.ts'
import type { Sequence } from './units.ts'

/** Remembers commits until everybody has acknowledged them. */
export class CommitMarks {
  #marks: { readonly seq: Sequence; readonly at: number }[] = []

  /** A commit up to this position became durable; `acks` say how far each peer has applied us. */
  add({ incarnation, seq }: Cursor, at: number, acks: readonly (Cursor | undefined)[]): void {
    const applied = acks.map(ack => (ack?.incarnation === incarnation ? ack.seq : 0))
    this.#marks.push({ seq, at })
    if (this.#marks.length > pendingMarksMax) this.#marks.splice(1, 1)
    this.#marks = this.#marks.filter(mark => mark.seq > Math.min(...applied, seq))
  }

  /** When the first commit beyond `seq` became durable; 0 for one of an earlier life of the process. */
  since(seq: Sequence): number {
    return this.#marks.find(mark => mark.seq > seq)?.at ?? 0
  }
}
