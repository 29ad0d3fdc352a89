/** The daemon as a library: the runtime that turns the engine's wishes into deeds, and what it stands on. */
export { Runtime, type RuntimeParts } from './runtime.ts'
export type { LatticeNode, StatePage, WriteOptions, WriteReceipt } from './node.ts'
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts'
export { createVerifier, sha256, systemRandom, type SystemVerifier } from './host/crypto.ts'
export { systemClock } from './host/clock.ts'
export { identityFromSeed, type Identity } from './host/identity.ts'
export { profileText, type Given, type ProfileChoice, type ProfileName } from './profiles/index.ts'
