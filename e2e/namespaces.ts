/**
 * Several hosts on one machine: network namespaces on a bridge of their own, cut from each other by nftables.
 *
 * Rules name the other hosts of the network only, so the tests themselves always reach every daemon over the
 * bridge. Everything is made by the test and removed by it; needs root.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Settings } from './command.ts'
import { quick, settingsOf } from './daemons.ts'
import type { Daemon, World } from './daemons.ts'

/** What stands between two hosts. Packets from `from` to `to`, on one port or all. */
export interface Cut {
  readonly from: number
  readonly to: number
  readonly port?: 'p2p' | 'http'
  /** Of the packets of `port`, only those that the serving side sends. */
  readonly only?: 'replies'
  /** How many of them, chosen at random; all by default. */
  readonly percent?: number
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
  /** What each name stands for. */
  readonly #addresses = new Map<string, string>()
  #cuts: readonly Cut[] = []

  private constructor(name: string, subnet: string, nodes: readonly Daemon[]) {
    this.#name = name
    this.#subnet = subnet
    this.nodes = nodes
  }

  /**
   * Makes `count` hosts and starts a daemon on each. Where one does not start, nothing is left behind.
   * @param how.named the daemons know each other by host names only: `host0.test` and so on
   */
  static async open(
    world: World,
    count: number,
    settings: Settings = {},
    how: { readonly named?: boolean } = {},
  ): Promise<HostNetwork> {
    const network = await HostNetwork.#build(world, count, settings, how.named === true)
    try {
      await Promise.all(network.nodes.map(node => node.start()))
    } catch (error) {
      await network.close()
      throw error
    }
    return network
  }

