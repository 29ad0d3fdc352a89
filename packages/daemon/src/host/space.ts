/**
 * Detects a Hugging Face Space by the variables its runtime sets (docs/hub/spaces-overview): one HTTP port
 * behind a TLS edge, everything else closed.
 */

/** What the Space tells its container. */
export interface Space {
  /** `owner/name`. */
  readonly id: string
  /** Public host name, without scheme; undefined where the runtime does not say. */
  readonly host?: string
}

/** The port a Space's edge forwards to unless its README says otherwise. */
export const spacePort = 7860

/** The Space this process runs in, if any. */
export function detectSpace(env: Readonly<Record<string, string | undefined>>): Space | undefined {
  const id = env['SPACE_ID']
  if (id === undefined || id === '') return undefined
  const host = env['SPACE_HOST']
  return host === undefined || host === '' ? { id } : { id, host }
}

/** Proxies before the HTTP port whose X-Forwarded-For is true: a Space's edge is one. */
export function proxyHops(space: Space | undefined): number {
  return space === undefined ? 0 : 1
}

/**
 * Where peers dial a node inside a Space: WebSocket through the TLS edge. Undefined without a public host.
 */
export function spaceAnnounce(space: Space): string | undefined {
  return space.host === undefined ? undefined : `/dns4/${space.host}/tcp/443/tls/ws`
}
