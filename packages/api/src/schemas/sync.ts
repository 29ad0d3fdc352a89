/** Sync mode, peers, warnings, transitions, events. */
import { z } from 'zod'
import {
  momentSchema,
  nodeIdSchema,
  pathSchema,
  phaseSchema,
  requestedModeSchema,
  rootSchema,
  secondsSchema,
  syncModeSchema,
  versionSchema,
} from './scalars.ts'

/** Something that needs a look, with one thing to do. The same object in REST, CLI, dashboard and alerts. */
export const warningSchema = z.object({
  code: z.string(),
  title: z.string(),
  text: z.string(),
  severity: z.enum(['low', 'medium', 'high']),
  since: momentSchema,
  dependsOn: z.array(z.string()).describe('codes that explain this one'),
  impactsConnectivity: z.boolean(),
  timeToVisible: z.number().min(0).describe('seconds it has lasted at least before it is shown'),
  primaryAction: z.object({
    label: z.string(),
    command: z.string().optional(),
    url: z.string().optional(),
  }),
  etag: z.string().describe('changes when the warning changes'),
})

/** The verdict over mode and peers, in the words that deployed clients show. */
export const statusTextSchema = z
  .enum(['🟢 Resilient (P2P Mode)', '🟡 Resilient (HTTP Fallback)', '🔴 Degraded (No Peers)'])
  .describe('the verdict in three texts; reason and warnings say more')

const transferSchema = z.object({ entries: z.int().min(0), of: z.int().min(0) })

/** `GET /api/lattice/p2p/status`. */
export const p2pStatusSchema = z.object({
  success: z.literal(true),
  timestamp: secondsSchema.optional().describe('now, by the clock that dates all moments here; Unix seconds'),
  enabled: z.boolean(),
  started: z.boolean(),
  libp2p_available: z.boolean(),
  error: z.string().nullable(),
  topic: z.string(),
  listen_multiaddrs: z.array(z.string()),
  bootstrap_peers: z.array(z.string()),
  peer_count: z.int().min(0).describe('peers with a fresh heartbeat over P2P'),
  has_peers: z.boolean(),
  http_sync_enabled: z.boolean().describe('HTTP addresses of other nodes are configured'),
  sync_mode: syncModeSchema,
  heartbeat_active: z.boolean().describe('this node sends heartbeats over some path'),
  mode: requestedModeSchema,
  phase: phaseSchema,
  since: momentSchema,
  reason: z.string(),
  forced_until: momentSchema.nullable(),
  transfer: transferSchema
    .optional()
    .describe('while this node takes over the state of a peer: entries held of about how many'),
  last_sync: momentSchema.nullable().describe('last exchange that ended in equal roots'),
  merkle_root: rootSchema,
  status_text: statusTextSchema,
  warnings: z.array(warningSchema),
})

/** `GET /api/lattice/p2p/identity`. */
export const identitySchema = z.object({
  success: z.literal(true),
  peer_id: z.string(),
  listen_addrs: z.array(z.string()),
  public_key: nodeIdSchema,
})

/**
 * Query of `POST /api/lattice/sync/switch`. A wrong mode is answered by the route itself, in the words
 * clients know.
 */
export const switchQuerySchema = z.strictObject({
  mode: requestedModeSchema,
  for: z.string().optional().describe('1s to 30d; back to auto by itself after this long'),
  reason: z
    .string()
    .max(200)
    .regex(/^\P{Cc}*$/u, 'no control characters')
    .optional(),
})

/** `POST /api/lattice/sync/switch`. */
export const switchSchema = z.object({
  success: z.literal(true),
  mode: syncModeSchema.describe('what carries the state now'),
  message: z.string(),
  requested: requestedModeSchema,
  previous: requestedModeSchema,
  phase: phaseSchema,
  since: momentSchema,
  reason: z.string(),
  until: momentSchema.nullable().describe('when a forced mode ends by itself'),
})

/** One step of the sync-mode state machine. */
export const transitionSchema = z.object({
  epoch: z.int().min(1),
  from: phaseSchema,
  to: phaseSchema,
  reason: z.string(),
  trigger: z.enum(['watchdog', 'operator', 'startup']),
  at: momentSchema,
  duration_seconds: z.number().min(0).describe('how long `from` lasted'),
})

/** `GET /api/lattice/transitions`. */
export const transitionsSchema = z.object({
  success: z.literal(true),
  transitions: z.array(transitionSchema).describe('newest last'),
  count: z.int().min(0),
})

/** `GET /api/lattice/nodes`. */
export const nodesSchema = z.object({
  success: z.literal(true),
  nodes: z.array(z.string()),
  count: z.int().min(0),
})

const linkSchema = z.object({
  state: z.enum(['up', 'suspected', 'down']),
  rtt_ms: z.number().nullable(),
  last_heard: momentSchema.nullable(),
  last_error: z.string().nullable(),
})

/** One other node as this node sees it. */
export const peerSchema = z.object({
  name: z.string().nullable(),
  role: z.string().nullable(),
  software: z.string().nullable(),
  node_id: nodeIdSchema,
  peer_id: z.string(),
  url: z.string().nullable(),
  path: pathSchema,
  asleep: z.literal(true).optional().describe('its host says that it sleeps or is waking: no failure'),
  why: z.string(),
  since: momentSchema,
  rtt_ms: z.object({ p2p: z.number().nullable(), http: z.number().nullable() }),
  last_seen: momentSchema.nullable(),
  merkle_root: rootSchema.nullable(),
  in_sync: z.boolean().nullable().describe('whether its root equals ours; null when it was never heard'),
  transfer: transferSchema
    .optional()
    .describe('entries held here of about how many, while this peer sends most of its state'),
  behind: z.int().nullable().describe('commits of the peer that this node has not applied'),
  ahead: z.int().nullable().describe('commits of this node that the peer has not acknowledged'),
  links: z.object({ p2p: linkSchema, http: linkSchema }),
  addresses: z.array(
    z.object({
      path: z.enum(['p2p', 'http']),
      address: z.string(),
      answered: z
        .boolean()
        .optional()
        .describe('the peer was reached there and nothing has failed since; without an error: not tried'),
      last_error: z.string().nullable(),
    }),
  ),
})

/** `GET /api/lattice/peers`. */
export const peersSchema = z.object({
  success: z.literal(true),
  peers: z.array(peerSchema),
  count: z.int().min(0),
})

/** `GET /api/lattice/links`. */
export const linksSchema = z.object({
  success: z.literal(true),
  asked_at: momentSchema,
  node_id: nodeIdSchema.optional().describe('this node, as the others name it'),
  rows: z
    .array(
      z.object({
        node_id: nodeIdSchema.describe('who looks'),
        name: z.string().nullable(),
        why: z.string().nullable().describe('why its links are not known; null when they are'),
        links: z.array(
          z.object({ node_id: nodeIdSchema.describe('who is looked at'), p2p: linkSchema, http: linkSchema }),
        ),
      }),
    )
    .describe('one for each other node; the links of this node are in /api/lattice/peers'),
})

/** Data of the SSE event `change`. */
export const changeEventSchema = z.object({
  key: z.string(),
  deleted: z.boolean(),
  version: versionSchema,
  author: nodeIdSchema,
  via: z.enum(['p2p', 'http', 'local']),
})

/** Data of the SSE event `peer`. */
export const peerEventSchema = z.object({ previous_path: pathSchema, peer: peerSchema })

/** Data of the SSE event `resync`: events were missed; read what you need again. */
export const resyncEventSchema = z.object({ reason: z.string(), merkle_root: rootSchema })
