/**
 * `lattice ping`: by which path one node is reached right now, how fast, and why not by a better one.
 *
 * It looks at what the daemon has measured in its own exchanges with that node (heartbeats, long polls), once
 * a second, and says how old the proof is. Nothing is sent to the node for the sake of the command.
 */
import { setTimeout as delay } from 'node:timers/promises'

import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import type { ExitCode } from './exit.ts'
import { print, printJson, span, visible } from './io.ts'
import type { CliIo, Paint } from './io.ts'
import { isPassing, noAnswer, Patience } from './patience.ts'
import { ago, peerName } from './peer-rows.ts'
import type { Peer } from './peer-rows.ts'
import type { Register } from './register.ts'
import { clientFailure, openSession, withRemote } from './session.ts'
import type { Session } from './session.ts'
import { counted } from '../counted.ts'

/** As ping(8) paces itself. */
const intervalMs = 1000

/** Looks without -c: enough to see whether a path holds. */
const defaultCount = 4

/** A short name is easily typed, a short piece of a key fits several by chance. */
const keyPieceMin = 6

interface Goal {
  readonly node: string
  /** Looks at most; undefined: until P2P or the time is up. */
  readonly count: number | undefined
  readonly untilP2p: boolean
}

interface Options {
  readonly count?: string
  readonly untilP2p?: boolean
  readonly timeout: string
}

/** One look at the peer. */
interface Probe {
  readonly at: string
  readonly path: Peer['path']
  readonly rtt_ms: number | null
  readonly last_heard: string | null
  readonly why: string
  /** What went wrong at each address that does not work. */
  readonly errors: readonly { readonly path: string; readonly address: string; readonly error: string }[]
}

/** Adds the command. */
export const registerPing: Register = (program, { io, run }) => {
  const command = withRemote(program.command('ping'), 'ping')
    .description('path and round trip to one node, once a second, and why')
    .argument('<node>', 'name, URL, or the beginning or end of its peer id or key')
    .option('-c, --count <n>', `how often to look (default: ${defaultCount}; with --until-p2p without limit)`)
    .option('--until-p2p', 'go on until the node is reached over P2P; exit 1 when that never came')
    .option('--timeout <duration>', 'how long at most', '60s')
    .addHelpText('after', '\nExample:\n  $ lattice ping node1 --until-p2p --timeout 2m')
  command.action(
    run((node: string, options: Options, self: Command) => {
      const patience = new Patience(options.timeout)
      const session = openSession(self, io, () => patience.lookMs)
      return ping(session, io, patience, goalOf(node, options))
    }),
  )
}

function goalOf(node: string, options: Options): Goal {
  const { count } = options
  if (count !== undefined && !/^[1-9]\d{0,5}$/.test(count)) {
    throw new CliError(exitCodes.usage, `--count takes a whole number from 1 on, not "${count}"`)
  }
  const untilP2p = options.untilP2p === true
  const looks = count === undefined ? (untilP2p ? undefined : defaultCount) : Number(count)
  return { node, count: looks, untilP2p }
}

async function ping(session: Session, io: CliIo, patience: Patience, goal: Goal): Promise<ExitCode> {
  const probes: Probe[] = []
  for (;;) {
    const found = await look(session, goal, probes.length > 0)
    const { waitedMs } = patience
    const late = waitedMs + intervalMs > patience.timeoutMs
    if (typeof found === 'string') {
      if (late) throw gaveUp(goal, waitedMs, found)
      if (!session.json) io.stderr.write(`waiting: ${found}\n`)
    } else {
      const probe = probeOf(found)
      probes.push(probe)
      if (!session.json) print(io, line(found, probe, session.paint))
      const reached = goal.untilP2p && probe.path === 'p2p'
      if (reached || late || probes.length === goal.count)
        return conclude(session, io, { goal, peer: found, probes, seconds: waitedMs / 1000 })
    }
    await delay(intervalMs, undefined, { signal: io.signal })
  }
}

