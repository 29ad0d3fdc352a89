/**
 * Fills an empty store from the newest readable snapshot before the node starts: entries of members,
 * signatures verified, joined by the same rules as from a peer. What is newer comes from the peers
 * afterwards.
 *
 * A fact says that it has begun, until the newest snapshot that is whole is in: a part of the state must not
 * pass for all of it. A start that finds the fact begins anew, and joins what is there already once more.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { admit, entrySignature, isLatticeError, LatticeError, parseEntry, Replica } from '@lattice/core'
import type { Hash, NodeId, Signer, Store, VerifiedEntry, Verifier } from '@lattice/core'

import { sentence } from '../failure.ts'
import type { Log } from '../host/log.ts'
import { codeOf } from '../host/private-file.ts'
import { readSnapshot, SnapshotDamage, snapshotSeq, type SnapshotHeader } from './snapshot-file.ts'

/** Names the newest snapshot of a directory; what it names was whole before it was written. */
export const latestFile = 'LATEST'

/**
 * Name of the fact that says: this store was to be filled, and there was or may be a snapshot that would have
 * told more than was taken in.
 */
const restoringFact = 'snapshot/restoring'

/** What was fit to be stored once is fit to be stored here: whatever the clocks say, nothing waits. */
const anyWall = Number.POSITIVE_INFINITY

/** What restoring needs. */
export interface RestoreParts {
  readonly store: Store
  readonly hash: Hash
  readonly signer: Signer
  readonly verifier: Verifier
  readonly members: ReadonlySet<NodeId>
  readonly log: (level: 'info' | 'warn', text: string, fields?: Readonly<Record<string, unknown>>) => void
}

/** What came back. */
export interface Restored {
  readonly name: string
  readonly header: SnapshotHeader
  readonly entries: number
  readonly refused: number
}

/** What a start has made of the snapshots it found. */
export interface RestoreOutcome {
  /** What was taken in; undefined where the store needed nothing, or no snapshot could be used. */
  readonly restored: Restored | undefined
  /** Whether the snapshot of this name may hold what the store lacks: then it must not be deleted. */
  readonly mayLack: (name: string) => boolean
}

/**
 * Fills a store that holds nothing, or that was being filled when the process ended. Snapshots that are
 * damaged or cannot be read are told and passed over.
 *
 * @throws LatticeError where the store does not take what is read; a later call begins anew
 */
export async function restoreSnapshot(directory: string, parts: RestoreParts): Promise<RestoreOutcome> {
  const isBegun = isRestoring(parts.store)
  if (parts.store.lastSeq > 0 && !isBegun) return { restored: undefined, mayLack: () => false }
  if (isBegun) parts.log('info', 'a restore that did not come to its end is begun anew', { code: 'SNAPSHOT' })
  try {
    return await fill(directory, parts)
  } catch (error) {
    if (!isLatticeError(error)) throw error
    const told =
      `the state could not be restored from ${directory}: ${error.message}; mend that and start the node ` +
      'again, which begins the restore anew. The snapshots are left as they are'
    throw new LatticeError(error.code, told, { cause: error })
  }
}

/** Whether a restore has begun and has not come to its end. */
function isRestoring(store: Store): boolean {
  return store.fact(restoringFact) !== undefined
}

async function fill(directory: string, parts: RestoreParts): Promise<RestoreOutcome> {
  const { store, log } = parts
  const names = candidates(directory, log)
  if (names?.length !== 0 && !isRestoring(store)) await mark(store, new Uint8Array(0))
  const unread = new Set<string>()
  for (const name of names ?? []) {
    try {
      const { header, entries, refused } = await fillFromSnapshot(join(directory, name), parts)
      if (unread.size === 0) await mark(store, undefined)
      return { restored: { name, header, entries, refused }, mayLack: each => unread.has(each) }
    } catch (error) {
      if (!(error instanceof SnapshotDamage)) throw error
      log('warn', `the snapshot ${name} cannot be used: ${error.message}`, { code: 'SNAPSHOT' })
      // What was taken from it before it broke off was verified entry by entry, and stays.
      if (error.isUnread) unread.add(name)
    }
  }
  return { restored: undefined, mayLack: () => true }
}

