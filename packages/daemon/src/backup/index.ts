/** Backups: everything a node is made of, in one signed file, and the way back (docs/backup.md). */
export type { Manifest } from './manifest.ts'
export { BackupDamage, openBackup, type OpenedBackup } from './read-backup.ts'
export { restoreStore, storeFilesIn, tryRestore, type RestoreInput } from './restore-backup.ts'
export { openSeed } from './sealed-identity.ts'
export { tarOf, type TarSource } from './tar.ts'
export { writeBackup } from './write-backup.ts'
