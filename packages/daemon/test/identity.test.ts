/** Identity and admin token: made once, kept private, never replaced silently. */
import { createPublicKey, verify } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { Secret } from '../src/config/index.ts'
import { findAdminToken, openAdminToken } from '../src/host/admin-token.ts'
import { createVerifier, sha256, systemRandom } from '../src/host/crypto.ts'
import { identityFromSeed, openIdentity } from '../src/host/identity.ts'
import { nodeIdFromPeerId } from '../src/host/peer-id.ts'

let stateDir = ''
let key = ''
beforeEach(() => {
  stateDir = fs.mkdtempSync(join(tmpdir(), 'lattice-identity-'))
  key = join(stateDir, 'identity.key')
})
afterEach(() => fs.rmSync(stateDir, { recursive: true, force: true }))

const seedHex = 'ab'.repeat(32)
const invalid = (text: RegExp) =>
  expect.objectContaining({ code: 'IDENTITY_INVALID', message: expect.stringMatching(text) })

describe('identity', () => {
  it('is generated once, in a file that only its owner can read', () => {
    const directory = join(stateDir, 'deep', 'state')
    const made = openIdentity({ stateDir: directory })
    const file = join(directory, 'identity.key')
    expect(made.source).toBe('generated')
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(fs.readdirSync(directory)).toEqual(['identity.key'])
    expect(fs.statSync(directory).mode & 0o077).toBe(0)
    const again = openIdentity({ stateDir: directory })
    expect([again.source, again.nodeId, again.peerId]).toEqual(['file', made.nodeId, made.peerId])
    expect(nodeIdFromPeerId(made.peerId)).toBe(made.nodeId)
  })

  it('belongs to whom the directory belongs to, also where root looks at it first', () => {
    // Only root can give a directory away.
    if (process.geteuid?.() === 0) fs.chownSync(stateDir, 4711, 4712)
    openIdentity({ stateDir })
    openAdminToken(stateDir, undefined)
    const { uid, gid } = fs.statSync(stateDir)
    for (const name of ['identity.key', 'admin.token'])
      expect(fs.statSync(join(stateDir, name))).toMatchObject({ uid, gid, mode: 0o100600 })
  })

  it('of a root that may give no file away, as in containers, is made in its own directory', () => {
    const [script, mayNot] = [join(import.meta.dirname, '../bin/lattice.js'), '--bounding-set=-chown']
    fs.chownSync(stateDir, process.geteuid?.() ?? 0, process.geteuid?.() === 0 ? 4712 : -1)
    const command = [process.execPath, script, 'id', '--state-dir', stateDir]
    const [program = '', ...args] = process.geteuid?.() === 0 ? ['setpriv', mayNot, ...command] : command
    execFileSync(program, args)
    expect(fs.statSync(join(stateDir, 'identity.key')).mode & 0o777).toBe(0o600)
  })

  it('signs what its public key verifies', () => {
    const { signer, publicKey, nodeId } = openIdentity({ stateDir })
    const message = Buffer.from('hello')
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') }
    const object = createPublicKey({ key: jwk, format: 'jwk' })
    expect(verify(null, message, object, signer.sign(message))).toBe(true)
    expect(Buffer.from(publicKey).toString('hex')).toBe(nodeId)
  })

  it('follows RFC 8032: the first test vector gives its public key', () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
    expect(identityFromSeed(seed, 'configured').nodeId).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    )
  })

  it('comes from the configuration without leaving a copy', () => {
    const identity = openIdentity({ stateDir, configured: new Secret(seedHex) })
    expect(Buffer.from(identity.seed).toString('hex')).toBe(seedHex)
    expect(fs.readdirSync(stateDir)).toEqual([])
  })

  it.each([
    ['readable by others', () => fs.chmodSync(key, 0o644), /mode 0644.*chmod 600/],
    ['torn', () => fs.truncateSync(key, 40), /does not hold 64 hex digits/],
    ['empty', () => fs.truncateSync(key, 0), /does not hold 64 hex digits/],
    ['not hex', () => fs.writeFileSync(key, 'z'.repeat(64)), /does not hold 64 hex digits/],
    ['a symbolic link', () => link(), /symbolic link/],
    ['a directory', () => directory(), /not a regular file/],
    ['gone although a store exists', () => storeWithoutKey(), /missing although a store exists/],
  ])('that is %s stops the start and is left as it is', (_what, damage, message) => {
    openIdentity({ stateDir })
    damage()
    const before = snapshot()
    expect(() => openIdentity({ stateDir })).toThrow(invalid(message))
    expect(snapshot()).toEqual(before)
  })

  it('refuses two different keys in configuration and file', () => {
    openIdentity({ stateDir })
    expect(() => openIdentity({ stateDir, configured: new Secret(seedHex) })).toThrow(
      invalid(/different keys/),
    )
  })

  it('tells a state directory that cannot be made', () => {
    fs.writeFileSync(join(stateDir, 'file'), '')
    const unusable = expect.objectContaining({ code: 'STATE_DIR_UNUSABLE' })
    expect(() => openIdentity({ stateDir: join(stateDir, 'file', 'x') })).toThrow(invalid(/ENOTDIR/))
    expect(() => openAdminToken(join(stateDir, 'file', 'x'), undefined)).toThrow(unusable)
  })

  function link(): void {
    fs.renameSync(key, `${key}.real`)
    fs.symlinkSync(`${key}.real`, key)
  }

  function directory(): void {
    fs.rmSync(key)
    fs.mkdirSync(key, { mode: 0o700 })
  }

  function storeWithoutKey(): void {
    fs.rmSync(key)
    fs.writeFileSync(join(stateDir, 'lattice.db'), '')
  }

  function snapshot(): unknown {
    return fs.readdirSync(stateDir).map(name => {
      const path = join(stateDir, name)
      const stats = fs.lstatSync(path)
      return [name, stats.mode, stats.isFile() ? fs.readFileSync(path, 'utf8') : '']
    })
  }
})

