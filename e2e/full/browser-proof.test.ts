/** A proof taken from a daemon is checked in a browser: core code without any module of Node. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../browser.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { put } from '../federation.ts'

const world = new World()
// Within the checkout, so that the packages are found from there.
const workshop = mkdtempSync(join(import.meta.dirname, '../../node_modules/.browser-proof-'))
let browser: Browser
let node: Daemon

/** The points of small order, as the protocol lists them (§3). */
const smallOrders = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8')
  .split('\n')
  .flatMap(line => /^ {4}([0-9a-f]{64})$/.exec(line)?.[1] ?? [])

/** What the page runs: the check of the core on a SHA-256 and an Ed25519 that browsers can have. */
const entry = `
import { checkProof, fromHex, toHex, toUtf8 } from '@lattice/core'
import { sha256 } from '@noble/hashes/sha2.js'

// As a key, such a point has good signatures that anybody can make; not all browsers refuse it.
const smallOrders = ${JSON.stringify(smallOrders)}

function isSmallOrder(bytes) {
  const point = Uint8Array.from(bytes.subarray(0, 32))
  point[31] &= 127
  return smallOrders.includes(toHex(point))
}

async function isSigned({ author, message, signature }) {
  if (isSmallOrder(fromHex(author)) || isSmallOrder(signature)) return false
  const key = await crypto.subtle.importKey('raw', fromHex(author), 'Ed25519', false, ['verify'])
  return crypto.subtle.verify('Ed25519', key, signature, message)
}

globalThis.check = async proof => {
  const result = checkProof(proof, bytes => sha256(bytes))
  if ('problem' in result || result.root !== proof.merkle_root) return { ok: false }
  const message = toUtf8(proof.merkle_root + ':' + proof.timestamp)
  const claim = { author: proof.public_key, message, signature: fromHex(proof.signature) }
  const verdicts = await Promise.all([claim, ...result.signatures].map(isSigned))
  return { ok: verdicts.every(Boolean), value: result.reading?.value ?? null }
}
`

/** The bundler runs as a process of its own: within jest it meets objects of two realms. */
async function bundle(): Promise<string> {
  writeFileSync(join(workshop, 'entry.js'), entry)
  const lib = { entry: 'entry.js', formats: ['es'], fileName: 'check' }
  const config = { logLevel: 'error', build: { lib, outDir: 'out', target: 'es2024' } }
  writeFileSync(join(workshop, 'vite.config.mjs'), `export default ${JSON.stringify(config)}`)
  const vite = join(import.meta.dirname, '../../node_modules/vite/bin/vite.js')
  await promisify(execFile)(process.execPath, [vite, 'build'], { cwd: workshop })
  return readFileSync(join(workshop, 'out/check.js'), 'utf8')
}

beforeAll(async () => {
  ;[[node], browser] = (await Promise.all([world.federation(1), launchBrowser()])) as [[Daemon], Browser]
  for (let index = 0; index < 40; index++) await put(node, `key ${index}`, index)
}, 60_000)

afterAll(async () => {
  await browser.close()
  await world.close()
  rmSync(workshop, { recursive: true, force: true })
})

describe('in a browser', () => {
  it('proofs of presence and absence are accepted, and changed ones refused', async () => {
    const code = await bundle()
    expect(code).not.toMatch(/from ["']node:/)
    const page = await browser.newPage()
    await page.goto(`${node.url}/livez`)
    await page.evaluate(code)
    const check = (proof: unknown): Promise<unknown> =>
      page.evaluate(
        given => (globalThis as unknown as { check: (proof: unknown) => unknown }).check(given),
        proof,
      )
    const proofOf = async (key: string): Promise<object> => {
      const answer = await fetch(`${node.url}/api/lattice/state/${encodeURIComponent(key)}?proof=true`)
      return ((await answer.json()) as { proof: object }).proof
    }
    const held = await proofOf('key 7')
    expect(await check(held)).toEqual({ ok: true, value: 7 })
    expect(await check(await proofOf('nobody'))).toEqual({ ok: true, value: null })
    expect(await check({ ...held, key: 'key 8' })).toEqual({ ok: false })
    expect(await check({ ...held, timestamp: 1 })).toMatchObject({ ok: false })
    // The neutral point and S = 0: where keys of small order are taken, good for every root and time.
    const neutral = smallOrders[0] ?? ''
    const forged = { ...held, public_key: neutral, signature: neutral.padEnd(128, '0') }
    expect(await check(forged)).toMatchObject({ ok: false })
    expect(await check({ ...forged, public_key: `${neutral.slice(0, -2)}80` })).toMatchObject({ ok: false })
  }, 60_000)
})
