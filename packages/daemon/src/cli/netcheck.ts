/** `lattice netcheck`: what ways lead to each other node, step by step from its name to its answer. */
import { parseDuration } from '@lattice/api'
import type { Command } from 'commander'

import { parseMultiaddr } from '../config/multiaddr.ts'
import { natGuess, outerFamilies } from '../host/addresses.ts'
import { createVerifier } from '../host/crypto.ts'
import {
  outboundPorts,
  tryOutbound,
  tryWays,
  type Outbound,
  type Outcome,
  type Way,
} from '../netcheck/index.ts'
import { CliError, exitCodes } from './exit.ts'
import { painter, print, printJson, span, table, visible } from './io.ts'
import type { CliIo, Paint } from './io.ts'
import type { Register } from './register.ts'
import { openSession, parseUrl, withRemote } from './session.ts'
import { loadNeeded, withSettingFlags } from './settings.ts'

const marks: Readonly<Record<Outcome, readonly [string, Parameters<Paint>[0]]>> = {
  ok: ['✓', 'green'],
  warning: ['!', 'yellow'],
  failed: ['✗', 'red'],
  'not tested': ['–', 'dim'],
}

/** Adds the command. */
export const registerNetcheck: Register = (program, { io, run }) => {
  const base = withRemote(program.command('netcheck [targets...]'), 'netcheck')
  const command = withSettingFlags(base, ['NODES', 'P2P_BOOTSTRAP', 'TRUSTED_KEYS'])
    .description(
      'try every way to the other nodes: name, TCP, TLS, HTTP, signature, clock, WebSocket, libp2p',
    )
    .option('--timeout <duration>', 'how long each step may take', '10s')
    .addHelpText(
      'after',
      '\nTargets are base URLs and multiaddrs; without any, LATTICE_NODES and LATTICE_P2P_BOOTSTRAP.' +
        '\nThe answer of the running daemon, which dials with the key of the node, is added where there is one.' +
        '\n\nExit codes: 0 every way works, 2 something wants a look, 1 a way does not work.' +
        '\n\nExample:\n  $ lattice netcheck https://backup.example.org /dns4/node.example.org/tcp/9000',
    )
  command.action(
    run(async (given: string[], options: { timeout: string; json?: boolean }, self: Command) => {
      const stepMsMax = parseDuration(options.timeout)
      if (stepMsMax === undefined)
        throw new CliError(exitCodes.usage, `"${options.timeout}" is not a duration`)
      const { urls, addresses, trusted } = targetsOf(given, self, io)
      if (urls.length + addresses.length === 0)
        throw new CliError(exitCodes.usage, 'there is no other node to reach', {
          hint: 'name one, or set LATTICE_NODES and LATTICE_P2P_BOOTSTRAP',
        })
      const input = { urls, addresses, trusted: new Set(trusted), verifier: createVerifier(), stepMsMax }
      const [ways, outbound, daemon] = await Promise.all([
        tryWays(input),
        tryOutbound(hostsOf(urls, addresses), outboundPorts, stepMsMax),
        daemonView(self, io),
      ])
      const outcomes = ways.map(way => way.outcome)
      const code = outcomes.includes('failed')
        ? exitCodes.failed
        : outcomes.includes('warning')
          ? exitCodes.warning
          : exitCodes.ok
      const machine = { addresses: outerFamilies(), nat: natGuess() }
      if (options.json === true)
        printJson(io, {
          schema: 'lattice.netcheck/v1',
          ok: code === 0,
          machine,
          outbound,
          ways,
          daemon: daemon ?? null,
        })
      else print(io, ...report({ ways, outbound, daemon, machine }, painter(io)))
      return code
    }),
  )
}

function targetsOf(given: readonly string[], command: Command, io: CliIo) {
  const places = ['P2P_ENABLED', 'P2P_BOOTSTRAP', 'NODES'] as const
  const loaded = loadNeeded(command, io, ['TRUSTED_KEYS', ...(given.length > 0 ? [] : places)])
  const trusted = loaded.lookup('TRUSTED_KEYS') ?? []
  if (given.length > 0) {
    const addresses = given.filter(each => each.startsWith('/'))
    return { trusted, addresses, urls: given.filter(each => !each.startsWith('/')).map(parseUrl) }
  }
  const bootstrap = loaded.lookup('P2P_ENABLED') === true ? (loaded.lookup('P2P_BOOTSTRAP') ?? []) : []
  return { trusted, urls: loaded.lookup('NODES') ?? [], addresses: bootstrap.map(each => each.address) }
}

