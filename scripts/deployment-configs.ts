/**
 * The files in configs/: the profiles of `lattice init` with the values of the three production nodes, of
 * staging, and of three nodes on one machine. Keys and names that only the operator knows are placeholders,
 * which the daemon refuses with a sentence on what to put there.
 */
import { profileText, type Given, type ProfileName } from '@lattice/daemon'

interface Deployment {
  readonly file: string
  readonly profile: ProfileName
  readonly given: Given
}

const trusted = 'PEER_ID_NODE1,PEER_ID_NODE2,PEER_ID_NODE3'
const space = 'YOUR_SPACE.hf.space'
const primary = 'api.diotec360.com'
const backup = 'backup.diotec360.com'

const webSocket = (host: string, peer: string): string => `/dns4/${host}/tcp/443/tls/ws/p2p/${peer}`
const tcp = (host: string, peer: string): string => `/dns4/${host}/tcp/9000/p2p/${peer}`
const announced = (host: string): string => `/dns4/${host}/tcp/9000,/dns4/${host}/tcp/443/tls/ws`

const production: readonly Deployment[] = [
  {
    file: 'node1.huggingface',
    profile: 'hf-space',
    given: {
      NODE_NAME: 'node1-huggingface',
      ENVIRONMENT: 'production',
      TRUSTED_KEYS: trusted,
      NODES: `https://${primary},https://${backup}`,
      P2P_BOOTSTRAP: [webSocket(primary, 'PEER_ID_NODE2'), webSocket(backup, 'PEER_ID_NODE3')].join(),
    },
  },
  {
    file: 'node2.diotec360',
    profile: 'server',
    given: {
      NODE_NAME: 'node2-diotec360',
      ENVIRONMENT: 'production',
      TRUSTED_KEYS: trusted,
      NODES: `https://${space},https://${backup}`,
      P2P_ANNOUNCE: announced(primary),
      P2P_BOOTSTRAP: [webSocket(space, 'PEER_ID_NODE1'), tcp(backup, 'PEER_ID_NODE3')].join(),
    },
  },
  {
    file: 'node3.backup',
    profile: 'backup',
    given: {
      NODE_NAME: 'node3-backup',
      ENVIRONMENT: 'production',
      TRUSTED_KEYS: trusted,
      NODES: `https://${space},https://${primary}`,
      P2P_ANNOUNCE: announced(backup),
      P2P_BOOTSTRAP: [webSocket(space, 'PEER_ID_NODE1'), tcp(primary, 'PEER_ID_NODE2')].join(),
    },
  },
]

function local(index: number): Deployment {
  const others = [1, 2, 3].filter(each => each !== index)
  return {
    file: `local/node${index}`,
    profile: 'local',
    given: {
      NODE_NAME: `node${index}`,
      HTTP_PORT: String(8000 + index),
      STATE_DIR: `./data/node${index}`,
      P2P_LISTEN: `/ip4/127.0.0.1/tcp/${9000 + index}`,
      P2P_BOOTSTRAP: others.map(each => `/ip4/127.0.0.1/tcp/${9000 + each}/p2p/PEER_ID_NODE${each}`).join(),
      TRUSTED_KEYS: trusted,
      NODES: others.map(each => `http://127.0.0.1:${8000 + each}`).join(),
    },
  }
}

const p2pNames = ['P2P_ANNOUNCE', 'P2P_BOOTSTRAP', 'P2P_LISTEN'] as const

/** Path → text of every file in configs/ that is an env file. */
export function deploymentConfigs(): readonly (readonly [path: string, text: string])[] {
  const staging: Deployment = {
    file: 'staging',
    profile: 'staging',
    given: { NODE_NAME: 'staging-diotec360' },
  }
  const hybrid = [...production, staging, ...[1, 2, 3].map(local)]
  return [...hybrid.map(each => configFile(each, false)), ...production.map(each => configFile(each, true))]
}

function configFile({ file, profile, given }: Deployment, httpOnly: boolean): readonly [string, string] {
  const path = `configs/${file}${httpOnly ? '.http-only' : ''}.env`
  const kept = { ...given }
  if (httpOnly) for (const name of p2pNames) delete kept[name]
  return [path, profileText(profile, { path, httpOnly, given: kept })]
}
