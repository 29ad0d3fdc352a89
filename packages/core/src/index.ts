/** The pure core: entries, clock, Merkle trie, replica, reconcile, peers, watchdog, mode, engine. */
export * from './units.ts'
export * from './limits.ts'
export * from './errors.ts'
export * from './ports.ts'
export * from './status.ts'
export { visibleWarnings } from './warnings.ts'
export * from './bytes.ts'
export * from './value.ts'
export * from './clocks.ts'
export * from './names.ts'
export * from './hlc.ts'
export * from './slot.ts'
export {
  compareEntries,
  entrySignature,
  keyProblem,
  parseEntry,
  parseStored,
  signEntry,
  admit,
} from './entry.ts'
export type { Entry, EntryContent, VerifiedEntry } from './entry.ts'
export { horizonKey, vouchedHorizon } from './horizon.ts'
export { leafDigest, MerkleTrie, pathOf } from './merkle.ts'
export type { Leaf, Subtree } from './merkle.ts'
export { proveKey } from './proof.ts'
export type { KeyProof, Neighbour, ProofBranch, ProofParts } from './proof.ts'
export { checkProof, isUnsound } from './proof-check.ts'
export type { ProvenKey, UnsoundProof } from './proof-check.ts'
export { Replica } from './replica.ts'
export type { Scan } from './checked-rows.ts'
export { rowOf } from './winners.ts'
export { packDigests, type DigestList } from './digest-list.ts'
export * from './message.ts'
export {
  decodeMessage,
  encodeMessage,
  encodeVersionAnswer,
  isMalformed,
  oldestProtocolVersion,
  protocolVersion,
} from './wire.ts'
export type { Malformed } from './wire.ts'
export * from './params.ts'
export { forceMode, initialMode, phases, stepMode } from './mode.ts'
export type { Facts as ModeFacts, Mode, ModeState } from './mode.ts'
export * from './events.ts'
export { Engine } from './engine.ts'
export { authorsOf, type EngineParts } from './engine-parts.ts'
