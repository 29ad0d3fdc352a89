/**
 * The health gate: after a restart the node must serve the release it was given, and the whole federation
 * must be well for a while. The checks are those of `lattice verify` and `lattice watch`.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { run } from './shell.ts'

const checkout = join(import.meta.dirname, '../..')
const command = join(checkout, 'packages/daemon/bin/lattice.js')
/** Between two looks at a node that starts. */
const lookAgainMs = 500
const answerMsMax = 5_000

/** What must hold. */
export interface Gate {
  /** All nodes, the one that was restarted among them. */
  readonly urls: readonly string[]
  readonly url: string
  readonly version: string
  /** `performance.now()` before the restart: an answer of the process before does not count. */
  readonly restartedAt: number
  readonly startSeconds: number
  /** How long all must be well, as `lattice watch --for` takes it. */
  readonly period: string
}

/** Resolves when the gate is passed; rejects with the reason when it is not. */
export async function passGate(gate: Gate): Promise<string> {
  await serves(gate)
  await agree(gate)
  const quiet = ['--interval', '1s', '--grace', '5s', '--json']
  const watched = await lattice('watch', ...gate.urls, '--for', gate.period, ...quiet)
  const found = documentOf(watched.stdout)
  if (watched.code === 0) return `all well for ${gate.period}, ${String(found['looks'])} looks`
  throw new Error(reasonOf(found, watched.stderr))
}

/** Whether the federation is well before anything is changed; rejects with what is wrong. */
export async function wellBefore(urls: readonly string[]): Promise<void> {
  const verified = await lattice('verify', ...urls, '--json')
  if (verified.code !== 0) throw new Error(reasonOf(documentOf(verified.stdout), verified.stderr))
}

/** Runs the command of this checkout. */
function lattice(...args: readonly string[]): ReturnType<typeof run> {
  return run(process.execPath, [command, ...args])
}

async function serves({ url, version, restartedAt, startSeconds }: Gate): Promise<void> {
  let last = 'nothing answers'
  while (performance.now() - restartedAt < startSeconds * 1000) {
    try {
      const answer = await fetch(`${url}/api/lattice/health`, { signal: AbortSignal.timeout(answerMsMax) })
      const found = (await answer.json()) as {
        version?: string
        overall?: string
        uptime_seconds?: number
        reason?: string
      }
      const isNew =
        (found.uptime_seconds ?? Number.POSITIVE_INFINITY) * 1000 < performance.now() - restartedAt
      if (isNew && found.version === version && found.overall !== 'unhealthy') return
      const said = `${found.overall ?? '?'}: ${found.reason ?? ''}`
      last = `version ${found.version ?? '?'}, ${isNew ? '' : 'not restarted, '}${said}`
    } catch (error) {
      last = Error.isError(error) ? error.message : String(error)
    }
    await delay(lookAgainMs)
  }
  throw new Error(`it does not serve version ${version} within ${startSeconds} s: ${last}`)
}

/** The roots become equal again within the time of a start. */
async function agree({ urls, startSeconds }: Gate): Promise<void> {
  const verified = await lattice('verify', ...urls, '--timeout', `${startSeconds}s`, '--json')
  if (verified.code !== 0) throw new Error(reasonOf(documentOf(verified.stdout), verified.stderr))
}

function documentOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    return {}
  }
}

function reasonOf(found: Readonly<Record<string, unknown>>, stderr: string): string {
  const failures = Array.isArray(found['failures']) ? found['failures'].map(String) : []
  const nodes = Array.isArray(found['nodes']) ? (found['nodes'] as { url: string; problems: string[] }[]) : []
  const problems = nodes.flatMap(node => node.problems.map(problem => `${node.url}: ${problem}`))
  const said = [...failures, ...problems]
  if (said.length > 0) return said.join('; ')
  return found['equal_roots'] === false ? 'the nodes hold different states' : stderr.trim() || 'not well'
}
