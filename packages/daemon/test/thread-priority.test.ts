/** Threads that can wait let the others go first, as the kernel tells. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
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

const onLinux = process.platform === 'linux' ? it : it.skip

onLinux('threads that verify are nicer than the one that answers', async () => {
  const { signer } = identityFromSeed(new Uint8Array(32).fill(7), 'configured')
  const message = new Uint8Array(100)
  const item = { author: signer.nodeId, message, signature: signer.sign(message) }
  const verifier = createVerifier()
  expect(await verifier.verify(Array.from({ length: 64 }, () => item))).not.toContain(false)
  const found = nicenessOf('verify')
  expect(found.length).toBeGreaterThan(0)
  expect(found).toEqual(found.map(() => Math.min(19, getPriority() + 10)))
})
