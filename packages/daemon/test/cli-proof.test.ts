/** `lattice verify-proof`: what it accepts, from where, and what it says of everything else. */
import { sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  counterSlot,
  elementSlot,
  encodeValue,
  MerkleTrie,
  pathOf,
  proveKey,
  signEntry,
  toHex,
  toUtf8,
  valueDepthMax,
  type Incarnation,
  type JsonValue,
  type Signer,
} from '@lattice/core'
import { createKeys, sha256 } from './federation.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

const { id, privateKey } = createKeys()
const signer: Signer = { nodeId: id, sign: message => sign(null, message, privateKey) }
const home = mkdtempSync(join(tmpdir(), 'lattice-proof-'))
let proof: Record<string, unknown>
let absent: Record<string, unknown>
let proofOfCounter: Record<string, unknown>
let proofOfSet: Record<string, unknown>

/** Each as large or as deep as a value may be: the set is more than that. */
const elements = ['a'.repeat(100_000), 'b'.repeat(100_000), nested(valueDepthMax)]

function nested(depth: number): JsonValue {
  return depth === 0 ? 0 : [nested(depth - 1)]
}

beforeAll(() => {
  const entryOf = (key: string, slot: string, value: JsonValue) =>
    signEntry({ key, slot, value: encodeValue(value), base: 0n, version: 1n }, signer, sha256)
  const lives = ['0', '1'].map(digit => digit.repeat(16) as Incarnation)
  const entries = [
    ...Array.from({ length: 40 }, (_, index) => entryOf(`key ${index}`, '', index)),
    ...lives.map(life => entryOf('counter', counterSlot(id, life), Number.MAX_SAFE_INTEGER)),
    ...elements.map(element => entryOf('set', elementSlot(encodeValue(element), sha256), element)),
  ]
  const trie = new MerkleTrie(sha256)
  for (const [at, { key, slot, digest }] of entries.entries())
    trie.set(pathOf(key, slot, sha256), digest, at + 1)
  const root = toHex(trie.root())
  const timestamp = 1_700_000_000
  const signature = toHex(signer.sign(toUtf8(`${root}:${timestamp}`)))
  const signed = { merkle_root: root, timestamp, signature, public_key: signer.nodeId }
  const prove = (key: string): Record<string, unknown> => {
    const parts = proveKey(key, {
      trie,
      hash: sha256,
      slots: each => entries.filter(entry => entry.key === each).map(entry => ({ ...entry, seq: 1 })),
      entryDigest: path => entries[(trie.get(path)?.seq ?? 0) - 1]?.digest,
    })
    return { format: 'lattice.proof/v1', ...signed, ...parts }
  }
  proof = prove('key 7')
  absent = prove('nobody')
  proofOfCounter = prove('counter')
  proofOfSet = prove('set')
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const check = (document: unknown, ...more: string[]): Promise<Outcome> =>
  runInProcess(['verify-proof', '-', '--json', ...more], { cwd: home, stdin: JSON.stringify(document) })

describe('lattice verify-proof', () => {
  it('says what is proven, from a file or from standard input, as the answer or as the proof alone', async () => {
    writeFileSync(join(home, 'answer.json'), JSON.stringify({ success: true, proof }))
    const plain = await runInProcess(['verify-proof', 'answer.json'], { cwd: home })
    expect(plain.code).toBe(0)
    expect(plain.stdout).toContain('key 7 is 7')
    expect(plain.stdout).toContain('--trusted-keys')
    const json = await check(absent, '--trusted-keys', signer.nodeId)
    expect(json.code).toBe(0)
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, key: 'nobody', exists: false, trusted: true })
  })

  it.each<[string, (original: Record<string, unknown>) => unknown, RegExp]>([
    ['told of another key', original => ({ ...original, key: 'key 8' }), /belongs to another key/],
    ['without its entries', original => ({ ...original, entries: [] }), /leads to the root/],
    ['without its branches', original => ({ ...original, branches: [] }), /leads to the root/],
    ['under another root', original => ({ ...original, merkle_root: '0'.repeat(64) }), /not signed by/],
    ['at another time', original => ({ ...original, timestamp: 1 }), /not signed by/],
    ['at a time that no calendar has', original => ({ ...original, timestamp: 9e15 }), /timestamp: /],
    ['with a member more', original => ({ ...original, extra: 1 }), /lattice\.proof\/v1/],
  ])('refuses a proof %s', async (_, change, reason) => {
    const { code, stdout } = await check(change(proof))
    expect(code).toBe(1)
    expect(stdout).toMatch(reason)
  })

  const answerOf = (said: object): Record<string, unknown> => {
    const read = { key: 'key 7', value: 7, version: '0000000000000001', author: id, type: 'register' }
    return { success: true, ...read, proof, ...said }
  }
  const refusal = { success: false, code: 'KEY_NOT_FOUND', type: '/docs#KEY_NOT_FOUND' }

  it.each<[string, () => unknown]>([
    ['a key', () => answerOf({})],
    ['a key, as it was kept by lattice get', () => ({ key: 'key 7', found: true, proof })],
    ['no key', () => ({ ...refusal, proof: absent })],
    ['a sum', () => ({ value: 2 * Number.MAX_SAFE_INTEGER, type: 'counter', proof: proofOfCounter })],
    ['a set', () => ({ value: elements, type: 'set', proof: proofOfSet })],
  ])('takes an answer that says the same as its proof: of %s', async (_, answer) => {
    expect((await check(answer())).code).toBe(0)
  })

  it.each<[string, () => unknown]>([
    ['key', () => answerOf({ key: 'key 8' })],
    ['value', () => answerOf({ value: 8 })],
    ['value', () => answerOf({ value: '\ud800' })],
    ['value', () => ({ value: elements.slice(1), proof: proofOfSet })],
    ['version', () => answerOf({ version: '0000000000000002' })],
    ['author', () => answerOf({ author: 'ab'.repeat(32) })],
    ['type', () => answerOf({ type: 'counter' })],
    ['key, value, version, author, type', () => answerOf({ proof: absent })],
    ['found', () => ({ ...refusal, proof })],
    ['found', () => ({ key: 'nobody', found: true, proof: absent })],
  ])('refuses an answer that says otherwise than its proof: %s (%#)', async (names, answer) => {
    const { code, stdout } = await check(answer())
    const said = `the answer around it says otherwise: ${names}`
    expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ ok: false, problems: [said] })])
  })

  it('refuses an entry that its author did not sign', async () => {
    const forged = signEntry(
      { key: 'key 7', slot: '', value: encodeValue(8), base: 0n, version: 2n },
      { nodeId: signer.nodeId, sign: () => new Uint8Array(64) },
      sha256,
    )
    const trie = new MerkleTrie(sha256)
    trie.set(pathOf('key 7', '', sha256), forged.digest, 1)
    const root = toHex(trie.root())
    const signature = toHex(signer.sign(toUtf8(`${root}:1`)))
    const whole = { ...proof, merkle_root: root, timestamp: 1, signature, branches: [] }
    const { code, stdout } = await check({ ...whole, entries: [toHex(forged.bytes)] })
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ problems: ['an entry is not signed by its author'] })
  })

  it('refuses a signer who is not named, and a root that is not the wanted one', async () => {
    const stranger = await check(proof, '--trusted-keys', 'ab'.repeat(32))
    expect(stranger.stdout).toContain('not among the trusted keys')
    const elsewhere = await check(proof, '--root', 'ab'.repeat(32))
    expect(elsewhere.stdout).toContain('the root is')
    expect([stranger.code, elsewhere.code]).toEqual([1, 1])
  })

  it('takes the word of the node whose configuration it is, which no configuration has to name', async () => {
    const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url').toString('hex')
    mkdirSync(join(home, 'own'), { mode: 0o700 })
    writeFileSync(join(home, 'own', 'identity.key'), `${seed}\n`, { mode: 0o600 })
    const own = await check(proof, '--trusted-keys', 'ab'.repeat(32), '--state-dir', 'own')
    expect([own.code, JSON.parse(own.stdout)]).toMatchObject([0, { ok: true, trusted: true }])
  })

  it('proves nothing while nobody can tell whose word counts: a misspelt key is not "any key"', async () => {
    const misspelt = await check(proof, '--trusted-keys', `${'ab'.repeat(31)}zz`)
    const unread = await check(proof, '--config', join(home, 'missing.env'))
    expect([misspelt.code, unread.code]).toEqual([78, 78])
    expect(misspelt.stderr).toContain('--trusted-keys')
  })

  it('calls an unreadable file or a text that is no JSON a usage error', async () => {
    const missing = await runInProcess(['verify-proof', 'missing.json'], { cwd: home })
    const noJson = await runInProcess(['verify-proof', '-'], { cwd: home, stdin: '{' })
    expect([missing.code, noJson.code]).toEqual([64, 64])
    expect(missing.stderr).toContain('missing.json')
  })
})
