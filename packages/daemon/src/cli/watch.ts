/**
 * `lattice watch`: looks at a federation for a while and ends with a failure at the first thing that is not
 * well: the observation period after a change (24 h, 72 h), as a command that a script can wait for.
 */
import { setTimeout as delay } from 'node:timers/promises'

import { formatDuration, parseDuration } from '@lattice/api'
import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { brief, painter, print, printJson, span, visible } from './io.ts'
import type { CliIo } from './io.ts'
import { lookEveryMsMin } from './output.ts'
import type { Register } from './register.ts'
import { withRemote } from './session.ts'
import { askedUrls, verify, type FederationReport, type NodeReport } from './verify.ts'
import { counted } from '../counted.ts'

interface Options {
  readonly for?: string
  readonly interval: string
  readonly settle: string
  readonly grace: string
  readonly json?: boolean
}

/** What to watch, and what counts. Durations in milliseconds. */
interface Orders {
  readonly urls: readonly string[]
  /** Undefined: until interrupted. */
  readonly forMs: number | undefined
  readonly intervalMs: number
  readonly settleMs: number
  readonly graceMs: number
}

/** What has been seen. */
interface Tally {
  looks: number
  changes: number
  readonly modes: Map<string, number>
  slowestMs: number
  keys: number
}

/** Adds the command. */
export const registerWatch: Register = (program, { io, run }) => {
  const command = withRemote(program.command('watch [urls...]'), 'watch')
    .description('look at a federation for a while; fail at the first thing that is not well')
    .option('--for <duration>', 'how long, such as 24h; without it until Ctrl-C')
    .option('--interval <duration>', 'how often to look', '15s')
    .option('--settle <duration>', 'how long roots may differ while clients write', '10s')
    .option('--grace <duration>', 'how long something may be wrong before it counts', '30s')
    .addHelpText(
      'after',
      '\nNot well is: a node that does not answer or is unhealthy, roots that stay different, a restart, and a' +
        '\nwarning of high severity that was not there at the beginning.' +
        '\n\nExample:\n  $ lattice watch --for 24h https://api.example.org https://backup.example.org',
    )
  command.action(
    run(async (given: string[], options: Options, self: Command) => {
      const orders = { urls: await askedUrls(given, self, io), ...durationsOf(options) }
      return watch(orders, io, options.json === true)
    }),
  )
}

function durationsOf(options: Options): Omit<Orders, 'urls'> {
  const ms = (name: 'for' | 'interval' | 'settle' | 'grace'): number => {
    const found = parseDuration(options[name] ?? '')
    if (found !== undefined) return found
    throw new CliError(exitCodes.usage, `--${name} "${options[name] ?? ''}" is not a duration`)
  }
  const forMs = options.for === undefined ? undefined : ms('for')
  const intervalMs = ms('interval')
  if (intervalMs < lookEveryMsMin) {
    const least = formatDuration(lookEveryMsMin)
    throw new CliError(
      exitCodes.usage,
      `--interval takes a duration from ${least} on, not "${options.interval}"`,
    )
  }
  return { forMs, intervalMs, settleMs: ms('settle'), graceMs: ms('grace') }
}

async function watch(orders: Orders, io: CliIo, json: boolean): Promise<number> {
  const startedAt = performance.now()
  const elapsed = (): number => performance.now() - startedAt
  const tally: Tally = { looks: 0, changes: 0, modes: new Map(), slowestMs: 0, keys: 0 }
  const judge = createJudge(orders.graceMs)
  let failure: readonly string[] = []
  let last: FederationReport | undefined
  while (
    failure.length === 0 &&
    (orders.forMs === undefined || elapsed() < orders.forMs || last === undefined)
  ) {
    try {
      const report = await verify(orders.urls, orders.settleMs, io)
      if (!json && (last === undefined || headline(last) !== headline(report)))
        print(io, `${new Date().toISOString()}  ${headline(report)}`)
      count(tally, last, report)
      last = report
      failure = judge(report, elapsed())
      const left = (orders.forMs ?? Number.POSITIVE_INFINITY) - elapsed()
      if (failure.length === 0)
        await delay(Math.max(0, Math.min(orders.intervalMs, left)), undefined, { signal: io.signal })
    } catch (error) {
      // Ctrl-C ends a watch without end in good order, and one with an end before its time.
      if (!io.signal.aborted) throw error
      if (orders.forMs !== undefined) failure = ['interrupted before its time']
      break
    }
  }
  conclude({ orders, tally, failure, last, ms: elapsed() }, io, json)
  return failure.length === 0 ? exitCodes.ok : exitCodes.failed
}

