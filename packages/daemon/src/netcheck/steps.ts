/** A way to another node as a ladder of steps: the first that fails is the fault, the rest is untested. */
import { once } from 'node:events'

/** `not tested` is never shown as failure or success. */
export type Outcome = 'ok' | 'failed' | 'warning' | 'not tested'

/** One rung. */
export interface Step {
  readonly name: string
  readonly outcome: Outcome
  readonly text: string
  /** What to do about a failure. */
  readonly hint?: string
  /** Milliseconds it took. */
  readonly ms?: number
}

/** What a rung found out; a rejection is its failure. */
export interface Found {
  readonly text: string
  readonly outcome?: 'ok' | 'warning' | 'not tested'
  readonly hint?: string
}

/** One rung to climb: its name, and how. */
export type Rung = readonly [name: string, climb: (signal: AbortSignal) => Promise<Found> | Found]

/** Climbs until one fails. `stepMsMax` bounds each, also one that cannot be told to stop, like the resolver. */
export async function climb(rungs: readonly Rung[], stepMsMax: number): Promise<readonly Step[]> {
  const steps: Step[] = []
  for (const [name, take] of rungs) {
    if (steps.some(step => step.outcome === 'failed')) {
      steps.push({ name, outcome: 'not tested', text: 'an earlier step failed' })
      continue
    }
    const startedAt = performance.now()
    const ms = (): number => Math.round(performance.now() - startedAt)
    const signal = AbortSignal.timeout(stepMsMax)
    const late = once(signal, 'abort').then(() => Promise.reject(signal.reason as Error))
    try {
      const { outcome = 'ok', ...found } = await Promise.race([take(signal), late])
      steps.push({ name, outcome, ...found, ms: ms() })
    } catch (error) {
      steps.push({ name, outcome: 'failed', ...explain(error, stepMsMax), ms: ms() })
    }
  }
  return steps
}

/** Failures of the system and of TLS in words, by their codes (errno(3), nodejs.org/api/tls.html). */
const words: Readonly<Record<string, readonly [text: string, hint: string]>> = {
  ENOTFOUND: ['the name is not known', 'check its spelling, and the DNS record'],
  EAI_AGAIN: ['no name server answers', 'check /etc/resolv.conf'],
  ECONNREFUSED: ['the connection was refused', 'nothing listens there: is Lattice started, on this port?'],
  ECONNRESET: ['the connection was cut', 'something in between, or a daemon that does not know this node'],
  EHOSTUNREACH: ['no route to this host', 'ip route get ADDRESS'],
  ENETUNREACH: ['no route to this network', 'ip route; IPv6 may be missing here'],
  ETIMEDOUT: ['nobody answered', 'a firewall drops it, or the host is down'],
  TimeoutError: ['nobody answered in time', 'a firewall drops it, or the host is down or asleep'],
  CERT_HAS_EXPIRED: ['the certificate has expired', 'renew it there'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'the certificate is for another name',
    'a certificate for this name is needed',
  ],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    'the certificate is self-signed',
    'use one of a known authority, or NODE_EXTRA_CA_CERTS',
  ],
  SELF_SIGNED_CERT_IN_CHAIN: ['the authority is not known here', 'NODE_EXTRA_CA_CERTS names its certificate'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'the chain is not complete',
    'the server must send the intermediate, too',
  ],
  ERR_SSL_WRONG_VERSION_NUMBER: ['it does not speak TLS', 'write http://, or the port of the TLS proxy'],
  EPROTO: ['it does not speak TLS', 'write http://, or the port of the TLS proxy'],
}

/** A failure as a sentence and what to do about it. */
export function explain(error: unknown, limitMs = 0): { readonly text: string; readonly hint?: string } {
  for (let at: unknown = error, depth = 0; Error.isError(at) && depth < 4; at = at.cause, depth += 1) {
    const code = 'code' in at && typeof at.code === 'string' ? at.code : at.name
    const found = words[code]
    if (found === undefined) continue
    const within = code === 'TimeoutError' && limitMs > 0 ? ` (${limitMs / 1000} s)` : ''
    return { text: found[0] + within, hint: found[1] }
  }
  return { text: Error.isError(error) ? error.message : String(error) }
}
