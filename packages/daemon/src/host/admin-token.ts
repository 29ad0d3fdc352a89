/**
 * The admin token: from the configuration, else kept in STATE_DIR/admin.token, made on first use.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'

import { LatticeError } from '@lattice/core'

import { Secret } from '../config/secret.ts'
import { codeOf, createPrivateFile, readPrivateFile } from './private-file.ts'

/** Name of the token's file within the state directory. */
export const adminTokenFile = 'admin.token'

// 256 bits: beyond guessing at any rate (reliability §5, row 2).
const tokenBytes = 32
const tokenPattern = /^[!-~]{16,512}$/

/** The token a daemon demands; generated into `stateDir` where there is none. Throws STATE_DIR_UNUSABLE. */
export function openAdminToken(stateDir: string, configured: Secret | undefined): Secret {
  if (configured !== undefined) return configured
  const path = join(stateDir, adminTokenFile)
  if (readPrivateFile(path).state === 'missing') {
    try {
      createPrivateFile(path, `${randomBytes(tokenBytes).toString('base64url')}\n`)
    } catch (error) {
      throw new LatticeError('STATE_DIR_UNUSABLE', `${path} cannot be created (${codeOf(error)})`, {
        cause: error,
      })
    }
  }
  return readToken(path)
}

/**
 * The token a client on the same machine may use; undefined where the file is not there or not ours to
 * read.
 */
export function findAdminToken(stateDir: string): Secret | undefined {
  const file = readPrivateFile(join(stateDir, adminTokenFile))
  return file.state === 'present' ? tokenIn(file.text) : undefined
}

/** The token that the text of admin.token holds; undefined where it is none. */
export function tokenIn(fileText: string): Secret | undefined {
  const text = fileText.trim()
  return tokenPattern.test(text) ? new Secret(text) : undefined
}

function readToken(path: string): Secret {
  const file = readPrivateFile(path)
  if (file.state === 'missing')
    throw new LatticeError('STATE_DIR_UNUSABLE', `${path} vanished while starting`)
  if (file.state === 'unusable') throw new LatticeError('STATE_DIR_UNUSABLE', file.why)
  const token = tokenIn(file.text)
  if (token !== undefined) return token
  throw new LatticeError(
    'STATE_DIR_UNUSABLE',
    `${path} does not hold a token; remove it and a new one is made`,
  )
}
