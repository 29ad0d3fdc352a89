/** `lattice status`: the verdict as a sentence, the nodes as a table, what to do next. */
import type { Client } from '@lattice/api'
import type { Command } from 'commander'

import { exitCodes } from './exit.ts'
import type { ExitCode } from './exit.ts'
import { print, printJson, table, visible } from './io.ts'
import type { Paint } from './io.ts'
import { looking, textFormOf, withTextForms } from './output.ts'
import { ago, peerName, peerRtt, peerState, transferProgress, wideCells, wideHeads } from './peer-rows.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'
import { counted } from '../counted.ts'

// A screen of 24 lines holds the verdict, this many nodes and warnings, and the hint (experience L1).
const peerRowsMax = 8
const warningsMax = 3
const columnsMax = 100

/** Adds the command. */
export const registerStatus: Register = (program, { io, run }) => {
  const command = withTextForms(withRemote(program.command('status'), 'status'))
    .description('how this node and its peers are')
    .addHelpText('after', '\nExit codes: 0 healthy, 2 degraded, 1 unhealthy.\n\nExample:\n  $ lattice status')
  command.action(
    run(async (_options: unknown, self: Command) => {
      const session = openSession(self, io)
      const form = textFormOf(self)
      return looking(self, io, async () => {
        const facts = await calling(session, gather)
        if (session.json) printJson(io, statusJson(facts, session.url))
        else if (form === 'name') print(io, visible(facts.health.name), ...facts.peers.map(peerName))
        else print(io, ...statusLines(facts, { ...session, wide: form === 'wide' }, Date.now()))
        return exitByVerdict[facts.health.overall]
      })
    }),
  )
}

const exitByVerdict: Readonly<Record<'healthy' | 'degraded' | 'unhealthy', ExitCode>> = {
  healthy: exitCodes.ok,
  degraded: exitCodes.warning,
  unhealthy: exitCodes.failed,
}

type Facts = Awaited<ReturnType<typeof gather>>

async function gather(client: Client) {
  const [status, peers, health, identity, state] = await Promise.all([
    client.getP2pStatus(),
    client.getPeers(),
    client.getHealthReport(),
    client.getIdentity(),
    client.getState({ query: { summary: 'true' } }),
  ])
  return {
    status,
    peers: peers.peers,
    health,
    identity,
    keys: 'entry_count' in state ? state.entry_count : 0,
  }
}

function statusJson(facts: Facts, url: string): unknown {
  const { success: _, ...status } = facts.status
  const { name, role, version, uptime_seconds: uptime } = facts.health
  const { peer_id: peerId, public_key: publicKey } = facts.identity
  return {
    schema: 'lattice.status/v1',
    url,
    overall: facts.health.overall,
    node: { name, role, version, uptime_seconds: uptime, peer_id: peerId, public_key: publicKey },
    ...status,
    entry_count: facts.keys,
    peers: facts.peers,
  }
}

/** How the lines are to look. */
interface Look {
  readonly url: string
  readonly paint: Paint
  /** Everything, however wide. */
  readonly wide: boolean
}

/** At most 24 lines of at most 100 columns, unless wide. */
function statusLines(facts: Facts, { url, paint, wide }: Look, nowWall: number): readonly string[] {
  const { status, health } = facts
  const clip = wide ? (line: string): string => line : clipped
  const lasting = ago(status.since, nowWall)
  const forced = status.forced_until === null ? '' : `, until ${status.forced_until}`
  const using = `${carrier[status.sync_mode]} for ${lasting}`
  const mode = `Mode ${status.mode.toUpperCase()}${forced}, ${using} (${status.reason}).`
  const sign = { healthy: paint('green', '✓'), degraded: paint('yellow', '!'), unhealthy: paint('red', '✗') }
  return [
    clip(`${sign[health.overall]} ${verdict(facts)}`),
    clip(visible(mode)),
    clip(`Root ${status.merkle_root}, ${counted(facts.keys, 'key')}.`),
    ...(status.transfer === undefined ? [] : [`Filling up: ${transferProgress(status.transfer)}.`]),
    '',
    ...nodeTable(facts, { paint, wide }, nowWall).map(clip),
    '',
    ...warningLines(facts, paint).map(clip),
    clip(`Next: lattice peers · lattice verify · ${url}/`),
  ]
}

function verdict({ peers, health }: Facts): string {
  const agreeing = peers.filter(peer => peer.path !== 'none' && peer.in_sync === true)
  const others = peers.filter(peer => !agreeing.includes(peer)).map(peerName)
  const trouble =
    health.overall === 'healthy' ? '' : ` This node is ${health.overall}: ${visible(health.reason)}.`
  if (peers.length === 0) return `This node is alone: no other members are configured.${trouble}`
  if (others.length === 0) return `All ${peers.length + 1} nodes agree.${trouble}`
  return `${agreeing.length + 1} of ${peers.length + 1} nodes agree; not ${others.join(', ')}.${trouble}`
}

const carrier = { P2P: 'using p2p', HTTP: 'using http', NONE: 'no path' } as const

function ownState(overall: Facts['health']['overall'], paint: Paint): string {
  if (overall === 'healthy') return paint('green', '✓ ok')
  return overall === 'degraded' ? paint('yellow', '! degraded') : paint('red', '✗ unhealthy')
}

function nodeTable(facts: Facts, { paint, wide }: Omit<Look, 'url'>, nowWall: number): readonly string[] {
  const { health } = facts
  const own = [
    `${visible(health.name)} *`,
    visible(health.role),
    ownState(health.overall, paint),
    'this node',
    '–',
    '–',
    '–',
  ]
  const shown = wide ? facts.peers : facts.peers.slice(0, peerRowsMax)
  const rows = shown.map(peer => [
    peerName(peer),
    visible(peer.role ?? '–'),
    peerState(peer, paint),
    peer.path,
    peerRtt(peer),
    peer.behind === null ? '?' : String(peer.behind),
    ago(peer.last_seen, nowWall),
    visible(peer.software?.replace('lattice/', '') ?? '–'),
    ...(wide ? wideCells(peer) : []),
  ])
  const more = facts.peers.length - shown.length
  const heads = [
    'NODE',
    'ROLE',
    'STATE',
    'PATH',
    'RTT',
    'BEHIND',
    'SEEN',
    'VERSION',
    ...(wide ? wideHeads : []),
  ]
  const ownWide = wide ? [facts.status.since, '–', facts.identity.peer_id, facts.status.merkle_root] : []
  const lines = table([heads, [...own, health.version, ...ownWide], ...rows])
  return more > 0 ? [...lines, `and ${more} more: lattice peers`] : lines
}

function warningLines(facts: Facts, paint: Paint): readonly string[] {
  const { warnings } = facts.status
  if (warnings.length === 0) return ['No warnings.']
  const more = warnings.length - warningsMax
  const shown = warnings.slice(0, warningsMax).flatMap(({ code, text, primaryAction }) => {
    const action = primaryAction.command ?? primaryAction.url ?? primaryAction.label
    return [`${paint('yellow', '!')} ${visible(code)} ${visible(text)}`, `    try: ${visible(action)}`]
  })
  return more > 0 ? [...shown, `and ${more} more warnings: lattice status --json`] : shown
}

function clipped(line: string): string {
  const characters = Array.from(line)
  // Colour codes take no columns; a line that holds some is short by construction or clipped a little early.
  return characters.length <= columnsMax ? line : `${characters.slice(0, columnsMax - 1).join('')}…`
}
