/** The built-in history: what the charts of the dashboard show. */
import { z } from 'zod'
import { parseDuration } from '../duration.ts'
import { momentSchema } from './scalars.ts'

/** Every series there is, with its unit. */
export const historyUnits = {
  mode: 'share of the time on each transport',
  lag: 'commits of a node that this one has not applied',
  latency: 'milliseconds',
  writes: 'changes per second',
  errors: 'answers per second',
  keys: 'keys',
  availability: 'share of the time',
} as const

/** Name of a series. */
export type HistorySeriesName = keyof typeof historyUnits

const names = Object.keys(historyUnits) as [HistorySeriesName, ...HistorySeriesName[]]
const nameSchema = z.enum(names)

/** Longest span that can be asked for: as long as history is kept. */
export const historyMsMax = 400 * 86_400_000

const nameListSchema = z
  .string()
  .max(200)
  .transform(text => [...new Set(text.split(','))])
  .pipe(z.array(z.enum(names, `one or more of ${names.join(', ')}, separated by commas`)).min(1))

/** The end of the last year that RFC 3339 can write. */
const wallMsMax = Date.UTC(10_000, 0) - 1

const instantSchema = z
  .string()
  .max(40)
  .transform((text, context) => {
    const wall = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : Date.parse(text)
    if (wall >= 0 && wall <= wallMsMax) return wall
    context.addIssue({ code: 'custom', message: 'expected Unix seconds or RFC 3339, until the year 9999' })
    return z.NEVER
  })

const stepSchema = z
  .string()
  .max(20)
  .transform((text, context) => {
    const ms = parseDuration(text)
    if (ms !== undefined && ms >= 1000 && ms <= historyMsMax) return ms
    context.addIssue({ code: 'custom', message: 'expected a duration such as 10s, 5m or 1d' })
    return z.NEVER
  })

/** Query of `GET /api/lattice/metrics/history`. */
export const historyQuerySchema = z.strictObject({
  series: nameListSchema.describe(`one or more of ${names.join(', ')}, separated by commas`),
  from: instantSchema.optional().describe('Unix seconds or RFC 3339; default: an hour before `to`'),
  to: instantSchema.optional().describe('Unix seconds or RFC 3339; default: now'),
  step: stepSchema
    .optional()
    .describe('how long one point lasts, at least, such as 5m; default: as fine as the answer may be'),
})

/** One point: Unix seconds of its beginning, then minimum, mean and maximum during it. */
export const historyPointSchema = z.tuple([z.int(), z.number(), z.number(), z.number()])

/** `GET /api/lattice/metrics/history`. */
export const historySchema = z.object({
  success: z.literal(true),
  from: momentSchema,
  to: momentSchema,
  step_seconds: z.number().min(1).describe('how long one point lasts'),
  series: z.array(
    z.object({
      series: nameSchema,
      unit: z.string(),
      labels: z
        .object({
          node: z.string().describe('name of the node'),
          node_id: z.string(),
          path: z.string().describe('p2p or http'),
          transport: z.string().describe('p2p, http or none'),
          source: z.string().describe('local or peers'),
          fault: z.string().describe('client (4xx) or server (5xx)'),
        })
        .partial()
        .describe('what tells this series from others of its name'),
      points: z
        .array(historyPointSchema)
        .describe('oldest first: [Unix seconds, minimum, mean, maximum]; a gap is time without a sample'),
    }),
  ),
})
