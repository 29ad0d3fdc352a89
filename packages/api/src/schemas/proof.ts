/** Proofs of single keys under a signed root (docs/protocol.md §5.1). */
import type { KeyProof } from '@lattice/core'
import { z } from 'zod'
import { keySchema, nodeIdSchema, rootSchema, secondsSchema } from './scalars.ts'

/** Most entries of one key in a proof, and most branches above it. The core holds the same bounds. */
const entriesMax = 4096
const branchesMax = 64

const digestSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('SHA-256, 64 lower-case hex digits')

const hexSchema = z.string().regex(/^(?:[0-9a-f]{2})*$/, 'must be bytes in lower-case hex')

const branchSchema = z.strictObject({
  depth: z.int().min(0).max(127).describe('nibbles shared by all leaves below'),
  count: z
    .int()
    .min(2)
    .max(2 ** 48 - 1)
    .describe('leaves below'),
  children: z
    .record(z.string().regex(/^[0-9a-f]$/), digestSchema)
    .describe('digests by nibble, without the child that leads on to the key'),
})

const neighbourSchema = z.union([
  z.strictObject({
    leaf: z.strictObject({ path: z.string().regex(/^[0-9a-f]{128}$/), digest: digestSchema }),
  }),
  z.strictObject({ branch: branchSchema.extend({ prefix: hexSchema.max(128) }) }),
])

/** Which entries a key has under a root that a node has signed. */
export const keyProofSchema = z.strictObject({
  format: z.literal('lattice.proof/v1'),
  key: keySchema,
  merkle_root: rootSchema,
  timestamp: secondsSchema,
  signature: z
    .string()
    .regex(/^[0-9a-f]{128}$/)
    .describe('hex Ed25519 of public_key over the text <merkle_root>:<timestamp>'),
  public_key: nodeIdSchema,
  entries: z.array(hexSchema).max(entriesMax).describe('the exact bytes of all entries of the key, in hex'),
  branches: z.array(branchSchema).max(branchesMax).describe('from the root down'),
  neighbour: neighbourSchema.optional().describe('what stands where the key would be'),
})

/** A proof as it is sent and kept. */
export type SignedKeyProof = z.infer<typeof keyProofSchema>

/** The part of a proof that the core makes and checks. */
export function keyProofOf({ key, entries, branches, neighbour }: SignedKeyProof): KeyProof {
  return { key, entries, branches, ...(neighbour === undefined ? {} : { neighbour }) }
}