/** Tells what is wrong once it has been so for `graceMs`; a restart counts at once. */
function createJudge(graceMs: number): (report: FederationReport, now: number) => readonly string[] {
  const since = new Map<string, number>()
  const uptimes = new Map<string, number>()
  let known: ReadonlySet<string> | undefined
  return (report, now) => {
    known ??= new Set(report.nodes.flatMap(severeWarnings).map(([kind]) => kind))
    const lasting = lastingProblems(report, known)
    for (const kind of since.keys()) if (!lasting.has(kind)) since.delete(kind)
    for (const kind of lasting.keys()) if (!since.has(kind)) since.set(kind, now)
    const overdue = [...since]
      .filter(([, at]) => now - at >= graceMs)
      .map(([kind]) => lasting.get(kind) ?? kind)
    const restarted = report.nodes.filter(node => {
      const before = uptimes.get(node.url) ?? 0
      uptimes.set(node.url, node.uptime_seconds ?? before)
      return node.uptime_seconds !== null && node.uptime_seconds < before
    })
    return [...overdue, ...restarted.map(node => `${nameOf(node)} has restarted`)]
  }
}

/** Kind → words: the words may change from look to look while the trouble is the same. */
function lastingProblems(
  { nodes, equal_roots: equal }: FederationReport,
  known: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const found = new Map(nodes.flatMap(severeWarnings).filter(([kind]) => !known.has(kind)))
  for (const node of nodes) {
    if (node.health === null) found.set(`${node.url} silent`, `${nameOf(node)}: ${node.problems.join('; ')}`)
    else if (!node.ok) found.set(`${node.url} ill`, `${nameOf(node)}: ${node.problems.join('; ')}`)
  }
  const roots = nodes.map(node => `${nameOf(node)} ${brief(node.merkle_root ?? '?')}`)
  if (!equal && nodes.every(node => node.merkle_root !== null))
    found.set('roots', `the nodes hold different states: ${roots.join(', ')}`)
  return found
}

function severeWarnings(node: NodeReport): ReadonlyArray<readonly [kind: string, text: string]> {
  return node.warnings
    .filter(each => each.severity === 'high')
    .map(each => [`${node.url} ${each.code}`, `${nameOf(node)} warns: ${each.text}`] as const)
}

function nameOf(node: NodeReport): string {
  return node.name ?? node.url
}

function headline({ nodes, equal_roots: equal }: FederationReport): string {
  const states = nodes.map(
    node => `${visible(nameOf(node))} ${node.health ?? 'silent'} ${node.sync_mode ?? '–'}`,
  )
  const isKnown = nodes.every(node => node.merkle_root !== null)
  const verdict = equal ? 'same state' : isKnown ? 'different states' : 'states not all known'
  return `${verdict}; ${states.join(', ')}`
}

function count(tally: Tally, last: FederationReport | undefined, report: FederationReport): void {
  tally.looks += 1
  for (const [index, node] of report.nodes.entries()) {
    const before = last?.nodes[index]?.sync_mode
    if (before !== undefined && before !== node.sync_mode) tally.changes += 1
    const mode = node.sync_mode ?? 'silent'
    tally.modes.set(mode, (tally.modes.get(mode) ?? 0) + 1)
    tally.slowestMs = Math.max(tally.slowestMs, node.latency_ms ?? 0)
    tally.keys = Math.max(tally.keys, node.entry_count ?? 0)
  }
}

function conclude(
  end: {
    readonly orders: Orders
    readonly tally: Tally
    readonly failure: readonly string[]
    readonly last: FederationReport | undefined
    readonly ms: number
  },
  io: CliIo,
  json: boolean,
): void {
  const { orders, tally, failure, last, ms } = end
  const ok = failure.length === 0
  if (json) {
    printJson(io, {
      schema: 'lattice.watch/v1',
      ok,
      failures: failure,
      seconds: Math.round(ms / 1000),
      looks: tally.looks,
      mode_changes: tally.changes,
      modes: Object.fromEntries(tally.modes),
      slowest_ms: tally.slowestMs,
      entry_count: tally.keys,
      merkle_root: last?.merkle_root ?? null,
      nodes: last?.nodes ?? [],
    })
    return
  }
  const paint = painter(io)
  const asked = orders.forMs === undefined ? '' : ` of ${formatDuration(orders.forMs)}`
  if (ok) print(io, `${paint('green', '✓')} All was well for ${span(ms)}.`)
  else
    print(
      io,
      `${paint('red', '✗')} Not well after ${span(ms)}${asked}:`,
      ...failure.map(each => `  ${visible(each)}`),
    )
  const modes = [...tally.modes].map(([mode, times]) => `${mode} ${times}`).join(', ')
  print(
    io,
    `${counted(tally.looks, 'look')} at ${counted(orders.urls.length, 'node')} (${modes}), ` +
      `${counted(tally.changes, 'change')} of mode, ${counted(tally.keys, 'key')}, slowest answer ${span(tally.slowestMs)}.`,
  )
}