/** On its own and not with the first frame: a directory that cannot be read today may be full tomorrow. */
async function mark(store: Store, value: Uint8Array | undefined): Promise<void> {
  await store.commit({ rows: [], facts: new Map([[restoringFact, value]]) })
}

/**
 * The file LATEST names, then all others, highest sequence first; undefined where nobody can tell, because
 * the directory is there and cannot be read.
 */
function candidates(directory: string, log: RestoreParts['log']): readonly string[] | undefined {
  let names: readonly string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    log('warn', `no snapshot is read from ${directory}: ${sentence(error)}`, { code: 'SNAPSHOT' })
    return codeOf(error) === 'ENOENT' ? [] : undefined
  }
  const found = names.filter(name => snapshotSeq(name) !== undefined)
  const latest = latestOf(directory)
  const others = found.filter(name => name !== latest)
  others.sort((a, b) => (snapshotSeq(b) ?? 0) - (snapshotSeq(a) ?? 0))
  return [...found.filter(name => name === latest), ...others]
}

/** What LATEST names; where it cannot be read, the order of the others is as good. */
function latestOf(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, latestFile), 'utf8').trim()
  } catch {
    return undefined
  }
}

/** What filling a store came to. */
export interface Filled extends Omit<Restored, 'name'> {
  /** Merkle root of the store afterwards, 64 hex digits. */
  readonly root: string
}

/**
 * Joins the entries of one snapshot into the store, frame by frame; `tell` hears how many have been read.
 * Rejects with `SnapshotDamage` or the store's error; what was taken before stays.
 */
export async function fillFromSnapshot(
  path: string,
  parts: Omit<RestoreParts, 'log'>,
  tell: (read: number) => void = () => undefined,
): Promise<Filled> {
  const { store, hash, signer, members } = parts
  const replica = new Replica({ store, hash, signer, trusted: members })
  let header: SnapshotHeader | undefined
  let [entries, refused, read] = [0, 0, 0]
  for await (const part of readSnapshot(path)) {
    if (!Array.isArray(part)) {
      header = part as SnapshotHeader
      continue
    }
    const verified = await verify(part as readonly Uint8Array[], parts)
    const verdicts = replica.offer(verified, 'copy', anyWall)
    entries += verdicts.filter(verdict => verdict === 'staged').length
    refused += part.length - verified.length
    tell((read += part.length))
    if (!replica.hasForming) continue
    await store.commit(replica.seal())
    replica.committed()
  }
  if (header === undefined) throw new SnapshotDamage('it has no header')
  return { header, entries, refused, root: Buffer.from(replica.trie.root()).toString('hex') }
}

/** Of members, well-formed and truly signed; everything else is left out. */
async function verify(
  bytes: readonly Uint8Array[],
  { hash, signer, members, verifier }: Omit<RestoreParts, 'log'>,
): Promise<readonly VerifiedEntry[]> {
  const known = bytes
    .map(each => parseEntry(each, hash))
    .filter(entry => entry !== undefined)
    .filter(({ author }) => author === signer.nodeId || members.has(author))
  const verdicts = await verifier.verify(known.map(entrySignature))
  return known.flatMap((entry, index) => (verdicts[index] === true ? [admit(entry)] : []))
}

/** What a start leaves for `keepSnapshots`. */
export interface AtStart extends Pick<RestoreOutcome, 'mayLack'> {
  /** Root of the snapshot that was taken in. */
  readonly root?: string
}

/** As `restoreSnapshot` where a directory is configured, told in the log. */
export async function restoreAtStart(
  directory: string | undefined,
  parts: Omit<RestoreParts, 'log'> & { readonly log: Log },
): Promise<AtStart> {
  const { log, store } = parts
  const tell: RestoreParts['log'] = (level, text, fields) => log[level](text, fields)
  const { restored, mayLack } =
    directory === undefined
      ? { restored: undefined, mayLack: () => false }
      : await restoreSnapshot(directory, { ...parts, log: tell })
  if (isRestoring(store))
    log.warn('the state was not restored in whole: what it lacks comes from the peers, or not at all', {
      code: 'SNAPSHOT',
    })
  if (restored === undefined) return { mayLack }
  const { name, entries, refused, header } = restored
  log.info(`the store was filled from ${name}`, { code: 'SNAPSHOT', entries, refused, root: header.root })
  return { root: header.root, mayLack }
}
