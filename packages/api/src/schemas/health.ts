/** Health of the node and of its parts. */
import { z } from 'zod'
import { momentSchema, rootSchema, secondsSchema } from './scalars.ts'

/** The verdict over a node. `degraded` still serves; `unhealthy` does not. */
export const verdictSchema = z.enum(['healthy', 'degraded', 'unhealthy'])

/** One part of the node. */
export const componentSchema = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy', 'disabled', 'unknown']),
  reason: z.string(),
  value: z.number().optional(),
  unit: z.string().optional(),
  since: momentSchema.optional(),
  checked_at: momentSchema.optional(),
})

/** Health of one part of the node, as probes give it and REST shows it. */
export type ComponentHealth = z.infer<typeof componentSchema>

/** `GET /health`. */
export const healthSchema = z.object({ status: verdictSchema })

/** `GET /api/lattice/health`. */
export const healthReportSchema = z.object({
  success: z.literal(true),
  timestamp: secondsSchema,
  overall: verdictSchema,
  reason: z.string().describe('why, as one sentence'),
  version: z.string(),
  name: z.string(),
  role: z.string(),
  uptime_seconds: z.number().min(0),
  components: z.object({
    p2p: componentSchema,
    http_sync: componentSchema,
    heartbeat: componentSchema,
    persistence: componentSchema,
    clock: componentSchema,
    disk: componentSchema,
    event_loop: componentSchema,
  }),
  metrics: z.record(z.string(), z.number()),
})

/** `GET /api/status`. */
export const statusSchema = z.object({
  success: z.literal(true),
  production: z.boolean(),
  safe_mode: z.boolean().describe('the node refuses all sync until its settings are mended'),
  violations: z.array(z.string()).describe('settings that are not fit for production'),
  cors_origins: z.array(z.string()),
  p2p: z.object({ enabled: z.boolean(), started: z.boolean(), peer_count: z.int().min(0) }),
})

/** `GET /` to anything but a browser. */
export const rootAnswerSchema = z.object({
  name: z.string(),
  version: z.string(),
  status: z.literal('operational'),
  endpoints: z.record(z.string(), z.string()),
})

/** `GET /api/persistence/integrity`. */
export const integritySchema = z.object({
  status: z.enum(['healthy', 'corrupt']).describe('corrupt while something damaged is not mended'),
  merkle_root: rootSchema,
  checked: z.boolean().describe('false until the first run has ended'),
  running: z.boolean(),
  checked_at: momentSchema.nullable(),
  age_seconds: z.number().min(0).nullable(),
  duration_seconds: z.number().min(0).nullable(),
  rows_checked: z.int().min(0).describe('in the last run that ended'),
  rows_corrupt: z.int().min(0).describe('found damaged in that run, or not mended since an earlier one'),
  corrupt: z.array(z.object({ seq: z.int(), key: z.string() })).describe('the first 20'),
  quarantined: z.int().min(0).describe('damaged entries that have not come back from another node yet'),
  quarantined_here_only: z.int().min(0).describe('of these, those that no other node is known to have had'),
  quarantined_keys: z.array(z.string()).describe('the first 20; `?` where the damage took the key'),
  healed: z.int().min(0).describe('entries that were in quarantine and came back, since the start'),
  reason: z.string(),
})

/** Result of re-hashing the store, as the background check gives it and REST shows it. */
export type IntegrityReport = Omit<z.infer<typeof integritySchema>, 'merkle_root'>
