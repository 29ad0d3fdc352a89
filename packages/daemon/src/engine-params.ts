/** The settings that the engine goes by. */
import type { EngineParams } from '@lattice/core'
import type { Config } from './config/index.ts'

/** Parameters of a running engine, which reads them anew each time it uses one. */
export type Tunable = { -readonly [Name in keyof EngineParams]: EngineParams[Name] }

/** Those of a configuration. */
export function engineParams(config: Config): Tunable {
  return {
    p2pEnabled: config.p2pEnabled,
    heartbeatMs: config.heartbeatIntervalMs,
    peerlessTimeoutMs: config.peerlessTimeoutMs,
    pollIntervalMs: config.httpPollIntervalMs,
    stableAfterMs: config.p2pStableAfterMs,
    hedgeAfterMs: config.hedgeAfterMs,
    holdDownMs: config.holdDownMs,
    holdDownMaxMs: config.holdDownMaxMs,
    flapLimit: config.flapLimit.count,
    flapWindowMs: config.flapLimit.windowMs,
    redialMaxMs: config.redialMaxMs,
    tombstoneRetentionMs: config.tombstoneRetentionMs,
  }
}
