/**
 * Real daemons for the e2e ring: processes with their own ports, directories and identities, asked over REST.
 *
 * Each daemon holds one end of an IPC channel: when the test process dies without a word, the channel closes
 * and the daemon stops by itself. Nothing is left behind, neither processes nor directories.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@lattice/api'
import type { Client } from '@lattice/api'
import { documentOf, lattice, launch } from './command.ts'
import type { Settings } from './command.ts'
import { eventually } from './eventually.ts'
import { freePort } from './ports.ts'

/** Times short enough for tests, long enough for a busy machine with two cores. */
export const quick: Settings = {
  LATTICE_HEARTBEAT_INTERVAL: '500ms',
  LATTICE_PEERLESS_TIMEOUT: '3s',
  LATTICE_HTTP_POLL_INTERVAL: '500ms',
  LATTICE_P2P_STABLE_AFTER: '1s',
  LATTICE_HOLD_DOWN: '1s',
  LATTICE_REDIAL_MAX: '1s',
}

/** A start on a busy machine: four daemons at once take 5 s here. */
const readyMsMax = 40_000
/** What `lattice start` grants itself for a stop, and a margin. */
const stopMsMax = 12_000

/** Who a daemon is. */
export interface Identity {
  readonly peerId: string
  /** 64 hex digits. */
  readonly publicKey: string
}

/** What a daemon is made of. */
export interface DaemonPlan {
  readonly name: string
  readonly stateDir: string
  readonly identity: Identity
  readonly url: string
  /** Multiaddr without peer id; where P2P listens. */
  readonly p2pAddress: string
  readonly settings: Settings
  readonly within?: readonly string[]
  /** The `lattice` script of another build. */
  readonly script?: string | undefined
}

/** One daemon, running or not. */
export class Daemon {
  readonly plan: DaemonPlan
  readonly client: Client
  readonly #logFile: string
  #settings: Settings
  #script: string | undefined
  #child: ChildProcess | undefined

  constructor(plan: DaemonPlan) {
    this.plan = plan
    this.#logFile = `${plan.stateDir}.log`
    this.#settings = plan.settings
    this.#script = plan.script
    const token = plan.settings['LATTICE_ADMIN_TOKEN']
    this.client = createClient({ baseUrl: plan.url, ...(token === undefined ? {} : { token }) })
  }

  get name(): string {
    return this.plan.name
  }

  get url(): string {
    return this.plan.url
  }

  /** Process id; fails where the daemon does not run. */
  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined || !this.isRunning) throw new Error(`${this.name} does not run`)
    return pid
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Everything all its runs have logged so far. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8')
  }

  /** Starts the process, with settings that stay for later starts; resolves once it is ready. */
  async start(changed: Settings = {}): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.#settings = { ...this.#settings, ...changed }
    const output = openSync(this.#logFile, 'a', 0o600)
    const at = {
      env: this.#settings,
      script: this.#script,
      ...(this.plan.within === undefined ? {} : { within: this.plan.within }),
    }
    const child = launch(['start'], at, ['ignore', output, output, 'ipc'])
    closeSync(output)
    this.#child = child
    await eventually(
      `${this.name} is ready`,
      async () => {
        if (!this.isRunning) return true
        return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) })).ok
      },
      readyMsMax,
    )
    if (!this.isRunning) throw new Error(`${this.name} ended at once:\n${this.log}`)
  }

  /** Later starts run the present build, or that of `script`, on the same state. */
  changeBuild(script?: string): void {
    this.#script = script
  }

  /** Asks the process to stop; its exit code. */
  async stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  /** SIGKILL: no farewell, no flush. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Sends a signal that does not end the process, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  /** Orders what `lattice up --chaos` may order, where the daemon was started with `CHAOS_OF_LATTICE_UP`. */
  chaos(order: 'cut' | 'heal'): void {
    this.#child?.send({ chaos: order })
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    if (this.isRunning) {
      const gone = once(child, 'exit')
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
      await gone
      clearTimeout(late)
    }
    return child.exitCode
  }
}

/** Choices for a federation. */
export interface FederationChoice {
  readonly settings?: Settings
  /** How many of the planned nodes to start; all by default. */
  readonly start?: number
  /** `lattice` scripts of single nodes, by index; the present build by default. */
  readonly scripts?: readonly (string | undefined)[]
  /** Settings of single nodes, by index. */
  readonly each?: readonly Settings[]
}

/** Daemons and directories of one test file; `close` ends and removes all of them. */
export class World {
  readonly directory: string
  readonly #daemons: Daemon[] = []
  #named = 0

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'lattice-e2e-'))
  }

  /** A directory for one node's state, and its fresh identity. */
  async identity(name: string): Promise<{ stateDir: string; identity: Identity }> {
    const stateDir = join(this.directory, name)
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
    const made = await lattice(['id', '--json', '--state-dir', stateDir])
    if (made.code !== 0) throw new Error(`lattice id failed: ${made.stderr}`)
    const { peer_id: peerId, public_key: publicKey } = documentOf(made)
    return { stateDir, identity: { peerId: String(peerId), publicKey: String(publicKey) } }
  }

  /** A daemon that is stopped by `close`; not started yet. */
  daemon(plan: DaemonPlan): Daemon {
    const daemon = new Daemon(plan)
    this.#daemons.push(daemon)
    return daemon
  }

  /** `count` daemons that trust each other and know where the others are. */
  async federation(count: number, choice: FederationChoice = {}): Promise<Daemon[]> {
    const first = this.#named + 1
    this.#named += count
    const drafts = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const name = `node${first + index}`
        const [made, http, p2p] = await Promise.all([this.identity(name), freePort(), freePort()])
        return { name, ...made, url: `http://127.0.0.1:${http}`, p2pAddress: `/ip4/127.0.0.1/tcp/${p2p}` }
      }),
    )
    const nodes = drafts.map((draft, index) => {
      const own = { ...quick, ...choice.settings, ...choice.each?.[index] }
      const settings = { ...settingsOf(draft, drafts), ...own }
      return this.daemon({ ...draft, settings, script: choice.scripts?.[index] })
    })
    await Promise.all(nodes.slice(0, choice.start ?? count).map(node => node.start()))
    return nodes
  }

  /** Ends all daemons by force and removes all directories. */
  async close(): Promise<void> {
    await Promise.all(this.#daemons.map(daemon => daemon.kill()))
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The settings of one member of a federation. */
export function settingsOf(
  own: Omit<DaemonPlan, 'settings'>,
  members: readonly Omit<DaemonPlan, 'settings'>[],
): Settings {
  const others = members.filter(({ name }) => name !== own.name)
  const { hostname, port } = new URL(own.url)
  return {
    LATTICE_NODE_NAME: own.name,
    LATTICE_STATE_DIR: own.stateDir,
    LATTICE_HTTP_HOST: hostname,
    LATTICE_HTTP_PORT: port,
    LATTICE_P2P_LISTEN: own.p2pAddress,
    LATTICE_P2P_BOOTSTRAP: others.map(each => `${each.p2pAddress}/p2p/${each.identity.peerId}`).join(','),
    LATTICE_NODES: others.map(({ url }) => url).join(','),
    LATTICE_TRUSTED_KEYS: others.map(({ identity }) => identity.publicKey).join(','),
    LATTICE_LOG_FORMAT: 'json',
  }
}
