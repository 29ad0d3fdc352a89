/** Signatures made elsewhere while earlier writes are being committed: nothing else changes for anybody. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { entrySignature, LatticeError, parseEntry, type Batch, type Operation } from '@lattice/core'
import { testWall } from '@lattice/core/testing'
import type { SigningJob } from '../src/signing.ts'
import { alice, sha256, verifies } from './crypto.ts'
import { openReplica, readingsOf, rootOf, write, type TestReplica } from './replicas.ts'

const puts = (count: number, from = 0): Operation[] =>
  Array.from({ length: count }, (_, at) => ({ op: 'put', key: `k${from + at}`, value: at }))

const answer = ({ replica }: TestReplica, job: SigningJob): void =>
  replica.signing.finish(
    job.id,
    job.messages.map(message => alice.sign(message)),
  )

const takeJob = ({ replica }: TestReplica): SigningJob => {
  const job = replica.signing.takeJob()
  if (job === undefined) throw new Error('drafts wait to be signed')
  return job
}

describe('signing while committing', () => {
  it('a few drafts are signed on the spot, many are handed out once', () => {
    const node = openReplica()
    node.replica.write(puts(7), testWall)
    expect(node.replica.signing.takeJob()).toBeUndefined()
    node.replica.write(puts(1, 7), testWall)
    expect(takeJob(node).messages).toHaveLength(8)
    expect(node.replica.signing.takeJob()).toBeUndefined()
  })

  it('a batch is handed out only when all of it is signed, and then once', async () => {
    const node = openReplica()
    node.replica.write(puts(20), testWall)
    const first = takeJob(node)
    node.replica.write(puts(20, 20), testWall)
    const second = takeJob(node)
    node.replica.write(puts(3, 40), testWall)
    node.replica.close()
    node.replica.write(puts(20, 50), testWall)
    const next = takeJob(node)
    expect(node.replica.batches.take()).toBeUndefined()
    answer(node, second)
    expect(node.replica.batches.take()).toBeUndefined()
    answer(node, first)
    const batch = node.replica.batches.take()
    expect(batch?.rows).toHaveLength(43)
    expect(node.replica.batches.take()).toBeUndefined()
    await node.store.commit(batch as Batch)
    node.replica.committed()
    answer(node, next)
    node.replica.close()
    expect(node.replica.batches.take()?.rows).toHaveLength(20)
    for (const { bytes } of batch?.rows ?? []) {
      const entry = parseEntry(bytes, sha256)
      expect(entry !== undefined && verifies(entrySignature(entry))).toBe(true)
    }
  })

  it('a large write goes in even jobs, and its rows in parts as far as all before them are signed', () => {
    const node = openReplica()
    const { batches, signing } = node.replica
    node.replica.write(puts(300), testWall)
    const jobs = [takeJob(node), takeJob(node), takeJob(node)]
    expect(jobs.map(({ messages }) => messages.length)).toEqual([100, 100, 100])
    expect(signing.takeJob()).toBeUndefined()
    node.replica.close()
    answer(node, jobs[1] as SigningJob)
    expect(batches.takePart()).toBeUndefined()
    answer(node, jobs[0] as SigningJob)
    const part = batches.takePart()
    expect(part?.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1))
    expect(part?.every(({ bytes }) => parseEntry(bytes, sha256) !== undefined)).toBe(true)
    expect(batches.takePart()).toBeUndefined()
    answer(node, jobs[2] as SigningJob)
    expect(batches.takePart()).toBeUndefined()
    const batch = batches.take()
    expect(batch?.rows).toHaveLength(300)
    expect(batch?.rows.slice(0, 200).every((row, at) => row === part?.[at])).toBe(true)
  })

  it('what is written builds on drafts that nobody has signed yet', async () => {
    const node = openReplica()
    node.replica.write([{ op: 'increment', key: 'n', by: 5 }, ...puts(20)], testWall)
    const job = takeJob(node)
    node.replica.write([{ op: 'increment', key: 'n', by: 2 }], testWall)
    expect(node.replica.readStaged('n')?.value).toBe(7)
    node.replica.close()
    answer(node, job)
    await node.store.commit(node.replica.batches.take() as Batch)
    node.replica.committed()
    expect(node.replica.read('n')?.value).toBe(7)
  })

  it('signatures for a batch that was given up change nothing', async () => {
    const node = openReplica()
    node.replica.write(puts(1), testWall)
    node.replica.close()
    node.replica.batches.take()
    node.replica.write(puts(20, 1), testWall)
    const late = takeJob(node)
    node.replica.aborted()
    answer(node, late)
    expect([node.replica.hasForming, node.replica.isCommitting]).toEqual([false, false])
    await write(node, puts(2, 90), testWall + 1)
    expect([...readingsOf(node).keys()].sort()).toEqual(['k90', 'k91'])
  })

  it('whatever order jobs end in, the state is that of signing on the spot', async () => {
    const transactions = fc.array(
      fc.record({
        keys: fc.array(fc.nat(30), { minLength: 1, maxLength: 25 }),
        order: fc.nat(5),
        commits: fc.boolean(),
      }),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(transactions, async list => {
        const [ahead, plain] = [openReplica(), openReplica()]
        const out: SigningJob[] = []
        for (const [index, { keys, order, commits }] of list.entries()) {
          const operations = keys.map((key): Operation => ({ op: 'increment', key: `c${key}`, by: key + 1 }))
          await write(plain, operations, testWall + index)
          ahead.replica.write(operations, testWall + index)
          const job = ahead.replica.signing.takeJob()
          if (job !== undefined) out.splice(order % (out.length + 1), 0, job)
          if (commits) await settle(ahead, out)
        }
        await settle(ahead, out)
        expect(rootOf(ahead)).toBe(rootOf(plain))
      }),
      { numRuns: 40 },
    )
  })
})

/** Seals, answers jobs in the order they stand, and commits. */
async function settle(node: TestReplica, out: SigningJob[]): Promise<void> {
  node.replica.close()
  for (const job of out.splice(0)) answer(node, job)
  const batch = node.replica.batches.take()
  if (batch === undefined) throw new LatticeError('STORE_UNAVAILABLE', 'the batch is not complete')
  await node.store.commit(batch)
  node.replica.committed()
}
