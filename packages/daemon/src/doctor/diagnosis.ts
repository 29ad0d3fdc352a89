/** What a check of `lattice doctor` sees and what it answers. */
import type { Client } from '@lattice/api'

import type { Loaded } from '../config/index.ts'

/** Worst last; skip: could not be looked at, which is never "all is well". */
export type Verdict = 'pass' | 'skip' | 'warn' | 'fail'

/** The answer of one check. */
export interface Diagnosis {
  readonly verdict: Verdict
  /** What is so, as a short sentence. */
  readonly text: string
  /** Why it matters, or what brought it about; only where something is wrong. */
  readonly cause?: string
  /** What to run or to write. */
  readonly command?: string
  /** Does what `command` says, where nothing can be lost by it: rights of files of our own, never content. */
  readonly mend?: () => void
}

/** What the checks look at. */
export interface Patient {
  readonly loaded: Loaded
  /** Absolute; may not exist. */
  readonly stateDir: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Version of Node that would run the daemon, `24.22.1`. */
  readonly nodeVersion: string
  /** The daemon of this machine; undefined where none answers. */
  readonly daemon: Client | undefined
  /** Whether other machines may be asked. */
  readonly online: boolean
  /** Unix milliseconds. */
  readonly now: number
}

/** One check; `name` is stable and the same in every run. */
export interface Check {
  readonly name: string
  look(patient: Patient): Diagnosis | Promise<Diagnosis>
}

/** All is well. */
export function pass(text: string): Diagnosis {
  return { verdict: 'pass', text }
}

/** Could not be looked at. */
export function skip(text: string): Diagnosis {
  return { verdict: 'skip', text }
}

/** Works, and wants a look. */
export function warn(text: string, cause: string, command: string): Diagnosis {
  return { verdict: 'warn', text, cause, command }
}

/** Does not work, or will not. */
export function fail(text: string, cause: string, command: string): Diagnosis {
  return { verdict: 'fail', text, cause, command }
}