  static async #build(world: World, count: number, settings: Settings, named: boolean): Promise<HostNetwork> {
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
    const known = named ? drafts.map((draft, host) => ({ ...draft, ...byName(host) })) : drafts
    const nodes = drafts.map((draft, host) =>
      world.daemon({
        ...draft,
        settings: {
          ...settingsOf(draft, known),
          ...(named ? behindName(host) : {}),
          ...quick,
          LATTICE_ADMIN_TOKEN: token,
          ...settings,
        },
      }),
    )
    const network = new HostNetwork(name, subnet, nodes)
    for (const host of nodes.keys()) {
      network.#countDials(host)
      network.#addresses.set(nameOf(host), addressOf(subnet, host))
    }
    network.#writeNames()
    return network
  }

  /** From now on the name of `host` stands for an address of `at`, for all who look it up. */
  rename(host: number, at: number): void {
    this.#addresses.set(nameOf(host), addressOf(this.#subnet, at))
    this.#writeNames()
  }

  /** Gives a host another address, and its name to that. The old one stays: cut it where it must be dead. */
  move(host: number): string {
    const address = `${this.#subnet}.${host + 101}`
    run('ip', '-n', `${this.#name}-${host}`, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    this.#addresses.set(nameOf(host), address)
    this.#writeNames()
    return address
  }

  /** From now on exactly these cuts are in force; none heals everything. */
  cut(...cuts: readonly Cut[]): void {
    const hosts = new Set([...this.#cuts, ...cuts].map(({ from }) => from))
    this.#cuts = cuts
    for (const host of hosts) this.#apply(host)
  }

  /** Packets of one host that the cuts in force have dropped or rejected. */
  lost(host: number): number {
    return this.#counted(host, 'cuts', 'lost')
  }

  /** How often one host has tried to connect to the P2P port of another, with what its kernel repeated. */
  dials(from: number, to: number): number {
    return this.#counted(from, 'dials', `to${to}`)
  }

  /**
   * Connections of one host with another over a port of either, as its kernel sees them.
   * @param peer the address of the other; by default its first
   */
  connections(
    host: number,
    other: number,
    port: 'p2p' | 'http',
    peer: string = addressOf(this.#subnet, other),
  ): number {
    const either = `( sport = :${ports[port]} or dport = :${ports[port]} )`
    const listed = this.#within(host, ['ss', '-Htn', 'state', 'established', 'dst', peer, 'and', either])
    return listed.split('\n').filter(line => line !== '').length
  }

  /** Ends the daemons and removes hosts and bridge. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.kill()))
    for (const host of this.nodes.keys()) {
      run('ip', 'netns', 'delete', `${this.#name}-${host}`)
      rmSync(namesDirectory(`${this.#name}-${host}`), { recursive: true, force: true })
    }
    run('ip', 'link', 'delete', this.#name)
  }

  /** In place: a running host sees the very file that was there when it started. */
  #writeNames(): void {
    const lines = [...this.#addresses].map(([name, address]) => `${address} ${name}\n`)
    for (const host of this.nodes.keys()) {
      const directory = namesDirectory(`${this.#name}-${host}`)
      mkdirSync(directory, { recursive: true })
      writeFileSync(`${directory}/hosts`, `127.0.0.1 localhost\n${lines.join('')}`)
    }
  }

  #apply(host: number): void {
    const rules = this.#cuts.filter(({ from }) => from === host).flatMap(cut => this.#rulesOf(cut))
    this.#filter(host, 'cuts', 0, ['lost'], rules)
  }

  #rulesOf({ to, port, only, percent, how }: Cut): string[] {
    const share = percent === undefined ? '' : `numgen random mod 100 < ${percent} `
    const verdict = how === 'reject' ? 'reject with tcp reset' : 'drop'
    // A port is cut for both who serves and who calls.
    const sides = only === 'replies' ? ['sport'] : ['dport', 'sport']
    const whole = how === 'reject' ? ['meta l4proto tcp '] : ['']
    const which = port === undefined ? whole : sides.map(side => `tcp ${side} ${ports[port]} `)
    const address = addressOf(this.#subnet, to)
    return which.map(each => `ip daddr ${address} ${each}${share}counter name lost ${verdict}`)
  }

  /** Before the cuts, so that what they take counts as well. */
  #countDials(host: number): void {
    const others = [...this.nodes.keys()].filter(other => other !== host)
    const opening = `tcp dport ${ports.p2p} tcp flags & (syn | ack) == syn`
    const rules = others.map(
      other => `ip daddr ${addressOf(this.#subnet, other)} ${opening} counter name to${other}`,
    )
    const counters = others.map(other => `to${other}`)
    this.#filter(host, 'dials', -10, counters, rules)
  }

  /** Replaces a table of rules for what a host sends. */
  #filter(
    host: number,
    table: string,
    priority: number,
    counters: readonly string[],
    rules: readonly string[],
  ): void {
    const lines = [`table inet ${table}`, `delete table inet ${table}`, `table inet ${table} {`]
    lines.push(...counters.map(name => ` counter ${name} { }`), ' chain out {')
    lines.push(
      `  type filter hook output priority ${priority}`,
      ...rules.map(rule => `  ${rule}`),
      ' }',
      '}',
      '',
    )
    this.#within(host, ['nft', '-f', '-'], lines.join('\n'))
  }

  #counted(host: number, table: string, name: string): number {
    const listed = this.#within(host, ['nft', '-j', 'list', 'counter', 'inet', table, name])
    const { nftables } = JSON.parse(listed) as { nftables: { counter?: { packets: number } }[] }
    const [packets] = nftables.flatMap(({ counter }) => counter?.packets ?? [])
    if (packets === undefined) throw new Error(`no counter ${name}: ${listed}`)
    return packets
  }

  #within(host: number, command: readonly string[], input = ''): string {
    const space = ['netns', 'exec', `${this.#name}-${host}`, ...command]
    const done = spawnSync('ip', space, { input, encoding: 'utf8', env: environment() })
    if (done.status !== 0) throw new Error(`${command.join(' ')}: ${done.stderr}`)
    return done.stdout
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

/** Where `ip netns exec` takes the files from that a host has under /etc. */
function namesDirectory(space: string): string {
  return `/etc/netns/${space}`
}

function nameOf(host: number): string {
  return `host${host}.test`
}

/** Where others look for a host. */
function byName(host: number): { readonly url: string; readonly p2pAddress: string } {
  const name = nameOf(host)
  return { url: `http://${name}:${ports.http}`, p2pAddress: `/dns4/${name}/tcp/${ports.p2p}` }
}

/** What a host does that is known by its name only: it listens everywhere, and tells nobody its address. */
function behindName(host: number): Settings {
  return {
    LATTICE_HTTP_HOST: '0.0.0.0',
    LATTICE_P2P_LISTEN: `/ip4/0.0.0.0/tcp/${ports.p2p}`,
    LATTICE_P2P_ANNOUNCE: byName(host).p2pAddress,
  }
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
