/** The poller as a React hook, on the clock and the attention of a browser. */
import { useEffect, useState, useSyncExternalStore } from 'react'
import { Poller } from './poller.ts'
import type { PollWorld, Reading } from './poller.ts'

const browserWorld: PollWorld = {
  now: () => Date.now(),
  random: () => Math.random(),
  after: (ms, act) => {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  },
  hidden: () => document.hidden,
  onAttention: act => {
    document.addEventListener('visibilitychange', act)
    window.addEventListener('focus', act)
    window.addEventListener('online', act)
    return () => {
      document.removeEventListener('visibilitychange', act)
      window.removeEventListener('focus', act)
      window.removeEventListener('online', act)
    }
  },
}

/** Polls `read` while the component lives. Another `read` begins anew: keep it with `useCallback`. */
export function usePoll<T>(
  read: (signal: AbortSignal) => Promise<T>,
): Reading<T> & { readonly refresh: () => void } {
  const [kept, setKept] = useState(() => ({ read, poller: new Poller(read, browserWorld) }))
  const current = kept.read === read ? kept : { read, poller: new Poller(read, browserWorld) }
  if (current !== kept) setKept(current)
  const { poller } = current
  useEffect(() => {
    poller.start()
    return () => poller.stop()
  }, [poller])
  const reading = useSyncExternalStore(poller.subscribe, poller.reading)
  return { ...reading, refresh: poller.refresh }
}

/** The time, as Unix milliseconds, renewed every `everyMs` while somebody can see it. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const tick = (): void => {
      if (!document.hidden) setNow(Date.now())
    }
    const timer = setInterval(tick, everyMs)
    document.addEventListener('visibilitychange', tick)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', tick)
    }
  }, [everyMs])
  return now
}