describe('admin token', () => {
  it('is made once, private, with at least 256 bits', () => {
    const token = openAdminToken(stateDir, undefined)
    const file = join(stateDir, 'admin.token')
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(Buffer.from(token.reveal(), 'base64url')).toHaveLength(32)
    expect(openAdminToken(stateDir, undefined).reveal()).toBe(token.reveal())
    expect(findAdminToken(stateDir)?.matches(token.reveal())).toBe(true)
    expect(openAdminToken(stateDir, new Secret('configured-token-16')).reveal()).toBe('configured-token-16')
  })

  it('that others can read is refused', () => {
    openAdminToken(stateDir, undefined)
    fs.chmodSync(join(stateDir, 'admin.token'), 0o640)
    expect(() => openAdminToken(stateDir, undefined)).toThrow(/mode 0640/)
    expect(findAdminToken(stateDir)).toBeUndefined()
  })
})

describe('crypto', () => {
  it('verifies few and many signatures, one verdict per item in order', async () => {
    const verifier = createVerifier()
    const identities = [1, 2, 3].map(fill => identityFromSeed(new Uint8Array(32).fill(fill), 'configured'))
    const items = Array.from({ length: 50 }, (_, index) => {
      const signer = identities[index % 3]?.signer
      if (signer === undefined) throw new Error('three identities')
      const message = Buffer.from(`message ${index}`)
      const signature = Buffer.from(signer.sign(message))
      if (index % 5 === 0) signature[index] = (signature[index] ?? 0) ^ 1
      return { author: signer.nodeId, message, signature }
    })
    const expected = items.map((_, index) => index % 5 !== 0)
    expect(await verifier.verify(items)).toEqual(expected)
    expect(await verifier.verify(items.slice(0, 4))).toEqual(expected.slice(0, 4))
    expect(await verifier.verify([])).toEqual([])
  })

  it('calls a malformed author or signature false', async () => {
    const verifier = createVerifier()
    const { nodeId, signer } = identityFromSeed(new Uint8Array(32), 'configured')
    const message = new Uint8Array([1])
    const good = { author: nodeId, message, signature: signer.sign(message) }
    const bad = [
      { ...good, signature: new Uint8Array(63) },
      { ...good, signature: new Uint8Array(0) },
      { ...good, author: 'zz' as typeof nodeId },
      { ...good, author: 'f'.repeat(64) as typeof nodeId },
    ]
    expect(await verifier.verify(bad)).toEqual([false, false, false, false])
    expect(await verifier.verify([...bad, good])).toEqual([false, false, false, false, true])
  })

  it('hashes with SHA-256 (FIPS 180-2, B.1), and draws from [0, 1)', () => {
    expect(Buffer.from(sha256(Buffer.from('abc'))).toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    const draws = Array.from({ length: 1000 }, () => systemRandom.unit())
    expect(draws.every(draw => draw >= 0 && draw < 1)).toBe(true)
    expect(new Set(draws).size).toBe(1000)
    expect(systemRandom.bytes(16)).toHaveLength(16)
  })
})
