/**
 * `lattice verify-proof FILE`: whether a kept answer of `GET /api/lattice/state/{key}?proof=true` proves what
 * it says. Offline: needs no daemon, and no key but those whose word is to count.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fieldName, inWords, keyProofOf, keyProofSchema, type SignedKeyProof } from '@lattice/api'
import { checkProof, encodeValue, isLatticeError, isUnsound, toHex } from '@lattice/core'
import type { JsonValue, NodeId, ProvenKey } from '@lattice/core'
import type { Command } from 'commander'

import type { Loaded } from '../config/index.ts'
import { createVerifier, sha256 } from '../host/crypto.ts'
import { identityFile, openIdentity } from '../host/identity.ts'
import { CliError, exitCodes } from './exit.ts'
import { identitySettings } from './id.ts'
import { readInput } from './input.ts'
import { brief, painter, print, printJson, visible, type Paint } from './io.ts'
import type { Register } from './register.ts'
import { loadNeeded, withSettings } from './settings.ts'

/** Adds the command. */
export const registerVerifyProof: Register = (program, { io, run }) => {
  const command = withSettings(program.command('verify-proof <file>'), [
    'TRUSTED_KEYS',
    'FORMER_KEYS',
    'STATE_DIR',
  ])
    .description('check a kept proof of one key, offline; - reads it from standard input')
    .option('--root <hex>', 'the root must be this one')
    .option('--json', 'machine-readable answer (lattice.verify-proof/v1)')
    .addHelpText(
      'after',
      '\nExample:\n  $ lattice get account:alice --proof > alice.json\n  $ lattice verify-proof alice.json',
    )
  command.action(
    run(async (file: string, options: { root?: string; json?: boolean }, self: Command) => {
      const text = await readInput(io, file)
      const kept = findProof(parseDocument(file, text))
      const loaded = loadNeeded(self, io, ['TRUSTED_KEYS', 'FORMER_KEYS'])
      const others = loaded.lookup('TRUSTED_KEYS') ?? []
      const trusted = others.length === 0 ? [] : [...others, ...ownId(loaded, io.cwd)]
      const former = loaded.lookup('FORMER_KEYS') ?? []
      const verdict = await judge(kept, { trusted, former, root: options.root })
      if (options.json === true) printJson(io, { schema: 'lattice.verify-proof/v1', ...documentOf(verdict) })
      else print(io, ...linesOf(verdict, painter(io)))
      return verdict.problems.length === 0 ? exitCodes.ok : exitCodes.failed
    }),
  )
}

/** The node of this configuration, which trusts itself without being told; none where it cannot be read. */
function ownId(loaded: Loaded, cwd: string): NodeId[] {
  try {
    const { stateDir, configured } = identitySettings(loaded, cwd)
    if (configured === undefined && !existsSync(join(stateDir, identityFile))) return []
    return [openIdentity({ stateDir, configured }).nodeId]
  } catch {
    return []
  }
}

const hint = 'keep the whole answer of `lattice get KEY --proof`, as JSON'

function parseDocument(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CliError(exitCodes.usage, `${file === '-' ? 'standard input' : file} is not JSON`, { hint })
  }
}

/** A proof, and what the answer that it came in says beside it: whoever keeps the two believes both. */
interface KeptProof {
  readonly proof: SignedKeyProof
  readonly beside: Readonly<Record<string, unknown>>
}

/** The proof itself, or the `proof` member of the answer it came in. */
function findProof(document: unknown): KeptProof {
  const wrapped = typeof document === 'object' && document !== null && 'proof' in document
  const parsed = keyProofSchema.safeParse(wrapped ? document.proof : document, inWords)
  if (parsed.success) return { proof: parsed.data, beside: wrapped ? { ...document } : {} }
  const [issue] = parsed.error.issues
  const where = issue === undefined ? '' : `: ${fieldName(issue.path) || 'document'}: ${issue.message}`
  throw new CliError(exitCodes.failed, `this is no proof of the form lattice.proof/v1${where}`, {
    hint,
  })
}

interface Verdict {
  readonly proof: SignedKeyProof
  /** Absent where the proof leads nowhere. */
  readonly proven: ProvenKey | undefined
  readonly problems: readonly string[]
  /** Whether the operator said whose word counts. */
  readonly checkedAgainstTrusted: boolean
}

