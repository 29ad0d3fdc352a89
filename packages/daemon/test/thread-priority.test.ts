/** Threads that can wait let the others go first, as the kernel tells. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { createVirtualClock } from '@lattice/core/testing'
import { keepHistory } from '../src/history/history.ts'
import { createVerifier } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'

const tasks = '/proc/self/task'

/** The nice values of the threads with this name: field 19 of proc(5), the second in parentheses. */
function nicenessOf(name: string): number[] {
  return readdirSync(tasks)
    .map(task => readFileSync(join(tasks, task, 'stat'), 'utf8'))
    .filter(stat => stat.includes(`(${name})`))
    .map(stat => Number(stat.replace(/^.*\) /, '').split(' ')[16]))
}

function expectNicer(name: string): void {
  const found = nicenessOf(name)
  expect(found.length).toBeGreaterThan(0)
  expect(found).toEqual(found.map(() => Math.min(19, getPriority() + 10)))
}

const onLinux = process.platform === 'linux' ? it : it.skip

onLinux('threads that verify are nicer than the one that answers', async () => {
  const { signer } = identityFromSeed(new Uint8Array(32).fill(7), 'configured')
  const message = new Uint8Array(100)
  const item = { author: signer.nodeId, message, signature: signer.sign(message) }
  const verifier = createVerifier()
  expect(await verifier.verify(Array.from({ length: 64 }, () => item))).not.toContain(false)
  expectNicer('verify')
})

onLinux('so is the one that keeps the history', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lattice-priority-'))
  const clock = createVirtualClock()
  const onFailure = (): void => {}
  const path = join(directory, 'history.db')
  const history = keepHistory({ path, bytesMax: 2 ** 26, clock, sample: () => new Map(), onFailure })
  await history.read({ families: ['seq'], from: 0, to: 1, stepMs: 10_000 })
  expectNicer('history')
  await history.stop()
  rmSync(directory, { recursive: true })
})
