/**
 * Every bound in one place. Peers are not trusted with our memory, our clock or our disk.
 *
 * The outer limits (key, value, transaction, frame) are fixed by the contract; clients rely on them.
 */

/** Longest key, in bytes of UTF-8 (contract §3). */
export const keyBytesMax = 512

/** Largest value, in bytes of canonical CBOR (contract §3). */
export const valueBytesMax = 128 * 1024

/** Deepest nesting of arrays and objects in a value (contract §3). */
export const valueDepthMax = 64

/** Longest slot: 1 byte of type, 32 of author or element digest, 8 of incarnation. */
export const slotBytesMax = 41

/** Most operations in one transaction (contract §3). */
export const transactionOperationsMax = 1000

/** Largest frame on either path (contract §3). */
export const frameBytesMax = 256 * 1024

/**
 * What an entry adds around key, slot and value: format 1, author 32, version 8, flags 1, base 8, lengths 3,
 * signature 64.
 */
export const entryOverheadBytesMax = 117

/** Largest entry on the wire. Always fits one frame together with the other sections. */
export const entryBytesMax = entryOverheadBytesMax + keyBytesMax + slotBytesMax + valueBytesMax

/** Most entries in one frame: what 256 KiB hold of the smallest entries, rounded up. */
export const frameEntriesMax = 4096

/**
 * Budget for rows, entries and the step of a descent in one frame. The rest of `frameBytesMax` is for beat,
 * acknowledgements and introduction, and for what a step takes beyond its room, or else for entries that wait
 * here for their time.
 */
export const frameContentBytesMax = 236 * 1024

/** Gossip degrades and then loses messages silently above this size (measured; engineering §2). */
export const announceBytesMax = 25_000

/**
 * An entry stamped further than this ahead of our wall clock waits, and does not move our clock (reliability
 * §1.7).
 */
export const futureToleranceMs = 10 * 60_000

/** Entries from the future kept waiting per author; the oldest goes first (reliability X3). */
export const deferredPerAuthorMax = 1000

/** The same in bytes: a thousand of the largest would be 128 MB. */
export const deferredBytesPerAuthorMax = 8 * 1024 * 1024

/** Members of one federation: bounds the cursors in a beat and the state kept per peer. */
export const membersMax = 64

/**
 * Summaries, and wants, that every node reads in one frame; bounds the work a lying digest can cause
 * (reliability X10).
 */
export const compareNodesMax = 1024

/** The same for this build, which says so: what half a frame of 256 KiB holds of the shortest real ones. */
export const compareNodesRead = 8 * compareNodesMax

/** Frames in one descent before it is given up and paused for (reliability X10); an honest one takes four. */
export const descentRoundsMax = 16

/** Commit times kept for peers that lag; older ones are thinned out. */
export const pendingMarksMax = 1_000

/** Writes queued for the next commit before new ones are refused as overload. */
export const pendingWritesMax = 10_000

/** Entries of one key in a proof: as many as a frame holds; a set beyond that is read, not proven. */
export const proofEntriesMax = 4096

/** Damaged entries remembered one by one; a store with more is rebuilt as a whole. */
export const quarantineMax = 1_000

/**
 * Free bytes of the disk below which nothing is written but deletes, whoever wrote it: they, and moving the
 * log into the database, need some room.
 */
export const storeReserveBytes = 1024 * 1024
