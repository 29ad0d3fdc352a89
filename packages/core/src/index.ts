/** The pure core: entries, clock, Merkle trie, replica, reconcile, peers, watchdog, mode, engine. */
export * from './units.ts'
export * from './limits.ts'
export * from './errors.ts'
export * from './ports.ts'
export * from './status.ts'
