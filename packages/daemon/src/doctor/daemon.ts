/** What the running daemon says, and whether one could start where none runs. */
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

import type { Client } from '@lattice/api'

import { parseMultiaddr } from '../config/multiaddr.ts'
import { programVersion } from '../cli/version.ts'
import { dashboardDirectory } from '../http/dashboard.ts'
import { fail, pass, skip, warn, type Check, type Diagnosis, type Patient } from './diagnosis.ts'

/** Checks of the daemon; without one most are skipped. */
export const daemonChecks: readonly Check[] = [
  {
    name: 'daemon',
    look: ({ daemon }) =>
      daemon === undefined
        ? warn(
            'none answers here',
            'it is stopped, or listens elsewhere',
            'lattice start, or systemctl start lattice',
          )
        : pass('it answers'),
  },
  {
    name: 'http-port',
    look: ({ daemon, loaded }) =>
      daemon === undefined
        ? free(
            loaded.lookup('HTTP_HOST') ?? '127.0.0.1',
            loaded.lookup('HTTP_PORT') ?? 8000,
            'LATTICE_HTTP_PORT',
          )
        : pass('the daemon has it'),
  },
  {
    name: 'p2p-port',
    look: async ({ daemon, loaded }) => {
      if (loaded.lookup('P2P_ENABLED') !== true) return skip('P2P is off')
      if (daemon !== undefined) return pass('the daemon has it')
      const parts = (loaded.lookup('P2P_LISTEN') ?? []).map(parseMultiaddr)
      const places = parts.flatMap(part => ('fault' in part ? [] : [part]))
      const found = await Promise.all(places.map(({ host, port }) => free(host, port, 'LATTICE_P2P_LISTEN')))
      return found.find(each => each.verdict === 'fail') ?? found[0] ?? pass('only the HTTP port is used')
    },
  },
  {
    name: 'dashboard',
    look: () => {
      if (existsSync(join(dashboardDirectory, 'index.html'))) return pass('it is built')
      return warn('it is not built', 'GET / shows no page', 'npm run build -w @lattice/dashboard')
    },
  },
  asked('daemon-version', async daemon => {
    const { version } = await daemon.getHealthReport()
    if (version === programVersion()) return pass(`version ${version}, as this command`)
    const cause = `this command is version ${programVersion()}; an upgrade without a restart looks like this`
    return warn(`the daemon is version ${version}`, cause, 'systemctl restart lattice')
  }),
  asked('health', async daemon => {
    const { overall, reason } = await daemon.getHealthReport()
    if (overall === 'healthy') return pass(reason)
    return (overall === 'degraded' ? warn : fail)(overall, reason, 'lattice status')
  }),
  ...(['clock', 'event_loop', 'persistence'] as const).map(name =>
    asked(`daemon-${name.replace('_', '-')}`, async daemon => {
      const { status, reason } = (await daemon.getHealthReport()).components[name]
      if (status === 'healthy') return pass(reason)
      if (status === 'unknown' || status === 'disabled') return skip(reason)
      return (status === 'degraded' ? warn : fail)(status, reason, 'lattice status')
    }),
  ),
  asked('peers', async daemon => {
    const { peers } = await daemon.getPeers()
    if (peers.length === 0) return skip('no other members')
    const lost = peers.filter(peer => peer.path === 'none' && peer.asleep !== true)
    if (lost.length === 0) return pass(`all ${peers.length} others are reached`)
    const causes = lost.map(peer => `${peer.name ?? peer.peer_id}: ${peer.why}`).join('; ')
    return (lost.length === peers.length ? fail : warn)(
      `${lost.length} not reached`,
      causes,
      'lattice netcheck',
    )
  }),
  asked('same-version', async daemon => {
    const { peers } = await daemon.getPeers()
    const own = `lattice/${(await daemon.getHealthReport()).version}`
    const other = peers.filter(({ software }) => software !== null && software !== own)
    if (other.length === 0) return pass(`nobody runs another than ${own}`)
    const names = other.map(peer => `${peer.name ?? peer.peer_id} (${peer.software ?? ''})`).join(', ')
    const cause = `this node is ${own}; versions side by side understand each other, and should not stay so`
    return warn(`${names} differ`, cause, 'roll the same release out everywhere: deploy/scripts/rollout.ts')
  }),
  asked('same-state', async daemon => {
    const { peers } = await daemon.getPeers()
    const other = peers.filter(peer => peer.path !== 'none' && peer.in_sync === false)
    if (other.length === 0) return pass('no reached node holds another state')
    const names = other.map(peer => peer.name ?? peer.peer_id).join(', ')
    return warn(`${names} differ`, 'news is on its way, or they disagree', 'lattice wait --in-sync')
  }),
  asked('warnings', async daemon => {
    const { warnings } = await daemon.getP2pStatus()
    const worst = warnings.find(each => each.severity === 'high') ?? warnings[0]
    if (worst === undefined) return pass('none')
    const command = worst.primaryAction.command ?? worst.primaryAction.label
    return warn(worst.title, worst.text, command)
  }),
]

/** A check that needs the daemon. */
function asked(name: string, look: (daemon: Client) => Promise<Diagnosis>): Check {
  return {
    name,
    look: ({ daemon }: Patient) => (daemon === undefined ? skip('no daemon answers') : look(daemon)),
  }
}

/** Whether a server could listen there. */
function free(host: string, port: number, setting: string): Promise<Diagnosis> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const cause = error.code === 'EADDRINUSE' ? 'another program has it' : (error.code ?? error.message)
      resolve(
        fail(`${host}:${port} cannot be listened on`, cause, `ss -ltnp sport = :${port}, or set ${setting}`),
      )
    })
    server.listen({ host, port, exclusive: true }, () =>
      server.close(() => resolve(pass(`${host}:${port} is free`))),
    )
  })
}
