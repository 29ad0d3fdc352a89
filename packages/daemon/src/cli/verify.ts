/**
 * `lattice verify URL…`: whether a running federation is well: health, equal roots, sync status, latencies.
 */
import { setTimeout as delay } from 'node:timers/promises'

import { createClient, parseDuration } from '@lattice/api'
import type { Client } from '@lattice/api'
import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { brief, painter, print, printJson, span, table, visible } from './io.ts'
import type { CliIo, Paint } from './io.ts'
import type { Register } from './register.ts'
import { calling, interruptible, isApiError, openSession, parseUrl, withRemote } from './session.ts'

// While clients write, roots differ for moments: several looks tell lag from disagreement.
const lookAgainMs = 250
const callMsMax = 5000

/** Adds the command. */
export const registerVerify: Register = (program, { io, run }) => {
  const command = withRemote(program.command('verify [urls...]'), 'verify')
    .description('check a running federation; without URLs: this node and the nodes it knows')
    .option('--timeout <duration>', 'how long roots may take to become equal', '10s')
    .addHelpText('after', '\nExample:\n  $ lattice verify https://api.example.org https://backup.example.org')
  command.action(
    run(async (given: string[], options: { timeout: string; json?: boolean }, self: Command) => {
      const timeoutMs = parseDuration(options.timeout)
      if (timeoutMs === undefined)
        throw new CliError(exitCodes.usage, `"${options.timeout}" is not a duration`)
      const report = await verify(await askedUrls(given, self, io), timeoutMs, io)
      if (options.json === true) printJson(io, { schema: 'lattice.verify/v1', ...report })
      else print(io, ...reportLines(report, painter(io)))
      return report.ok ? exitCodes.ok : exitCodes.failed
    }),
  )
}

/** The nodes to look at: those that were named, else this one and those it knows. */
export async function askedUrls(
  given: readonly string[],
  command: Command,
  io: CliIo,
): Promise<readonly string[]> {
  if (given.length > 0) return [...new Set(given.map(parseUrl))]
  const session = openSession(command, io)
  const { nodes } = await calling(session, client => client.getNodes())
  return [...new Set([session.url, ...nodes])]
}

/** One node as it was found. */
export interface NodeReport {
  readonly url: string
  readonly ok: boolean
  readonly name: string | null
  readonly version: string | null
  readonly health: string | null
  readonly sync_mode: string | null
  readonly peer_count: number | null
  readonly merkle_root: string | null
  readonly entry_count: number | null
  readonly latency_ms: number | null
  readonly uptime_seconds: number | null
  readonly warnings: ReadonlyArray<{
    readonly code: string
    readonly severity: string
    readonly text: string
  }>
  readonly problems: readonly string[]
}

/** The federation as it was found. */
export interface FederationReport {
  readonly ok: boolean
  readonly equal_roots: boolean
  readonly merkle_root: string | null
  readonly nodes: readonly NodeReport[]
}

/** Looks at all nodes until their roots are equal, for `timeoutMs` at most. */
export async function verify(
  urls: readonly string[],
  timeoutMs: number,
  io: CliIo,
): Promise<FederationReport> {
  const deadline = performance.now() + timeoutMs
  const clients = urls.map(url => ({
    url,
    client: createClient({ baseUrl: url, timeoutMs: callMsMax, fetch: interruptible(io.signal) }),
  }))
  for (;;) {
    const nodes = await Promise.all(clients.map(({ url, client }) => inspectNode(url, client)))
    const roots = new Set(nodes.map(node => node.merkle_root))
    const equal = roots.size === 1 && !roots.has(null)
    if (equal || performance.now() >= deadline || nodes.some(node => node.merkle_root === null)) {
      const ok = equal && nodes.every(node => node.ok)
      return { ok, equal_roots: equal, merkle_root: equal ? (nodes[0]?.merkle_root ?? null) : null, nodes }
    }
    await delay(lookAgainMs, undefined, { signal: io.signal })
  }
}

async function inspectNode(url: string, client: Client): Promise<NodeReport> {
  const absent = {
    name: null,
    version: null,
    health: null,
    sync_mode: null,
    peer_count: null,
    uptime_seconds: null,
    warnings: [],
  }
  try {
    // The first call pays for DNS, TCP and TLS; the second shows what a request takes.
    await client.getHealth()
    const startedAt = performance.now()
    const { status: health } = await client.getHealth()
    const latency = performance.now() - startedAt
    const [state, status, report] = await Promise.all([
      client.getState({ query: { summary: 'true' } }),
      client.getP2pStatus(),
      client.getHealthReport(),
    ])
    const problems = health === 'unhealthy' ? [`unhealthy: ${report.reason}`] : []
    return {
      url,
      ok: problems.length === 0,
      name: report.name,
      version: report.version,
      health,
      sync_mode: status.sync_mode,
      peer_count: status.peer_count,
      merkle_root: status.merkle_root,
      entry_count: 'entry_count' in state ? state.entry_count : null,
      latency_ms: Math.round(latency * 10) / 10,
      uptime_seconds: report.uptime_seconds,
      warnings: status.warnings.map(({ code, severity, text }) => ({ code, severity, text })),
      problems,
    }
  } catch (error) {
    if (!isApiError(error)) throw error
    const problems = [`${error.message} [${error.code}]`]
    return { url, ok: false, ...absent, merkle_root: null, entry_count: null, latency_ms: null, problems }
  }
}

function reportLines(report: FederationReport, paint: Paint): readonly string[] {
  const heads = ['', 'NODE', 'HEALTH', 'SYNC', 'PEERS', 'ROOT', 'KEYS', 'LATENCY', 'URL']
  const rows = report.nodes.map(node => [
    node.ok ? paint('green', '✓') : paint('red', '✗'),
    visible(node.name ?? '–'),
    node.health ?? '–',
    node.sync_mode ?? '–',
    String(node.peer_count ?? '–'),
    node.merkle_root === null ? '–' : brief(node.merkle_root),
    String(node.entry_count ?? '–'),
    node.latency_ms === null ? '–' : span(node.latency_ms),
    visible(node.url),
  ])
  const problems = report.nodes.flatMap(node =>
    node.problems.map(text => `${visible(node.url)}: ${visible(text)}`),
  )
  const roots = new Set(report.nodes.flatMap(node => (node.merkle_root === null ? [] : [node.merkle_root])))
  const verdict = report.ok
    ? report.nodes.length === 1
      ? 'The node is well.'
      : `All ${report.nodes.length} nodes are well and hold the same state.`
    : roots.size > 1
      ? `The nodes hold ${roots.size} different states.`
      : 'Not all nodes are well.'
  return [verdict, '', ...table([heads, ...rows]), ...(problems.length > 0 ? ['', ...problems] : [])]
}
