/** What every kind of node can do with a release. */
import type { Release } from './release.ts'

/** Tells one step that is done. */
export type Tell = (text: string) => void

/** A place a release can be put on. Each step may be repeated, and rejects with the reason when it fails. */
export interface Target {
  /** The release that runs, by its id; undefined where there is none. */
  inForce(): Promise<string | undefined>
  backup(): Promise<void>
  /**
   * Puts the release beside the one in force; nothing running notices. False where the very same runs
   * already.
   */
  upload(release: Release): Promise<boolean>
  /** Makes it the one in force, and restarts. */
  activate(release: Release): Promise<void>
  /** The same with an earlier one, by its id. */
  back(id: string): Promise<void>
  /**
   * Where the earlier one, now in force, cannot read the store that `release` has left: takes everything in it
   * over by a backup, and restarts. Undefined where that is not planned for.
   */
  readonly recover?: ((release: Release) => Promise<void>) | undefined
  /** Removes releases nobody goes back to. */
  tidy(): Promise<void>
  /** What would be done, for a dry run. */
  plan(release: Release): readonly string[]
}
