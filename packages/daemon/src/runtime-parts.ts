/** What a runtime is made of. */
import type { Clock, EngineParts, StoreRemedy, Transport, Verifier } from '@lattice/core'
import type { Pulse } from './host/pulse.ts'

/** The engine's parts, and the world it acts on. */
export interface RuntimeParts extends Omit<EngineParts, 'at'> {
  readonly clock: Clock
  readonly verifier: Verifier
  readonly transports: readonly Transport[]
  /** Restarts the P2P stack after a jump of the clock, or starts it where it could not before. */
  readonly restartP2p?: () => Promise<void>
  /** Told of every step and commit: what a process watchdog goes by. */
  readonly pulse?: Pulse
  /**
   * The store cannot be trusted any more, and this runtime has stopped where it was: it is to be replaced.
   * Without it such an error is thrown.
   */
  readonly onDistrust?: (reason: string, remedy: StoreRemedy) => void
  readonly log: (
    level: 'info' | 'warn' | 'error',
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void
}
