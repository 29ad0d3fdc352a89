/** What the REST layer needs from the composition root, as plain interfaces. */
import type { ComponentHealth, IntegrityReport } from '@lattice/api'
import type { AddressStatus, Clock, Instant, NodeId, PathKind, Warning } from '@lattice/core'
import type { RequestHandler } from 'express'
import type { Registry } from 'prom-client'
import type { History } from '../history/history.ts'
import type { LatticeNode } from '../node.ts'

/** The part of the configuration the REST layer reads. */
export interface HttpConfig {
  /** Where the listener is bound; decides whether loopback callers may be exempt from the token. */
  readonly host: string
  /** At least 16 characters; without one, only exempt loopback callers may write. */
  readonly adminToken?: string
  /** Exact origins; `*` opens reads to any page and exempts none. */
  readonly corsOrigins: readonly string[]
  /** CSP `frame-ancestors`, e.g. `'self'` and the hosts that embed the dashboard. */
  readonly frameAncestors: readonly string[]
  /** Proxies in front whose X-Forwarded-For is believed; 0 for none. */
  readonly trustedProxyHops: number
  /** Base URLs of the other nodes. */
  readonly nodes: readonly string[]
  /** Whether anybody may read `/status`. Default false. */
  readonly statusPage?: boolean
  readonly topic: string
  readonly bootstrap: readonly string[]
}

/** Who this node is. */
export interface HttpIdentity {
  readonly nodeId: NodeId
  /** libp2p form of the same key. */
  readonly peerId: string
}

/** What is shown about this node. */
export interface HttpInfo {
  readonly name: string
  readonly role: string
  readonly version: string
  readonly libp2pVersion: string
  readonly production: boolean
  /** The node refuses all sync until its settings are mended. */
  readonly safeMode: boolean
  /** Settings that are not fit for production, as sentences. */
  readonly violations: readonly string[]
  readonly started: Instant
}

/** The P2P lung as it is now. */
export interface P2pInfo {
  readonly enabled: boolean
  readonly started: boolean
  readonly available: boolean
  readonly error?: string
  readonly listenAddresses: readonly string[]
}

/** What the node list says about a peer beyond its status. */
export interface PeerInfo {
  readonly peerId: string
  readonly url?: string
  readonly addresses: readonly (AddressStatus & { readonly path: PathKind })[]
}

/** One signed node-to-node request, body unparsed. */
export interface SyncRequest {
  readonly method: string
  readonly path: string
  /** With its leading `?`; empty when there is none. */
  readonly query: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Receives the body, once: only for whom it is worth it. */
  readonly body: () => Promise<Uint8Array>
  /** Fires when the asker is gone. */
  readonly signal: AbortSignal
}

/** Its answer. */
export interface SyncAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Serves `POST /sync/v1`. */
export interface SyncHandler {
  handle(request: SyncRequest): Promise<SyncAnswer>
}

/** Structured log of the REST layer. */
export interface HttpLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Looks at one component. Answers at once, from what was measured before. */
export type Probe = () => ComponentHealth

/** The probes behind `/health`; one that is missing shows as unknown. */
export interface Probes {
  readonly persistence?: Probe
  readonly disk?: Probe
  readonly eventLoop?: Probe
}

/** The background re-hash of the store. */
export interface Integrity {
  last(): IntegrityReport
  /** Starts a run unless one is under way. */
  request?(): void
}

/** Everything `createHttpApp` takes. */
export interface HttpAppOptions {
  readonly node: LatticeNode
  readonly identity: HttpIdentity
  readonly config: HttpConfig
  readonly info: HttpInfo
  readonly clock: Pick<Clock, 'now'>
  readonly p2p: () => P2pInfo
  readonly peer: (nodeId: NodeId) => PeerInfo
  readonly probes?: Probes
  readonly integrity?: Integrity
  /** How far a damaged database has been taken in again, as a sentence; undefined while none is. */
  readonly salvage?: () => string | undefined
  /** The list to show, where others read it too; one of its own otherwise. */
  readonly warnings?: () => readonly Warning[]
  readonly syncHandler?: SyncHandler
  /** Serves the dashboard at `/` to browsers, and its files. */
  readonly dashboard?: RequestHandler
  /** Shared with other parts that export metrics; a fresh one otherwise. */
  readonly metrics?: Registry
  /** What the charts show; without it they stay empty. */
  readonly history?: Pick<History, 'read'>
  /** Told the status of every answer, streams excepted. */
  readonly onAnswered?: (httpStatus: number) => void
  readonly log?: HttpLog
  /**
   * Requests per minute and address, for callers without token that are not on this machine. Default 1200.
   */
  readonly requestsPerMinute?: number
  /**
   * How often an idle event stream gets a sign of life, in ms. Default 15 s: proxies cut silent ones after 30
   * s or more.
   */
  readonly pingMs?: number
}
