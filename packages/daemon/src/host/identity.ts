/**
 * The one key of a node: libp2p identity, author of entries, HTTP signer.
 *
 * It comes from the configuration or from STATE_DIR/identity.key, and is generated only where nothing
 * exists yet. A node that lost its key but kept its store must not come back as somebody else unnoticed
 * (reliability S18).
 */
import { createPublicKey, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { LatticeError, isNodeId } from '@lattice/core'
import type { NodeId, Signer } from '@lattice/core'

import type { Secret } from '../config/secret.ts'
import { createSign, privateKeyFromSeed } from './ed25519-sign.ts'
import { peerIdFromNodeId } from './peer-id.ts'
import { SignCrew } from './sign-crew.ts'
import { codeOf, createPrivateFile, readPrivateFile } from './private-file.ts'

/** Name of the key's file within the state directory: 64 hex digits and a line feed. */
export const identityFile = 'identity.key'

/** Who this node is. */
export interface Identity {
  readonly nodeId: NodeId
  readonly peerId: string
  /** 32-byte Ed25519 seed; the caller must not change or keep it longer than needed. */
  readonly seed: Uint8Array
  /** 32-byte Ed25519 public key. */
  readonly publicKey: Uint8Array
  readonly signer: Signer
  /** Ends the threads that sign: each daemon of a process has its own. */
  readonly release: () => Promise<void>
  /** generated: made by this very call. */
  readonly source: 'configured' | 'file' | 'generated'
}

const seedPattern = /^[0-9a-f]{64}$/

/**
 * Opens the identity, or makes one where neither key nor store exists. Throws IDENTITY_INVALID,
 * STATE_DIR_UNUSABLE.
 */
export function openIdentity(options: {
  readonly stateDir: string
  readonly configured?: Secret | undefined
  /** Whether a store exists; found out by looking for a database in `stateDir` when left out. */
  readonly storeExists?: boolean
}): Identity {
  const path = join(options.stateDir, identityFile)
  const kept = readKept(path)
  const configured = options.configured?.reveal().toLowerCase()
  if (configured !== undefined) {
    if (kept !== undefined && kept !== configured) {
      const advice = 'remove the one that is not this node; entries are signed with it'
      throw invalid(`LATTICE_NODE_PRIVKEY_HEX and ${path} hold different keys; ${advice}`)
    }
    return identityFromSeed(Buffer.from(configured, 'hex'), 'configured')
  }
  if (kept !== undefined) return identityFromSeed(Buffer.from(kept, 'hex'), 'file')
  if (options.storeExists ?? holdsStore(options.stateDir)) {
    const advice = 'restore it from a backup, or move the store away to start as a new node'
    throw invalid(`${path} is missing although a store exists; ${advice}`)
  }
  return generate(path)
}

/** The identity of a given 32-byte seed. */
export function identityFromSeed(seed: Uint8Array, source: Identity['source']): Identity {
  const publicKey = rawPublicKey(privateKeyFromSeed(seed))
  const nodeId = Buffer.from(publicKey).toString('hex')
  if (!isNodeId(nodeId)) throw new Error('a public key is always 32 bytes')
  const crew = new SignCrew(seed)
  const signer: Signer = Object.freeze({
    nodeId,
    sign: createSign(seed),
    signMany: (messages: readonly Uint8Array[]) => crew.sign(messages),
  })
  const peerId = peerIdFromNodeId(nodeId)
  const release = crew.end.bind(crew)
  return { nodeId, peerId, seed: new Uint8Array(seed), publicKey, signer, release, source }
}

/** Makes `seed` the key of a node that has none yet. Throws IDENTITY_INVALID, STATE_DIR_UNUSABLE. */
export function keepIdentity(stateDir: string, seed: Uint8Array): void {
  const path = join(stateDir, identityFile)
  if (!createKept(path, seed)) throw invalid(`${path} holds a key already`)
}

/** The seed that the text of identity.key holds, as 64 lower-case hex digits; undefined where it is torn. */
export function seedIn(text: string): string | undefined {
  const seed = text.replace(/\r?\n$/, '').toLowerCase()
  return seedPattern.test(seed) ? seed : undefined
}

/** Whether a directory holds a database, and thus a store of some node. */
export function holdsStore(stateDir: string): boolean {
  try {
    return readdirSync(stateDir).some(name => /\.(db|sqlite3?)(-wal)?$/.test(name))
  } catch {
    return false
  }
}

function rawPublicKey(privateKey: ReturnType<typeof privateKeyFromSeed>): Uint8Array {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return new Uint8Array(Buffer.from(x ?? '', 'base64url'))
}

function readKept(path: string): string | undefined {
  const file = readPrivateFile(path)
  if (file.state === 'missing') return undefined
  if (file.state === 'unusable') throw invalid(file.why)
  const seed = seedIn(file.text)
  if (seed !== undefined) return seed
  throw invalid(`${path} does not hold 64 hex digits (torn or overwritten); restore it from a backup`)
}

function generate(path: string): Identity {
  const seed = randomBytes(32)
  if (createKept(path, seed)) return identityFromSeed(seed, 'generated')
  const kept = readKept(path)
  if (kept === undefined) throw invalid(`${path} vanished while starting`)
  return identityFromSeed(Buffer.from(kept, 'hex'), 'file')
}

function createKept(path: string, seed: Uint8Array): boolean {
  try {
    return createPrivateFile(path, `${Buffer.from(seed).toString('hex')}\n`)
  } catch (error) {
    throw new LatticeError('STATE_DIR_UNUSABLE', `${path} cannot be created (${codeOf(error)})`, {
      cause: error,
    })
  }
}

function invalid(detail: string): LatticeError {
  return new LatticeError('IDENTITY_INVALID', detail)
}
