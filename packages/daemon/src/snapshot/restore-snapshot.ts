/**
 * Fills an empty store from the newest readable snapshot before the node starts: entries of members,
 * signatures verified, joined by the same rules as from a peer. What is newer comes from the peers
 * afterwards.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { admit, entrySignature, parseEntry, Replica } from '@lattice/core'
import type { Hash, NodeId, Signer, Store, VerifiedEntry, Verifier } from '@lattice/core'

import { sentence } from '../failure.ts'
import type { Log } from '../host/log.ts'
import { readSnapshot, snapshotSeq, type SnapshotHeader } from './snapshot-file.ts'

/** Names the newest snapshot of a directory; what it names was whole before it was written. */
export const latestFile = 'LATEST'

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

/**
 * Restores into a store that holds nothing; undefined where there is something already, or no snapshot to
 * read.
 */
export async function restoreSnapshot(directory: string, parts: RestoreParts): Promise<Restored | undefined> {
  if (parts.store.lastSeq > 0) return undefined
  for (const name of candidates(directory, parts.log)) {
    try {
      return await restoreOne(directory, name, parts)
    } catch (error) {
      parts.log('warn', `the snapshot ${name} cannot be used: ${sentence(error)}`, { code: 'SNAPSHOT' })
      // What was taken from it before it broke off was verified entry by entry, and stays.
    }
  }
  return undefined
}

/** The file LATEST names, then all others, highest sequence first. */
function candidates(directory: string, log: RestoreParts['log']): readonly string[] {
  let names: readonly string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    log('warn', `no snapshot is read from ${directory}: ${sentence(error)}`, { code: 'SNAPSHOT' })
    return []
  }
  const found = names.filter(name => snapshotSeq(name) !== undefined)
  const latest = names.includes(latestFile) ? readFileSync(join(directory, latestFile), 'utf8').trim() : ''
  const others = found.filter(name => name !== latest)
  others.sort((a, b) => (snapshotSeq(b) ?? 0) - (snapshotSeq(a) ?? 0))
  return [...found.filter(name => name === latest), ...others]
}

async function restoreOne(directory: string, name: string, parts: RestoreParts): Promise<Restored> {
  const { header, entries, refused } = await fillFromSnapshot(join(directory, name), parts)
  return { name, header, entries, refused }
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
    const verdicts = replica.offer(verified, 'http', anyWall)
    entries += verdicts.filter(verdict => verdict === 'staged').length
    refused += part.length - verified.length
    tell((read += part.length))
    if (!replica.hasForming) continue
    await store.commit(replica.seal())
    replica.committed()
  }
  if (header === undefined) throw new Error('it has no header')
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

/** As `restoreSnapshot` where a directory is configured, told in the log; the root of what came back. */
export async function restoreAtStart(
  directory: string | undefined,
  parts: Omit<RestoreParts, 'log'> & { readonly log: Log },
): Promise<string | undefined> {
  if (directory === undefined) return undefined
  const { log } = parts
  const tell: RestoreParts['log'] = (level, text, fields) => log[level](text, fields)
  const restored = await restoreSnapshot(directory, { ...parts, log: tell })
  if (restored === undefined) return undefined
  const { name, entries, refused, header } = restored
  log.info(`the empty store was filled from ${name}`, {
    code: 'SNAPSHOT',
    entries,
    refused,
    root: header.root,
  })
  return header.root
}