/** One address as the running daemon has tried it. */
interface Tried {
  readonly node: string
  readonly path: 'p2p' | 'http'
  readonly address: string
  readonly answered?: boolean | undefined
  readonly last_error: string | null
}

/** What the daemon knows of an address: while another one works, it may never have tried this one. */
function judgeTried({ answered, last_error: error }: Tried): readonly [Outcome, text: string] {
  if (error !== null) return ['failed', error]
  return answered === true ? ['ok', 'reached'] : ['not tested', 'not tried by the daemon so far']
}

/** How the daemon itself fares, which dials as this node: wrong keys show only there. */
async function daemonView(command: Command, io: CliIo): Promise<readonly Tried[] | undefined> {
  try {
    const { peers } = await openSession(command, io, daemonMsMax).client.getPeers()
    return peers.flatMap(({ name, peer_id: id, addresses }) =>
      addresses.map(each => ({ node: name ?? id, ...each })),
    )
  } catch {
    return undefined
  }
}

/** How long this machine's own daemon may take. */
const daemonMsMax = 3_000

/** Where the other nodes are, as names or addresses. */
function hostsOf(urls: readonly string[], addresses: readonly string[]): readonly string[] {
  const named = addresses.map(parseMultiaddr).flatMap(each => ('fault' in each ? [] : [each.host]))
  return [...urls.map(url => new URL(url).hostname.replace(/^\[|\]$/g, '')), ...named]
}

/** All that was found. */
interface Findings {
  readonly ways: readonly Way[]
  readonly outbound: readonly Outbound[]
  readonly daemon: readonly Tried[] | undefined
  readonly machine: { readonly addresses: readonly string[]; readonly nat: ReturnType<typeof natGuess> }
}

function report({ ways, outbound, daemon, machine }: Findings, paint: Paint): readonly string[] {
  const good = ways.filter(way => way.outcome !== 'failed').length
  const lines = [`${good} of ${ways.length} ways work.`]
  for (const { target, outcome, steps } of ways) {
    const [mark, style] = marks[outcome]
    lines.push('', `${paint(style, mark)} ${visible(target)}`)
    const rows = steps.map(({ name, outcome: each, text, ms, hint }) => [
      `  ${paint(marks[each][1], marks[each][0])}`,
      name,
      ms === undefined ? '' : span(ms),
      visible(hint === undefined ? text : `${text}; ${hint}`),
    ])
    lines.push(...table(rows))
  }
  if (daemon === undefined) lines.push('', 'No daemon answers here: its own dials were not looked at.')
  else if (daemon.length > 0) {
    const rows = daemon.map(tried => {
      const [outcome, text] = judgeTried(tried)
      const [mark, style] = marks[outcome]
      return [
        `  ${paint(style, mark)}`,
        visible(tried.node),
        tried.path,
        visible(tried.address),
        visible(text),
      ]
    })
    lines.push('', 'As the daemon has tried them:', ...table(rows))
  }
  const ports = outbound.map(({ port, outcome, text }) => [
    `  ${paint(marks[outcome][1], marks[outcome][0])}`,
    String(port),
    outcome === 'not tested' ? `not tested: ${text}` : visible(text),
  ])
  const families = machine.addresses.join(' and ') || 'no address beyond loopback'
  lines.push('', 'Ports that leave this machine:', ...table(ports))
  return [...lines, '', `This machine has ${families}. NAT: ${natWords[machine.nat]}.`]
}

const natWords: Readonly<Record<Findings['machine']['nat'], string>> = {
  none: 'none, it has a public IPv4 address',
  likely:
    'likely, it has private addresses only; of which kind was not tested, since nobody outside is asked',
  'not tested': 'not tested, it has no IPv4 address',
}
