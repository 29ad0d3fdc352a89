/**
 * News by server-sent events: they say that something has changed, the next reading says what. When the
 * stream is cut, polling goes on as before.
 */
import { useEffect, useRef, useState } from 'react'

/** Least time between readings, however many changes arrive: twice the pace of polling, and no more. */
const spacingMs = 2500

/**
 * Least pause before a stream that was cut or refused is opened again, and as much again by chance: polling
 * goes on meanwhile, and a node that returns is not met by all its viewers at once.
 */
const retryMs = 10_000

const eventNames = ['mode', 'peer', 'change', 'alert', 'resync'] as const

/** Lets the first call through at once and later ones at most every `spacing` ms; the last is never lost. */
export function spaced(
  act: () => void,
  spacing: number,
): { readonly call: () => void; readonly cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined
  let waiting = false
  const run = (): void => {
    act()
    timer = setTimeout(() => {
      timer = undefined
      if (!waiting) return
      waiting = false
      run()
    }, spacing)
  }
  return {
    call: () => {
      if (timer === undefined) run()
      else waiting = true
    },
    cancel: () => clearTimeout(timer),
  }
}

/**
 * Calls `onNews` when the node at `url` has news, while the page is seen. Says whether the stream is open.
 */
export function useLiveEvents(url: string, onNews: () => void): boolean {
  const [open, setOpen] = useState(false)
  const latest = useRef(onNews)
  useEffect(() => {
    latest.current = onNews
  }, [onNews])
  useEffect(() => {
    const news = spaced(() => latest.current(), spacingMs)
    let source: EventSource | undefined
    let retry: ReturnType<typeof setTimeout> | undefined
    const close = (): void => {
      clearTimeout(retry)
      source?.close()
      source = undefined
      setOpen(false)
    }
    const connect = (): void => {
      close()
      if (document.hidden) return
      const stream = new EventSource(url)
      source = stream
      let opened = false
      stream.addEventListener('open', () => {
        opened = true
        setOpen(true)
        news.call()
      })
      stream.addEventListener('error', () => {
        // A stream that is cut is news as well: the node may be gone.
        if (opened) news.call()
        close()
        retry = setTimeout(connect, retryMs * (1 + Math.random()))
      })
      for (const name of eventNames) stream.addEventListener(name, news.call)
    }
    connect()
    document.addEventListener('visibilitychange', connect)
    return () => {
      document.removeEventListener('visibilitychange', connect)
      news.cancel()
      close()
    }
  }, [url])
  return open
}
