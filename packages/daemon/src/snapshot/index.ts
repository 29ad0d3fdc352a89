/** Snapshots on a disk that outlives this one. */
export { restoreAtStart, restoreSnapshot, type Restored } from './restore-snapshot.ts'
export { keepSnapshots, type Snapshots } from './snapshots.ts'
