/**
 * `lattice peers`: every other node, by which path, why, since when, and what went wrong at which address.
 */
import type { Command } from 'commander'

import { exitCodes } from './exit.ts'
import { print, printJson, span, table, visible } from './io.ts'
import type { Paint } from './io.ts'
import { looking, textFormOf, withTextForms } from './output.ts'
import { ago, peerName, peerState, transferProgress, wideCells, wideHeads } from './peer-rows.ts'
import type { Peer } from './peer-rows.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'

/** Adds the command. */
export const registerPeers: Register = (program, { io, run }) => {
  const command = withTextForms(withRemote(program.command('peers'), 'peers'))
    .description('every other node: path, why, since when, last error per address')
    .addHelpText('after', '\nExample:\n  $ lattice peers --url http://127.0.0.1:8001')
  command.action(
    run(async (_options: unknown, self: Command) => {
      const session = openSession(self, io)
      const form = textFormOf(self)
      return looking(self, io, async () => {
        const { peers, count } = await calling(session, client => client.getPeers())
        if (session.json) printJson(io, { schema: 'lattice.peers/v1', peers, count })
        else if (form === 'name') print(io, ...peers.map(peerName))
        else if (count === 0)
          print(io, 'No other nodes. Name them in LATTICE_TRUSTED_KEYS; `lattice id` prints a key.')
        else print(io, ...peerLines(peers, session.paint, Date.now(), form === 'wide'))
        return exitCodes.ok
      })
    }),
  )
}

function peerLines(peers: readonly Peer[], paint: Paint, nowWall: number, wide: boolean): readonly string[] {
  const heads = [
    'NODE',
    'STATE',
    'PATH',
    'FOR',
    'P2P',
    'HTTP',
    'BEHIND',
    'AHEAD',
    'SEEN',
    ...(wide ? wideHeads : []),
  ]
  const rows = peers.map(peer => [
    peerName(peer),
    peerState(peer, paint),
    peer.path,
    ago(peer.since, nowWall),
    rtt(peer.rtt_ms.p2p),
    rtt(peer.rtt_ms.http),
    String(peer.behind ?? '?'),
    String(peer.ahead ?? '?'),
    ago(peer.last_seen, nowWall),
    ...(wide ? wideCells(peer) : []),
  ])
  const details = peers.flatMap(peer => [
    '',
    `${peerName(peer)}  ${peer.peer_id}`,
    `  ${visible(peer.why)}`,
    ...(peer.transfer === undefined ? [] : [`  sends its state: ${transferProgress(peer.transfer)}`]),
    ...peer.addresses.map(({ path, address, last_error: error }) => {
      const fault = error === null ? '' : paint('yellow', `  ${visible(error)}`)
      return `  ${path.padEnd(4)} ${visible(address)}${fault}`
    }),
  ])
  return [...table([heads, ...rows]), ...details]
}

function rtt(ms: number | null): string {
  return ms === null ? '–' : span(ms)
}