/** The peer, or why this look told nothing. Who waits for P2P waits through a restart of the daemon, too. */
async function look(session: Session, goal: Goal, reached: boolean): Promise<Peer | string> {
  try {
    return await find(session, goal.node)
  } catch (error) {
    if (isPassing(error, reached && goal.untilP2p)) return noAnswer(session.url, error)
    throw clientFailure(error, session.url)
  }
}

function gaveUp({ node, untilP2p }: Goal, waitedMs: number, why: string): CliError {
  const goal = `${untilP2p ? 'P2P to' : 'the path to'} ${JSON.stringify(node)}`
  const hint = '`lattice doctor` looks for the reason'
  return new CliError(exitCodes.timeout, `gave up waiting for ${goal} after ${span(waitedMs)}: ${why}`, {
    hint,
  })
}

function conclude(
  session: Session,
  io: CliIo,
  end: { goal: Goal; peer: Peer; probes: readonly Probe[]; seconds: number },
): ExitCode {
  const { goal, peer, probes } = end
  const last = probes.at(-1)
  const p2p = last?.path === 'p2p'
  const times = counted(probes.length, 'probe')
  if (session.json) {
    const { name, peer_id: peerId } = peer
    const seconds = Math.round(end.seconds * 1000) / 1000
    printJson(io, {
      schema: 'lattice.ping/v1',
      name,
      peer_id: peerId,
      path: last?.path,
      p2p,
      probes,
      seconds,
    })
  } else if (goal.untilP2p) {
    print(io, p2p ? `p2p reached after ${times}.` : `p2p did not come within ${times}.`)
    if (!p2p) io.stderr.write('  try: lattice peers (the last error of each address)\n')
  }
  const good = goal.untilP2p ? p2p : last !== undefined && last.path !== 'none'
  return good ? exitCodes.ok : exitCodes.failed
}

async function find(session: Session, asked: string): Promise<Peer> {
  const { peers } = await session.client.getPeers()
  const found = peers.filter(peer => peer.name === asked || peer.url === asked.replace(/\/+$/, ''))
  const matches = found.length > 0 ? found : peers.filter(peer => hasKeyPiece(peer, asked))
  const [only] = matches
  if (only !== undefined && matches.length === 1) return only
  const what = matches.length === 0 ? 'no other node is called' : 'more than one node is called'
  const known = peers.map(peerName).join(', ')
  const hint = peers.length === 0 ? 'this node knows no others' : `known are ${known}; see \`lattice peers\``
  throw new CliError(exitCodes.failed, `${what} ${JSON.stringify(asked)}`, { hint })
}

function hasKeyPiece(peer: Peer, asked: string): boolean {
  if (asked.length < keyPieceMin) return false
  return [peer.peer_id, peer.node_id].some(key => key.startsWith(asked) || key.endsWith(asked))
}

function probeOf(peer: Peer): Probe {
  const { path, why, addresses } = peer
  const link = path === 'none' ? undefined : peer.links[path]
  return {
    at: new Date().toISOString(),
    path,
    rtt_ms: path === 'none' ? null : peer.rtt_ms[path],
    last_heard: link?.last_heard ?? null,
    why,
    errors: addresses.flatMap(({ path: over, address, last_error: error }) =>
      error === null ? [] : [{ path: over, address, error }],
    ),
  }
}

function line(peer: Peer, probe: Probe, paint: Paint): string {
  const { path } = probe
  const style = path === 'p2p' ? 'green' : path === 'http' ? 'yellow' : 'red'
  const trip = probe.rtt_ms === null ? '–' : span(probe.rtt_ms)
  const via = path === 'http' && peer.url !== null ? `  via ${visible(peer.url)}` : ''
  const heard = path === 'none' ? '' : `  heard ${ago(probe.last_heard, Date.now())} ago`
  return `${peerName(peer)}  ${paint(style, path.padEnd(4))}${via}  ${trip}${heard}  (${visible(probe.why)})`
}
