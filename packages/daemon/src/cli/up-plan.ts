/**
 * What `lattice up` starts: N nodes on this machine with their own ports, directories and identities, who
 * trust each other and know where the others are before the first one runs.
 */
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { join } from 'node:path'

import { makeDirectory } from '../host/directory.ts'
import { openIdentity } from '../host/identity.ts'
import type { Identity } from '../host/identity.ts'

/** One node before it runs. */
export interface PlannedNode {
  readonly name: string
  readonly identity: Identity
  readonly stateDir: string
  readonly logFile: string
  readonly url: string
  /** Multiaddr with peer id; where P2P listens. */
  readonly p2pAddress: string
  /** The whole environment of its daemon. */
  readonly env: Readonly<Record<string, string>>
}

/** What the user chose. */
export interface UpChoice {
  readonly count: number
  readonly httpOnly: boolean
  /** Holds one directory and one log for each node. */
  readonly directory: string
  /** Ports from here on are tried first, so that URLs stay the same between runs; 0: any. */
  readonly firstPort: number
  /** More of the daemons' environment; the user's own settings go before. */
  readonly defaults?: Readonly<Record<string, string>>
}

// Settings of the user's environment that make sense for every node of the local federation.
const sharedSettings = [
  'HEARTBEAT_INTERVAL',
  'PEERLESS_TIMEOUT',
  'HTTP_POLL_INTERVAL',
  'P2P_STABLE_AFTER',
  'HEDGE_AFTER',
  'HOLD_DOWN',
  'HOLD_DOWN_MAX',
  'FLAP_LIMIT',
  'REDIAL_MAX',
  'LOG_LEVEL',
]
// What of the surroundings would be taken as a setting of each node, or as its log being read by journald.
const strippedPattern =
  /^(LATTICE_|DIOTEC360_|AETHEL_|SPACE_|PORT$|CREDENTIALS_DIRECTORY$|JOURNAL_STREAM$|NOTIFY_SOCKET$)/

/** Creates directories and identities, finds free ports, and wires the nodes to each other. */
export async function planNodes(
  choice: UpChoice,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly PlannedNode[]> {
  const [http, p2p] = await freePorts(choice)
  const drafts = Array.from({ length: choice.count }, (_, index) => {
    const name = `node${index + 1}`
    const stateDir = join(choice.directory, name)
    makeDirectory(stateDir, 0o700)
    const identity = openIdentity({ stateDir })
    const p2pAddress = `/ip4/127.0.0.1/tcp/${p2p[index]}/p2p/${identity.peerId}`
    const url = `http://127.0.0.1:${http[index]}`
    return { name, identity, stateDir, logFile: join(choice.directory, `${name}.log`), url, p2pAddress }
  })
  const surroundings = inherited(env)
  return drafts.map(draft => {
    const others = drafts.filter(other => other !== draft)
    const [, , , , port = ''] = draft.p2pAddress.split('/')
    return {
      ...draft,
      env: {
        ...choice.defaults,
        ...surroundings,
        LATTICE_NODE_NAME: draft.name,
        LATTICE_HTTP_HOST: '127.0.0.1',
        LATTICE_HTTP_PORT: new URL(draft.url).port,
        LATTICE_STATE_DIR: draft.stateDir,
        LATTICE_P2P_ENABLED: String(!choice.httpOnly),
        LATTICE_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${port}`,
        LATTICE_P2P_BOOTSTRAP: others.map(other => other.p2pAddress).join(','),
        LATTICE_NODES: others.map(other => other.url).join(','),
        LATTICE_TRUSTED_KEYS: drafts.map(each => each.identity.peerId).join(','),
        LATTICE_LOG_FORMAT: 'json',
      },
    }
  })
}

function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    const shared = sharedSettings.some(setting => name === `LATTICE_${setting}`)
    if (shared || !strippedPattern.test(name)) kept[name] = value
  }
  return kept
}

/** Ports nobody listens on, all held at once so that none is handed out twice. */
async function freePorts(choice: UpChoice): Promise<readonly [readonly number[], readonly number[]]> {
  const held: Server[] = []
  try {
    const take = async (preferred: number): Promise<number> => {
      const server = (await hold(preferred)) ?? (await hold(0))
      if (server === undefined) throw new Error('the system has no free port')
      held.push(server)
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    }
    const http: number[] = []
    const p2p: number[] = []
    for (let index = 0; index < choice.count; index++) {
      http.push(await take(choice.firstPort === 0 ? 0 : choice.firstPort + index))
      p2p.push(await take(0))
    }
    return [http, p2p]
  } finally {
    await Promise.all(held.map(server => new Promise(resolve => server.close(resolve))))
  }
}

function hold(port: number): Promise<Server | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
