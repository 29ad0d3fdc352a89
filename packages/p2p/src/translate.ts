/**
 * libp2p errors as sentences.
 *
 * libp2p wraps the cause of a failed dial in errors that keep only its text, aggregates them per address, and
 * lets WebSocket failures through as DOM events. So the whole tree of an error is read as text, and the first
 * rule wins.
 */
import { LatticeError, isLatticeError, type ErrorCode } from '@lattice/core'

/** From most to least specific: several often match, since wrappers repeat the words of what they wrap. */
const rules: ReadonlyArray<readonly [pattern: RegExp, code: ErrorCode, sentence: string]> = [
  [
    /match expected remote identity|UnexpectedPeerError/,
    'PEER_MISMATCH',
    'another node answers at this address',
  ],
  [/dial self/, 'PEER_MISMATCH', 'this node itself answers at this address'],
  [
    /DialDenied|ConnectionIntercepted|ConnectionDenied/,
    'PEER_REFUSED',
    'this node may not dial that address',
  ],
  [/ECONNREFUSED/, 'PEER_UNREACHABLE', 'connection refused: nothing listens at this address'],
  [/ENOTFOUND|EAI_AGAIN|ENODATA/, 'PEER_UNREACHABLE', 'the host name does not resolve'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'PEER_UNREACHABLE', 'there is no route to this address'],
  [/CERT_HAS_EXPIRED/, 'PEER_UNREACHABLE', 'the TLS certificate has expired: renew it'],
  [/ALTNAME_INVALID/, 'PEER_UNREACHABLE', 'the TLS certificate is for another host name'],
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/,
    'PEER_UNREACHABLE',
    'the TLS certificate comes from an unknown CA: add it with NODE_EXTRA_CA_CERTS',
  ],
  [
    /CERT_|certificate|ERR_TLS|ERR_SSL/,
    'PEER_UNREACHABLE',
    'the TLS certificate of the peer is not accepted',
  ],
  [/\bstatus 40[13]\b/, 'PEER_REFUSED', 'a proxy before the peer refuses the WebSocket'],
  [/\bstatus 429\b/, 'PEER_REFUSED', 'the peer, or a proxy before it, asks for fewer connections (429)'],
  [/\bstatus 3\d\d\b/, 'PEER_REFUSED', 'the host redirects WebSockets; name the final address'],
  [/\bstatus 4\d\d\b/, 'PEER_UNREACHABLE', 'no WebSocket at this address'],
  [/\bstatus 503\b/, 'PEER_ASLEEP', 'its host says that it is asleep or starting (503)'],
  [/\bstatus 5\d\d\b/, 'PEER_UNREACHABLE', 'the host answers, but not the peer'],
  [/non-101|WebSocket|ErrorEvent/, 'PEER_UNREACHABLE', 'no WebSocket answers at this address'],
  [/ETIMEDOUT|TimeoutError|timed out|AbortError/, 'PEER_TIMEOUT', 'no answer from this address in time'],
  [/UnsupportedProtocol/, 'PEER_MALFORMED', 'the peer speaks no protocol version of this node'],
  [
    /InvalidDataLength|InvalidMessage|PEER_MALFORMED/,
    'PEER_MALFORMED',
    'the peer sent what cannot be understood',
  ],
  [
    /NoValidAddresses|NotFoundError|TransportUnavailable/,
    'PEER_UNKNOWN',
    'no address that this node can dial',
  ],
  [
    /MuxerUnavailable|ECONNRESET|EPIPE|Reset|Closed|Aborted|closed|EOF/,
    'PEER_UNREACHABLE',
    'the connection was closed: the peer may have no room for new connections just now; if it lasts, ' +
      'check that the peer trusts the public key of this node',
  ],
  [/EncryptionFailed|InvalidCrypto/, 'PEER_UNREACHABLE', 'no Lattice node answers at this address'],
]

/** Wrappers nest this deep at most in practice; a cycle ends here too. */
const depthMax = 6

/**
 * The `LatticeError` (PEER_…) for whatever libp2p threw; `signal` is the asker's: once fired, it is the
 * reason.
 */
export function translate(error: unknown, signal?: AbortSignal): LatticeError {
  if (isLatticeError(error)) return error
  if (signal?.aborted === true) return new LatticeError('PEER_TIMEOUT', undefined, { cause: error })
  const text = textOf(error, depthMax)
  const mismatch = mismatchIn(text)
  if (mismatch !== undefined) return new LatticeError('PEER_MISMATCH', mismatch, { cause: error })
  for (const [pattern, code, sentence] of rules) {
    if (pattern.test(text)) return new LatticeError(code, sentence, { cause: error })
  }
  return new LatticeError('PEER_UNREACHABLE', `the peer cannot be reached: ${text.slice(0, 200)}`, {
    cause: error,
  })
}

/** Who answers instead, where Noise says so: whoever mends an address needs both ids. */
function mismatchIn(text: string): string | undefined {
  const found = /identity key (\w+) does not match expected remote identity key (\w+)/.exec(text)
  if (found === null) return undefined
  const [, answers = '', expected = ''] = found
  return `another node answers at this address: ${answers}, not ${expected}; write the peer id that \`lattice id\` prints there`
}

/** Why libp2p did not start: PORT_IN_USE where that is the cause, P2P_UNAVAILABLE otherwise. */
export function translateStart(error: unknown): LatticeError {
  if (isLatticeError(error)) return error
  const text = textOf(error, depthMax)
  const taken = /\/\S+(?=:[^\n]*EADDRINUSE)/.exec(text.replaceAll('\n', ' '))
  if (text.includes('EADDRINUSE')) {
    return new LatticeError(
      'PORT_IN_USE',
      `P2P cannot listen${taken ? ` on ${taken[0]}` : ''}: already in use`,
      {
        cause: error,
      },
    )
  }
  const [firstLine = 'unknown cause'] = text.split('\n')
  return new LatticeError('P2P_UNAVAILABLE', `P2P could not start: ${firstLine.slice(0, 300)}`, {
    cause: error,
  })
}

/** Names, codes and messages of an error and all it wraps. */
function textOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null || depth === 0)
    return typeof error === 'string' ? error : ''
  const { name, code, message, type, cause, errors, error: inner } = error as Record<string, unknown>
  const words = [name ?? (type === 'error' ? 'ErrorEvent' : type), code, message]
  const nested = [cause, inner, ...(Array.isArray(errors) ? (errors as unknown[]) : [])]
  return [
    ...words.filter(word => typeof word === 'string'),
    ...nested.map(item => textOf(item, depth - 1)).filter(text => text !== ''),
  ].join(' ')
}