async function judge(
  { proof, beside }: KeptProof,
  wanted: { trusted: readonly NodeId[]; former: readonly NodeId[]; root: string | undefined },
): Promise<Verdict> {
  const verifier = createVerifier()
  const problems: string[] = []
  const claim = new TextEncoder().encode(`${proof.merkle_root}:${proof.timestamp}`)
  const signer = proof.public_key as NodeId
  if (!verifier.verifyOne(signer, claim, Buffer.from(proof.signature, 'hex')))
    problems.push(`the root is not signed by ${signer}`)
  if (wanted.root !== undefined && wanted.root !== proof.merkle_root)
    problems.push(`the root is ${proof.merkle_root}, not ${wanted.root}`)
  const result = checkProof(keyProofOf(proof), sha256)
  const proven = isUnsound(result) ? undefined : result
  if (isUnsound(result)) problems.push(result.problem)
  else {
    if (result.root !== proof.merkle_root) problems.push(`it leads to the root ${result.root}`)
    const good = await verifier.verify(result.signatures)
    if (!good.every(Boolean)) problems.push('an entry is not signed by its author')
    const others = contradictions(beside, proof.key, result.reading)
    if (others.length > 0) problems.push(`the answer around it says otherwise: ${others.join(', ')}`)
  }
  const { trusted, former } = wanted
  // A member of the past still counts as the author of what it wrote, never as the signer of a root.
  const authors = (proven?.signatures ?? []).map(({ author }) => author).filter(id => !former.includes(id))
  for (const id of trusted.length === 0 ? [] : new Set([signer, ...authors]))
    if (!trusted.includes(id)) problems.push(`${id} is not among the trusted keys`)
  return { proof, proven, problems, checkedAgainstTrusted: trusted.length > 0 }
}

/** Names of the members beside a proof that say what it does not. */
function contradictions(
  beside: KeptProof['beside'],
  key: string,
  reading: ProvenKey['reading'],
): readonly string[] {
  // A refusal says of the key that it is not there; its other members are about itself.
  const said: typeof beside = beside['success'] === false ? { found: false } : beside
  const version = reading === undefined ? undefined : hex(reading.version)
  const { value, type, author } = reading ?? {}
  const proven = { key, found: reading !== undefined, value, version, author, type }
  return Object.entries(proven)
    .filter(([name, is]) => Object.hasOwn(said, name) && !isSame(said[name], is))
    .map(([name]) => name)
}

/** Whether two values are one to a node, whatever the order of their members. */
function isSame(said: unknown, is: JsonValue | undefined): boolean {
  if (is === undefined) return false
  // One by one: each element of a set is a value, and all of them may be more than one value may.
  if (Array.isArray(said) && Array.isArray(is))
    return said.length === is.length && is.every((each, at) => isSame(said[at], each))
  try {
    return toHex(encodeValue(said as JsonValue)) === toHex(encodeValue(is))
  } catch (error) {
    if (isLatticeError(error)) return false
    throw error
  }
}

function hex(version: bigint): string {
  return version.toString(16).padStart(16, '0')
}

function documentOf({ proof, proven, problems, checkedAgainstTrusted }: Verdict): Record<string, unknown> {
  const reading = problems.length === 0 ? proven?.reading : undefined
  return {
    ok: problems.length === 0,
    key: proof.key,
    exists: problems.length === 0 ? reading !== undefined : null,
    value: reading?.value ?? null,
    type: reading?.type ?? null,
    version: reading === undefined ? null : hex(reading.version),
    author: reading?.author ?? null,
    merkle_root: proof.merkle_root,
    signed_by: proof.public_key,
    signed_at: new Date(proof.timestamp * 1000).toISOString(),
    trusted: checkedAgainstTrusted ? problems.length === 0 : null,
    problems,
  }
}

function linesOf(verdict: Verdict, paint: Paint): readonly string[] {
  const { proof, proven, problems } = verdict
  const key = visible(proof.key)
  if (problems.length > 0)
    return [`${paint('red', '✗')} This proves nothing about ${key}.`, ...problems.map(text => `  ${text}`)]
  const said = proven?.reading === undefined ? 'does not exist' : `is ${JSON.stringify(proven.reading.value)}`
  const at = new Date(proof.timestamp * 1000).toISOString()
  return [
    `${paint('green', '✓')} ${key} ${visible(said)}`,
    `  under the root ${brief(proof.merkle_root)}, signed by ${proof.public_key} at ${at}`,
    ...(verdict.checkedAgainstTrusted
      ? []
      : ['  Whose word counts was not said: compare that key, or name yours with --trusted-keys.']),
  ]
}
