/** Snapshots of the whole state as files, and stores made from them. */
export { fillFromSnapshot, restoreAtStart, restoreSnapshot } from './restore-snapshot.ts'
export { readSnapshot, snapshotSeq, writeSnapshot } from './snapshot-file.ts'
export { keepSnapshots } from './snapshots.ts'
