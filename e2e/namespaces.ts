/**
 * Several hosts on one machine: network namespaces on a bridge of their own, cut from each other by nftables.
 *
 * Rules name the other hosts of the network only, so the tests themselves always reach every daemon over the
 * bridge. Everything is made by the test and removed by it; needs root.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import type { Settings } from './command.ts'
import { quick, settingsOf } from './daemons.ts'
import type { Daemon, World } from './daemons.ts'

/** What stands between two hosts. Packets from `from` to `to`, on one port of `to` or all. */
export interface Cut {
  readonly from: number
  readonly to: number
  readonly port?: 'p2p' | 'http'
  /** drop: in silence. reject: with a reset. */
  readonly how?: 'drop' | 'reject'
}

const ports = { p2p: 9000, http: 8000 } as const
const token = 'e2e-token-0123456789abcdefghijklmnop'

/** Why namespaces cannot be used here; undefined where they can. */
export function namespacesMissing(): string | undefined {
  if (process.geteuid?.() !== 0) return 'network namespaces need root'
  for (const tool of ['ip', 'nft']) {
    if (spawnSync(tool, ['-V'], { env: environment() }).status !== 0) return `${tool} is not installed`
  }
  return undefined
}

/** Hosts with one daemon each, numbered from 0. */
export class HostNetwork {
  readonly nodes: readonly Daemon[]
  readonly #name: string
  readonly #subnet: string
  #cuts: readonly Cut[] = []

  private constructor(name: string, subnet: string, nodes: readonly Daemon[]) {
    this.#name = name
    this.#subnet = subnet
    this.nodes = nodes
  }

  /** Makes `count` hosts and starts a daemon on each. */
  static async open(world: World, count: number, settings: Settings = {}): Promise<HostNetwork> {
    const name = `lt${process.pid % 100_000}x${randomInt(100)}`
    const subnet = `10.${randomInt(200, 250)}.${randomInt(1, 250)}`
    run('ip', 'link', 'add', name, 'type', 'bridge')
    run('ip', 'addr', 'add', `${subnet}.254/24`, 'dev', name)
    run('ip', 'link', 'set', name, 'up')
    const drafts = await Promise.all(
      Array.from({ length: count }, async (_, host) => {
        addHost(name, subnet, host)
        const made = await world.identity(`${name}-${host}`)
        const address = addressOf(subnet, host)
        return {
          name: `host${host}`,
          ...made,
          url: `http://${address}:${ports.http}`,
          p2pAddress: `/ip4/${address}/tcp/${ports.p2p}`,
          within: ['ip', 'netns', 'exec', `${name}-${host}`],
        }
      }),
    )
    const nodes = drafts.map(draft =>
      world.daemon({
        ...draft,
        settings: { ...settingsOf(draft, drafts), ...quick, LATTICE_ADMIN_TOKEN: token, ...settings },
      }),
    )
    const network = new HostNetwork(name, subnet, nodes)
    await Promise.all(nodes.map(node => node.start()))
    return network
  }

  /** From now on exactly these cuts are in force; none heals everything. */
  cut(...cuts: readonly Cut[]): void {
    const hosts = new Set([...this.#cuts, ...cuts].map(({ from }) => from))
    this.#cuts = cuts
    for (const host of hosts) this.#apply(host)
  }

  /** Ends the daemons and removes hosts and bridge. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
    for (const host of this.nodes.keys()) run('ip', 'netns', 'delete', `${this.#name}-${host}`)
    run('ip', 'link', 'delete', this.#name)
  }

  #apply(host: number): void {
    const rules = this.#cuts
      .filter(({ from }) => from === host)
      .flatMap(({ to, port, how }) => {
        const address = `ip daddr ${addressOf(this.#subnet, to)}`
        const verdict = how === 'reject' ? 'counter reject with tcp reset' : 'counter drop'
        if (port === undefined)
          return [how === 'reject' ? `${address} meta l4proto tcp ${verdict}` : `${address} ${verdict}`]
        // A port is cut for both who serves and who calls.
        return ['dport', 'sport'].map(side => `${address} tcp ${side} ${ports[port]} ${verdict}`)
      })
    const lines = ['table inet e2e', 'delete table inet e2e', 'table inet e2e {', ' chain out {']
    lines.push('  type filter hook output priority 0', ...rules.map(rule => `  ${rule}`), ' }', '}', '')
    const space = ['netns', 'exec', `${this.#name}-${host}`]
    const done = spawnSync('ip', [...space, 'nft', '-f', '-'], {
      input: lines.join('\n'),
      env: environment(),
    })
    if (done.status !== 0) throw new Error(`nft: ${done.stderr.toString()}`)
  }
}

/** Both directions between two hosts. */
export function between(a: number, b: number, rest: Omit<Cut, 'from' | 'to'> = {}): readonly Cut[] {
  return [
    { from: a, to: b, ...rest },
    { from: b, to: a, ...rest },
  ]
}

function addHost(name: string, subnet: string, host: number): void {
  const space = `${name}-${host}`
  const outside = `${name}v${host}`
  run('ip', 'netns', 'add', space)
  run('ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
  run('ip', 'link', 'set', outside, 'master', name, 'up')
  run('ip', '-n', space, 'addr', 'add', `${addressOf(subnet, host)}/24`, 'dev', 'eth0')
  run('ip', '-n', space, 'link', 'set', 'eth0', 'up')
  run('ip', '-n', space, 'link', 'set', 'lo', 'up')
}

function addressOf(subnet: string, host: number): string {
  return `${subnet}.${host + 1}`
}

/** Debian keeps both tools where only root looks. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
}

function run(program: string, ...args: readonly string[]): void {
  const done = spawnSync(program, args, { encoding: 'utf8', env: environment() })
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`)
}
