/**
 * How frames travel over HTTP: one path, and a content type that says what the body is for.
 *
 * The content type is covered by the signature, so nobody on the way can turn one purpose into another.
 */
import type { NodeId } from '@lattice/core'

/** Where nodes take frames. */
export const syncPath = '/sync/v1'

/** Where a node tells its public key to anybody. */
export const identityPath = '/api/lattice/p2p/identity'

/** The content type of a frame that asks, and of the answer. */
export const frameType = 'application/x-lattice-frame'

/** The content type of errors (RFC 9457). */
export const problemType = 'application/problem+json'

/** request: answer it. announce: a one-way frame. hello: no frame, the answer only proves who answers. */
export type Purpose = 'request' | 'announce' | 'hello'

/** The exact content type per purpose. */
export const contentTypes: Readonly<Record<Purpose, string>> = {
  request: frameType,
  announce: `${frameType};announce=1`,
  hello: `${frameType};hello=1`,
}

/** What a body is for; undefined where the content type is none of ours. */
export function purposeOf(contentType: string | undefined): Purpose | undefined {
  if (contentType === contentTypes.request) return 'request'
  if (contentType === contentTypes.announce) return 'announce'
  if (contentType === contentTypes.hello) return 'hello'
  return undefined
}

/** HTTP headers as Node gives them; names in any case. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** The value of one header, repetitions joined as RFC 9421 §2.1 says; `name` in lower case. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const direct = headers[name]
  if (direct !== undefined) return typeof direct === 'string' ? direct : direct.join(', ')
  const values = Object.entries(headers).filter(([key]) => key.toLowerCase() === name)
  const joined = values.flatMap(([, value]) => value ?? []).join(', ')
  return values.length === 0 ? undefined : joined
}

/** Whether the headers name a coding other than identity, applied to the body by whoever sent it. */
export function isEncoded(headers: Headers): boolean {
  const coding = headerOf(headers, 'content-encoding')
  return coding !== undefined && coding.trim().toLowerCase() !== 'identity'
}

/** First digits of a node id, for people. */
export function short(nodeId: NodeId): string {
  return nodeId.slice(0, 8)
}

/** Where an adapter tells what it did. */
export type Log = (
  level: 'debug' | 'info' | 'warn',
  message: string,
  fields?: Readonly<Record<string, string | number>>,
) => void
