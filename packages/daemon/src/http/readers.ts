/**
 * Readers that have not taken their answers yet, and who of them has to go where there is no room for
 * another: whoever has most waiting, if that is more than the other would have. So one caller cannot hold up
 * all others, however many answers he asks for and leaves lying. Nobody is cut off while there is room, and
 * who takes one answer at a time never is.
 */
import type { Request, Response } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import type { CallerOf } from './caller.ts'
import { cut } from './streaming.ts'

interface Waiting {
  readonly caller: string
  readonly chars: number
  readonly response: Pick<Response, 'destroy' | 'req'>
  readonly leave: () => void
}

/** Whose an answer is. */
export interface Reader {
  /** His network, as limits count it. */
  readonly caller: string
  readonly response: Response
}

/** Who asks, and takes this answer. */
export function readerOf(callerOf: CallerOf, request: Request, response: Response): Reader {
  return { caller: ipKeyGenerator(callerOf(request)), response }
}

/** Those who have not taken their answers, longest waiting first. */
export class Readers {
  readonly #waiting = new Set<Waiting>()

  /** From now on he waits; answers how to say that he does no more. `gone` is called then, or when he is cut. */
  wait({ caller, response }: Reader, chars: number, gone: () => void): () => void {
    const leave = (): void => void (this.#waiting.delete(waiting) && gone())
    const waiting: Waiting = { caller, chars, response, leave }
    this.#waiting.add(waiting)
    return leave
  }

  /** Cuts one off for `caller`, who is to have `chars` more. False where that would be unfair. */
  makeRoom(caller: string, chars: number): boolean {
    const byCaller = Map.groupBy(this.#waiting, each => each.caller)
    const heldBy = (each: readonly Waiting[] = []): number => each.reduce((sum, one) => sum + one.chars, 0)
    const fair = heldBy(byCaller.get(caller)) + chars
    const [greedy] = [...byCaller.values()]
      .filter(({ length }) => length > 1)
      .sort((a, b) => heldBy(b) - heldBy(a))
    const [first] = greedy ?? []
    if (first === undefined || first.caller === caller || heldBy(greedy) <= fair) return false
    first.leave()
    cut(first.response)
    return true
  }
}
