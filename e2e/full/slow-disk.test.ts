/**
 * A flush that takes ten seconds (reliability S13): the disk is slow in the kernel's own call, by strace, and
 * only the write that waits for it may notice. Only the thread that writes the store is traced, because
 * tracing slows whatever it holds at every call.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, it } from '@jest/globals'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, metOverP2p, put, statusOf } from '../federation.ts'
import { syscallFaultsMissing } from '../syscall-faults.ts'

const strace = '/usr/bin/strace'
const flushMs = 10_000
/** Shorter than the flush, long enough for a busy machine. */
const patient = { LATTICE_HEARTBEAT_INTERVAL: '1s', LATTICE_PEERLESS_TIMEOUT: '8s' }
const world = new World()
let tracer: ChildProcess | undefined

afterAll(async () => {
  await stopTracing()
  await world.close()
})

/** The thread of this process that commits, by the name that the store gives it. */
function writerOf(pid: number): string {
  const threads = readdirSync(`/proc/${pid}/task`)
  const writer = threads.find(
    id => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8') === 'sqlite-writer\n',
  )
  if (writer === undefined) throw new Error(`process ${pid} has no thread that writes`)
  return writer
}

/** From now on every flush of the store takes ten seconds longer; what strace has said so far. */
async function slowFlushes(node: Daemon): Promise<() => string> {
  const inject = `inject=fsync,fdatasync:delay_enter=${flushMs * 1000}`
  const writer = writerOf(node.pid)
  const flags = ['-p', writer, '-e', 'trace=fsync,fdatasync', '-e', inject]
  const child = spawn(strace, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  tracer = child
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  await eventually('strace holds the daemon', () => {
    if (child.exitCode !== null) throw new Error(said)
    return said.includes(`Process ${writer} attached`)
  })
  return () => said
}

/** A write by a client that waits longer than the flush takes. */
async function putPatiently({ url }: Daemon, key: string, value: number): Promise<void> {
  const [headers, signal] = [{ 'content-type': 'application/json' }, AbortSignal.timeout(6 * flushMs)]
  const request = { method: 'PUT', headers, signal, body: JSON.stringify(value) }
  const { status } = await fetch(`${url}/api/lattice/state/${key}`, request)
  expect(status).toBe(200)
}

async function stopTracing(): Promise<void> {
  const child = tracer
  tracer = undefined
  if (child === undefined || child.exitCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGINT')
  await gone
}

const missing = syscallFaultsMissing()
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)
if (missing !== undefined) process.stderr.write(`slow flushes are not tested: ${missing}\n`)
const rows = missing === undefined ? describe : describe.skip

rows('while a flush takes ten seconds', () => {
  it('S13: health answers, both peers stay on P2P, and the write is acknowledged after it', async () => {
    const [slow, other] = (await world.federation(2, { settings: patient })) as [Daemon, Daemon]
    await metOverP2p([slow, other])
    await put(slow, 'before', 1)
    await arrives([other], 'before', 1)
    const phases = async (): Promise<unknown> =>
      Promise.all([slow, other].map(async node => (await node.client.getTransitions()).transitions.length))
    const before = await phases()
    const said = await slowFlushes(slow)
    const startedAt = performance.now()
    let acknowledgedMs: number | undefined
    const written = putPatiently(slow, 'during', 2).then(
      () => (acknowledgedMs = performance.now() - startedAt),
    )
    const answers: number[] = []
    while (acknowledgedMs === undefined) {
      answers.push((await fetch(`${slow.url}/health`)).status)
      for (const node of [slow, other]) {
        const { phase, peer_count: peers } = await statusOf(node)
        expect([node.name, phase, peers]).toEqual([node.name, 'P2P', 1])
      }
      await Promise.race([delay(100), written])
    }
    await written
    await stopTracing()
    expect(said()).toMatch(/f(?:data)?sync\(/)
    // The disk was slow indeed, longer than the peerless timeout, and the node was asked all the time.
    expect(acknowledgedMs).toBeGreaterThanOrEqual(flushMs)
    expect(answers.length).toBeGreaterThan(10)
    expect(new Set(answers)).toEqual(new Set([200]))
    expect(await phases()).toEqual(before)
    await arrives([other], 'during', 2)
  }, 180_000)
})
