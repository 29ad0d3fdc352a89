/** Snapshots of the whole state as files, and stores made from them. */
export { fillFromSnapshot, restoreAtStart, restoreSnapshot, type AtStart } from './restore-snapshot.ts'
export { readSnapshot, SnapshotDamage, snapshotSeq, unusedPrefix, writeSnapshot } from './snapshot-file.ts'
export { freezeState, keepSnapshots } from './snapshots.ts'
