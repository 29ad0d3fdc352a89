/**
 * Single bits of a store flipped at random (reliability S7, goal G12): what is read is what was written, or
 * it is refused; it is never something else, and never absent while the store counts as whole.
 *
 * FLIPS says how many (S7: 500), SEED which.
 */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { encodeValue, Replica, rowOf, signEntry, type Version } from '@lattice/core'
import { createSeededRandom } from '@lattice/core/testing'
import { identityFromSeed, openSqliteStore, sha256 } from '@lattice/daemon'

/** Some minutes' worth. */
const flips = Number(process.env['FLIPS'] ?? 100)
const seed = Number(process.env['SEED'] ?? 1)
const keys = Array.from({ length: 400 }, (_, at) => `key ${at}`)

let directory = ''
let whole: ReadonlyArray<readonly [name: string, bytes: Buffer]> = []
const identity = identityFromSeed(Buffer.alloc(32, 7), 'generated')

beforeAll(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-flips-'))
  const store = await openSqliteStore(directory)
  const rows = keys.map((key, at) => {
    const version: Version = (1_690_000_000_000n << 16n) + BigInt(at)
    const content = { key, slot: '', value: encodeValue(`value of ${key}`), base: 0n, version }
    return rowOf(signEntry(content, identity.signer, sha256), at + 1, sha256)
  })
  await store.commit({ rows, facts: new Map() })
  await store.close()
  whole = fs.readdirSync(directory).map(name => [name, fs.readFileSync(join(directory, name))] as const)
})
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))

/** What readers of a store with one bit flipped are told of all keys. */
async function readDamaged(at: number): Promise<{ isWhole: boolean; refused: number; wrong: string[] }> {
  fs.rmSync(directory, { recursive: true })
  fs.mkdirSync(directory)
  for (const [name, bytes] of whole) {
    const copy = Buffer.from(bytes)
    if (name === 'store.db') copy[at >> 3] = (copy[at >> 3] ?? 0) ^ (1 << (at & 7))
    fs.writeFileSync(join(directory, name), copy)
  }
  await using stack = new AsyncDisposableStack()
  const store = await openSqliteStore(directory)
  stack.defer(() => store.close())
  const trusted = new Set([identity.nodeId])
  const replica = new Replica({ store, hash: sha256, signer: identity.signer, trusted })
  let refused = 0
  const wrong = keys.filter(key => {
    const reading = replica.read(key)
    if (reading === undefined && replica.quarantine.isDamaged(key)) refused++
    else return reading?.value !== `value of ${key}`
    return false
  })
  return { isWhole: !store.amnesia, refused, wrong }
}

it(`says nothing wrong after any of ${flips} flips`, async () => {
  const random = createSeededRandom(seed)
  const bits = 8 * (whole.find(([name]) => name === 'store.db')?.[1].length ?? 0)
  const seen = { rebuilt: 0, refused: 0, harmless: 0 }
  for (let flip = 0; flip < flips; flip++) {
    const at = Math.floor(random.unit() * bits)
    const { isWhole, refused, wrong } = await readDamaged(at)
    if (isWhole) expect({ at, wrong }).toEqual({ at, wrong: [] })
    seen[!isWhole ? 'rebuilt' : refused > 0 ? 'refused' : 'harmless']++
  }
  console.info(JSON.stringify(seen))
  expect(seen.rebuilt + seen.refused).toBeGreaterThan(0)
}, 3_600_000)
