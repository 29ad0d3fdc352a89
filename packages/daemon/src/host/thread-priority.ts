/** Priorities of threads: what can wait must not take a processor from those that others wait for. */
import { getPriority, setPriority } from 'node:os'

/** So much nicer, on a scale whose end is 19: a tenth of a processor where others want it, else all of it. */
const nicer = 10

/**
 * Lets the other threads of this process go before the calling one. Elsewhere than on Linux, where the value
 * is one of the whole process, and where it is forbidden, it does nothing.
 */
export function standBack(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(Math.min(19, getPriority() + nicer))
  } catch {
    // A matter of speed alone: a sandbox may refuse the system call.
  }
}
