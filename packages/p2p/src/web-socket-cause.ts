/**
 * Why a WebSocket did not open.
 *
 * The WebSocket of Node, which libp2p uses, tells its caller nothing: by the rules of browsers its error
 * event is empty. Node's HTTP client (undici) publishes the cause on diagnostics channels, which are a
 * documented interface; what they say of the host that is being dialled is put behind the empty event.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Multiaddr } from '@multiformats/multiaddr'

/** The connection failed: DNS, TCP or TLS. */
const connectFailures = 'undici:client:connectError'

/** An answer has arrived: 101 opens the WebSocket, anything else refuses it. */
const answers = 'undici:request:headers'

/** Dials `address`; where that fails, the error has the cause of a failed WebSocket as its `cause`. */
export async function withWebSocketCause<T>(address: Multiaddr, dial: () => Promise<T>): Promise<T> {
  const place = placeOf(address)
  if (place === undefined) return dial()
  let cause: unknown
  const failed = (message: unknown): void => {
    const { connectParams, error } = (message ?? {}) as Partial<ConnectFailure>
    if (connectParams !== undefined && place === placeOfUrl(connectParams)) cause = error
  }
  const answered = (message: unknown): void => {
    const { request, response } = (message ?? {}) as Partial<Answer>
    if (request?.upgrade !== 'websocket' || response === undefined || response.statusCode === 101) return
    const url = URL.parse(String(request.origin))
    if (url !== null && place === placeOfUrl(url)) cause = new Error(`status ${response.statusCode}`)
  }
  subscribe(connectFailures, failed)
  subscribe(answers, answered)
  try {
    return await dial()
  } catch (error) {
    throw cause === undefined ? error : new AggregateError([cause, error], 'the WebSocket did not open')
  } finally {
    unsubscribe(connectFailures, failed)
    unsubscribe(answers, answered)
  }
}

interface ConnectFailure {
  readonly connectParams: { readonly hostname: string; readonly port: string; readonly protocol: string }
  readonly error: unknown
}

interface Answer {
  readonly request: { readonly origin: string | URL; readonly upgrade?: string | null }
  readonly response: { readonly statusCode: number }
}

/** `host port` of a WebSocket address; undefined for other transports. */
function placeOf(address: Multiaddr): string | undefined {
  const components = address.getComponents()
  if (!components.some(({ name }) => name === 'ws' || name === 'wss')) return undefined
  const port = components.find(({ name }) => name === 'tcp')?.value
  return `${components[0]?.value?.toLowerCase() ?? ''} ${port ?? ''}`
}

function placeOfUrl({ hostname, port, protocol }: ConnectFailure['connectParams']): string {
  const standard = protocol === 'https:' || protocol === 'wss:' ? '443' : '80'
  return `${hostname.toLowerCase().replace(/^\[|\]$/g, '')} ${port === '' ? standard : port}`
}
