/** What every command file exports: a function that adds its command to the program. */
import type { Command } from 'commander'

import type { Config, Loaded } from '../config/index.ts'
import type { CliIo } from './io.ts'

/** What `lattice start` hands to the composition root besides the configuration. */
export interface StartContext {
  readonly loaded: Loaded
  /** Loads again from the same flags, environment and file. */
  readonly reload: () => Loaded
  readonly io: CliIo
}

/** What the CLI cannot do by itself. */
export interface CliActions {
  /** Runs the daemon until it has stopped; resolves its exit code. May reject with a `LatticeError`. */
  startDaemon(config: Config, context: StartContext): Promise<number>
}

/** The body of a command; gets its positional arguments, its options and the command, in this order. */
export type CommandBody = (...args: never[]) => Promise<number> | number

/** What a command is registered with. */
export interface CommandContext {
  readonly io: CliIo
  readonly actions: CliActions
  /** Wraps a body: its result becomes the exit code, its failure an error message. */
  readonly run: (body: CommandBody) => (...args: unknown[]) => Promise<void>
}

/** Adds one command to the program. */
export type Register = (program: Command, context: CommandContext) => void
