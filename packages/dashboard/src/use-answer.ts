/** One answer of the node, which stays true: what failed, or may pass by itself, is asked again. */
import { useEffect, useState } from 'react'

/** What the node said last, and why it has not said anything newer. */
export interface Answered<T> {
  readonly answer: T | undefined
  readonly error: unknown
}

interface Loaded<T> extends Answered<T> {
  /** When it came, in Unix milliseconds. */
  readonly atWall: number
}

/**
 * Asks once, and again when `ask` is another: keep it with `useCallback`. While `mayPass` holds of what came,
 * it asks also whenever the page has been renewed: nothing else would tell that the trouble is over.
 *
 * @param renewedWall when the page was last renewed, in Unix milliseconds
 */
export function useAnswer<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  renewedWall: number,
  mayPass: (given: Answered<T>) => boolean,
): Answered<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ answer: undefined, error: undefined, atWall: 0 })
  const [round, setRound] = useState(renewedWall)
  if (renewedWall !== round && renewedWall > loaded.atWall && mayPass(loaded)) setRound(renewedWall)
  useEffect(() => {
    const asking = new AbortController()
    const keep = (part: Partial<Answered<T>>): void => {
      if (!asking.signal.aborted) setLoaded(before => ({ ...before, ...part, atWall: Date.now() }))
    }
    ask(asking.signal).then(
      answer => keep({ answer, error: undefined }),
      (error: unknown) => keep({ error }),
    )
    return () => asking.abort()
  }, [ask, round])
  return loaded
}
