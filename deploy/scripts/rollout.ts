/**
 * `rollout.ts PLAN.json [--release DIR] [--only NAME] [--dry-run] [--force]`: a release onto the
 * nodes of a plan, one at a time.
 *
 * Before a node is touched the federation must be well. After it the node must pass the health gate; where it
 * does not, the release before is put back in force by itself, and the roll-out ends there with exit code 1.
 */
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { passGate, wellBefore } from './gate.ts'
import { readPlan, urlsOf, type Plan, type PlannedNode } from './plan.ts'
import { readRelease, type Release } from './release.ts'
import { serverTarget } from './server.ts'
import { spaceTarget } from './space.ts'
import type { Target, Tell } from './target.ts'

interface Orders {
  readonly plan: Plan
  readonly release: Release
  readonly dryRun: boolean
  /** Goes on although the federation is not well: the first release, or one that mends it. */
  readonly force: boolean
}

async function main(args: readonly string[]): Promise<number> {
  const options = {
    release: { type: 'string' },
    only: { type: 'string' },
    'dry-run': { type: 'boolean' },
    force: { type: 'boolean' },
  } as const
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [file] = positionals
  if (file === undefined) throw new Error('name the plan: node deploy/scripts/rollout.ts PLAN.json')
  const plan = readPlan(file)
  const release = readRelease(resolve(values.release ?? join(import.meta.dirname, '../../artefacts/release')))
  const orders = { plan, release, dryRun: values['dry-run'] === true, force: values.force === true }
  const chosen = plan.nodes.filter(node => values.only === undefined || node.name === values.only)
  if (chosen.length === 0) throw new Error(`the plan has no node ${values.only ?? ''}`)
  console.log(`release ${release.id} to ${chosen.map(node => node.name).join(', ')}`)
  for (const node of chosen) if (!(await rollOut(node, orders))) return 1
  if (orders.dryRun) return 0
  const urls = urlsOf(plan).join(' ')
  console.log(`done; now watch it: lattice watch --for 24h ${urls}`)
  return 0
}

/** Whether the node runs the release now. */
async function rollOut(node: PlannedNode, orders: Orders): Promise<boolean> {
  const tell: Tell = text => console.log(`  ${node.name}: ${text}`)
  const target = node.kind === 'server' ? serverTarget(node, tell) : spaceTarget(node, tell)
  const { plan, release, dryRun, force } = orders
  const before = await target.inForce()
  tell(`in force: ${before ?? 'nothing'}`)
  if (dryRun) {
    for (const step of target.plan(release)) tell(`would ${step}`)
    return true
  }
  try {
    if (!force && before !== undefined) await wellBefore(urlsOf(plan))
    if (!(await target.upload(release)) && !force) {
      tell('runs this release already')
      return true
    }
    await target.backup()
  } catch (error) {
    tell(`FAILED before anything was changed: ${messageOf(error)}`)
    return false
  }
  const old = await versionAt(node.url)
  const restartedAt = performance.now()
  try {
    await target.activate(release)
    tell(await gated(node, plan, before === undefined, release.version, restartedAt))
  } catch (error) {
    tell(`FAILED: ${messageOf(error)}`)
    await rollBack(target, node, { orders, before, old, tell })
    return false
  }
  await target.tidy().catch((error: unknown) => tell(`old releases are left there: ${messageOf(error)}`))
  return true
}

async function rollBack(
  target: Target,
  node: PlannedNode,
  at: {
    readonly orders: Orders
    readonly before: string | undefined
    readonly old: string | undefined
    readonly tell: Tell
  },
): Promise<void> {
  const { orders, before, old, tell } = at
  if (before === undefined) return tell('there is no release to go back to')
  const { plan, release } = orders
  const steps = [() => target.back(before), ...(target.recover ? [() => target.recover?.(release)] : [])]
  for (const [index, step] of steps.entries()) {
    try {
      const restartedAt = performance.now()
      await step()
      const passed = await gated(node, plan, false, old ?? '', restartedAt)
      return tell(`rolled back to ${before}: ${passed}`)
    } catch (error) {
      const isLast = index === steps.length - 1
      tell(`${isLast ? 'THE ROLLBACK FAILED, TOO' : 'the switch back is not enough'}: ${messageOf(error)}`)
    }
  }
  tell('look at the log there; where it has changed the store (STORE_NEWER), restore a backup')
}

/** On a first release the others may not be there yet: then only the node itself must be well. */
function gated(
  node: PlannedNode,
  plan: Plan,
  isFirst: boolean,
  version: string,
  restartedAt: number,
): Promise<string> {
  const urls = isFirst ? [node.url] : urlsOf(plan)
  const { startSeconds, gate: period } = plan
  return passGate({ urls, url: node.url, version, restartedAt, startSeconds, period })
}

/** The version that a node says it runs. */
async function versionAt(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${url}/api/lattice/health`, { signal: AbortSignal.timeout(5_000) })
    return ((await answer.json()) as { version?: string }).version
  } catch {
    return undefined
  }
}

function messageOf(error: unknown): string {
  return Error.isError(error) ? error.message : String(error)
}

if (process.argv[1] === import.meta.filename) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    console.error(`error: ${messageOf(error)}`)
    process.exitCode = 64
  }
}
