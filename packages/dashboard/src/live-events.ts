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

/**
 * A stream that has brought nothing for this long is dead, whoever still holds its connection open: the node
 * gives a sign of life every 15 s.
 */
const silenceMsMax = 40_000

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
 * Reads the stream at `url` to its end. `onSign`: something has come, if only a sign of life; `onNews`: an
 * event. Read by hand, since an EventSource tells nobody of the signs of life.
 */
async function readStream(
  url: string,
  signal: AbortSignal,
  told: { readonly onSign: () => void; readonly onNews: () => void },
): Promise<void> {
  const response = await fetch(url, { signal, cache: 'no-store', headers: { Accept: 'text/event-stream' } })
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  if (!response.ok || !isStream || response.body === null) throw new Error('this is no stream of events')
  told.onSign()
  told.onNews()
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let line = ''
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    told.onSign()
    const lines = (line + piece.value).split('\n')
    line = (lines.pop() ?? '').slice(0, eventField.length)
    if (lines.some(each => each.startsWith(eventField))) told.onNews()
  }
}

const eventField = 'event:'

/**
 * Calls `onNews` when the node at `url` has news, while the page is seen. Says whether the stream is alive.
 */
export function useLiveEvents(url: string, onNews: () => void): boolean {
  const [alive, setAlive] = useState(false)
  const latest = useRef(onNews)
  useEffect(() => {
    latest.current = onNews
  }, [onNews])
  useEffect(() => {
    const news = spaced(() => latest.current(), spacingMs)
    let end = (): void => undefined
    const connect = (): void => {
      end()
      if (document.hidden) return
      const stream = new AbortController()
      let opened = false
      end = () => {
        end = () => undefined
        clearTimeout(timer)
        stream.abort()
        setAlive(false)
      }
      const lost = (): void => {
        if (stream.signal.aborted) return
        end()
        // A stream that is cut is news as well: the node may be gone.
        if (opened) news.call()
        const retry = setTimeout(connect, retryMs * (1 + Math.random()))
        end = () => clearTimeout(retry)
      }
      let timer = setTimeout(lost, silenceMsMax)
      const onSign = (): void => {
        opened = true
        setAlive(true)
        clearTimeout(timer)
        timer = setTimeout(lost, silenceMsMax)
      }
      void readStream(url, stream.signal, { onSign, onNews: news.call }).then(lost, lost)
    }
    connect()
    document.addEventListener('visibilitychange', connect)
    return () => {
      document.removeEventListener('visibilitychange', connect)
      news.cancel()
      end()
    }
  }, [url])
  return alive
}
