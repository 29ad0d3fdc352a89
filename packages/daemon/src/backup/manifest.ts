/**
 * What a backup says of itself, signed by the node that made it: whoever restores needs to trust that node
 * only, and a changed or swapped member shows. Format: docs/backup.md.
 */
import { createHash } from 'node:crypto'

import { fieldName, inWords } from '@lattice/api'
import type { NodeId, Signer, Verifier } from '@lattice/core'
import { isIncarnation, isNodeId, toUtf8 } from '@lattice/core'
import { z } from 'zod'

/** Names of the members beside the state, which is named by its content (snapshot-file.ts). */
export const memberNames = {
  manifest: 'manifest.json',
  settings: 'lattice.env',
  identity: 'identity.sealed',
  history: 'history.db',
} as const

/** The last millisecond that a Date can tell (ECMA-262, time values). */
const momentMax = 8.64e15

const digest = z.string().regex(/^[0-9a-f]{64}$/)
const nodeId = z.custom<NodeId>(value => typeof value === 'string' && isNodeId(value), 'no node id')

/** Facts of a backup. */
export const manifestSchema = z.strictObject({
  format: z.literal('lattice-backup/1'),
  /** Version of the program that wrote it. */
  version: z.string(),
  node: nodeId,
  name: z.string(),
  /** Unix milliseconds. */
  made: z.int().positive().max(momentMax),
  incarnation: z.custom<string>(value => typeof value === 'string' && isIncarnation(value), 'no incarnation'),
  root: digest,
  entries: z.int().nonnegative(),
  /** Whose entries are inside. */
  authors: z.array(nodeId),
  /** Name of the member with the entries. */
  state: z.string(),
  /** SHA-256 of each other member. */
  members: z.record(z.string(), digest),
})

/** Facts of a backup. */
export type Manifest = z.infer<typeof manifestSchema>

const signedSchema = z.strictObject({ manifest: z.string(), signature: z.string().regex(/^[0-9a-f]{128}$/) })

/** The member `manifest.json`: the facts as text, and the signature over exactly this text. */
export function signManifest(manifest: Manifest, signer: Signer): Uint8Array {
  const text = JSON.stringify(manifest)
  const signature = Buffer.from(signer.sign(toUtf8(text))).toString('hex')
  return toUtf8(`${JSON.stringify({ manifest: text, signature }, undefined, 1)}\n`)
}

/** The facts, once the signature of the node they name has been checked; else what is wrong. */
export async function readManifest(bytes: Uint8Array, verifier: Verifier): Promise<Manifest | string> {
  const signed = signedSchema.safeParse(readJson(Buffer.from(bytes).toString('utf8')))
  if (!signed.success) return 'its manifest is not that of a backup'
  const { manifest: text, signature } = signed.data
  const parsed = manifestSchema.safeParse(readJson(text), inWords)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const later = /"format":"lattice-backup\/([2-9]|\d\d)/.test(text)
    if (later) return 'a later version wrote it; restore it with that version'
    return `its manifest is malformed (${fieldName(issue?.path ?? [])}: ${issue?.message ?? ''})`
  }
  const { node: author } = parsed.data
  const item = { author, message: toUtf8(text), signature: Buffer.from(signature, 'hex') }
  const [valid] = await verifier.verify([item])
  return valid === true ? parsed.data : `its manifest is not signed by ${author}: it was changed`
}

/** SHA-256, 64 hex digits. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
