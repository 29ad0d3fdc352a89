/**
 * The kinds of place a node runs in, as commented configuration. `lattice init` writes them with the user's
 * values; the files in configs/ are the same templates with those of the three production nodes.
 */
import { envText } from './env-text.ts'
import type { Given, TemplateLine, TemplateSection } from './env-text.ts'

/** The profiles `lattice init` offers. */
export const profileNames = ['hf-space', 'server', 'backup', 'staging', 'local'] as const

/** One of the profiles. */
export type ProfileName = (typeof profileNames)[number]

/** What makes one file out of a profile. */
export interface ProfileChoice {
  /** Path of the file as its reader will find it; used in the commands of its heading. */
  readonly path: string
  /** No P2P at all: the HTTP-Only Resilience Mode. */
  readonly httpOnly: boolean
  readonly given: Given
}

/** The text of the configuration file. */
export function profileText(name: ProfileName, { path, httpOnly, given }: ProfileChoice): string {
  const paths = httpOnly
    ? 'HTTP only: no P2P is started'
    : 'hybrid: P2P, and HTTP whenever P2P proves nothing'
  const heading = [
    `Lattice, ${headings[name]}. ${paths[0]?.toUpperCase()}${paths.slice(1)}.`,
    `Check: lattice config validate ${path}`,
    `Start: lattice start --config ${path}`,
    'Every setting: lattice help config. Environment variables of the same names win over this file.',
  ].join('\n')
  return envText(
    heading,
    [node(name), http(name), p2p(name, httpOnly), members, state(name), pace, log],
    given,
  )
}

const headings: Readonly<Record<ProfileName, string>> = {
  'hf-space': 'a node in a Hugging Face Docker Space',
  server: 'a node on a server, as a systemd service behind a TLS proxy',
  backup: 'a backup node on a server, as a systemd service behind a TLS proxy',
  staging: 'a staging node: beside a production node, and never in its federation',
  local: 'a node on this machine only',
}

const roles: Readonly<Partial<Record<ProfileName, string>>> = {
  'hf-space': 'genesis-public',
  server: 'genesis-primary',
  backup: 'genesis-backup',
}

const environmentWords =
  'With "production", a start without TRUSTED_KEYS, with an open admin API or with unencrypted nodes is refused. ' +
  'Set it once the members below are filled in.'

function node(name: ProfileName): TemplateSection {
  const role = roles[name]
  return {
    title: 'Who this node is',
    lines: [
      { name: 'NODE_NAME', why: 'Shown in status, logs and metrics.', example: 'node1' },
      role === undefined ? { name: 'NODE_ROLE', example: 'node' } : { name: 'NODE_ROLE', value: role },
      {
        name: 'ENVIRONMENT',
        why: environmentWords,
        value: name === 'staging' ? 'staging' : 'development',
      },
    ],
  }
}

function http(name: ProfileName): TemplateSection {
  const title = 'HTTP: REST, dashboard, sync between nodes, and WebSockets for P2P, on one port'
  if (name === 'hf-space') {
    return {
      title,
      text: 'On a Space the daemon takes 0.0.0.0:7860 by itself. The admin API is protected by ADMIN_TOKEN.',
      lines: [
        { name: 'HTTP_HOST', value: '0.0.0.0' },
        { name: 'HTTP_PORT', value: '7860' },
      ],
    }
  }
  const port = name === 'staging' ? '8001' : '8000'
  const proxied =
    'Only this machine reaches it; the TLS proxy passes requests and WebSocket upgrades on to it.'
  const lines: TemplateLine[] = [
    { name: 'HTTP_HOST', value: '127.0.0.1', ...(name === 'local' ? {} : { why: proxied }) },
    { name: 'HTTP_PORT', value: port },
  ]
  return { title, lines }
}

const offWords =
  'P2P is off: nodes exchange over HTTP alone. It goes through any proxy and costs up to HTTP_POLL_INTERVAL of ' +
  'delay where a push is not possible.'

const spaceWords =
  'A Space has no port of its own for P2P: libp2p shares the HTTP port as WebSockets, and the daemon announces ' +
  'the Space’s TLS address by itself. From a Space only ports 80, 443 and 8080 of others are reached.'

const topicWords = 'Equal on all nodes of one federation, and different from that of every other.'

function p2p(name: ProfileName, httpOnly: boolean): TemplateSection {
  const title = 'P2P'
  if (httpOnly) return { title, text: offWords, lines: [{ name: 'P2P_ENABLED', value: 'false' }] }
  const bootstrap: TemplateLine = {
    name: 'P2P_BOOTSTRAP',
    why: 'The other nodes, dialled for ever: address and peer id. `lattice join` adds them.',
    example: '/dns4/node2.example.org/tcp/443/tls/ws/p2p/12D3KooW…',
  }
  const topic: TemplateLine = {
    name: 'P2P_TOPIC',
    why: topicWords,
    value: name === 'staging' ? 'lattice/staging/v1' : 'aethel/lattice/v1',
  }
  const enabled: TemplateLine = { name: 'P2P_ENABLED', value: 'true' }
  if (name === 'hf-space') {
    const listen: TemplateLine = { name: 'P2P_LISTEN', value: '' }
    return { title, text: spaceWords, lines: [enabled, listen, bootstrap, topic] }
  }
  if (name === 'local') {
    const listen: TemplateLine = { name: 'P2P_LISTEN', value: '/ip4/127.0.0.1/tcp/9000' }
    return { title, lines: [enabled, listen, bootstrap, topic] }
  }
  const port = name === 'staging' ? '9001' : '9000'
  const listen: TemplateLine = {
    name: 'P2P_LISTEN',
    why: `Open this port in the firewall: ${port}/tcp. Strangers are turned away by their key.`,
    value: `/ip4/0.0.0.0/tcp/${port}`,
  }
  const announce: TemplateLine = {
    name: 'P2P_ANNOUNCE',
    why: 'Where others dial this node: the P2P port, and WebSockets through the TLS proxy for hosts that reach only 443.',
    example: `/dns4/node2.example.org/tcp/${port},/dns4/node2.example.org/tcp/443/tls/ws`,
  }
  return { title, lines: [enabled, listen, announce, bootstrap, topic] }
}

const members: TemplateSection = {
  title: 'The federation',
  text: '`lattice invite` on one node and `lattice join TOKEN` on the other fill this in.',
  lines: [
    {
      name: 'TRUSTED_KEYS',
      why: 'Peer ids of the members (`lattice id` prints them); everybody else is refused.',
      example: '12D3KooW…,12D3KooW…',
    },
    {
      name: 'FORMER_KEYS',
      why: 'Nodes that are members no more: what they have written stays good, but they are refused.',
      example: '12D3KooW…',
    },
    { name: 'NODES', why: 'Where the other nodes answer over HTTP.', example: 'https://node2.example.org' },
  ],
}

const secretWords =
  'Secrets do not belong in this file. Without them the node makes its own: identity.key and admin.token in ' +
  'STATE_DIR. To bring your own, set LATTICE_NODE_PRIVKEY_HEX and LATTICE_ADMIN_TOKEN in the environment, or ' +
  'LATTICE_NODE_PRIVKEY_HEX_FILE and LATTICE_ADMIN_TOKEN_FILE to files, or use systemd credentials of these names.'

const unitWords = 'As a service the node uses /var/lib/lattice whatever stands here: the unit sets it.'

const spaceSecretWords =
  'The disk of a Space is lost at every restart, so the identity must come from outside. Set the Space secrets ' +
  'LATTICE_NODE_PRIVKEY_HEX (openssl rand -hex 32) and LATTICE_ADMIN_TOKEN (openssl rand -base64 32). Never as ' +
  'variables: those are public.'

function state(name: ProfileName): TemplateSection {
  if (name === 'hf-space') {
    const lines: TemplateLine[] = [
      { name: 'STATE_DIR', value: '/var/lib/lattice' },
      {
        name: 'SNAPSHOT_DIR',
        why: 'A mounted bucket: snapshots are written there and read at a start with an empty disk. Never the store itself.',
        example: '/data/lattice',
      },
    ]
    return { title: 'State and secrets', text: spaceSecretWords, lines }
  }
  const directory = { server: '/var/lib/lattice', backup: '/var/lib/lattice', local: './data/node1' }
  const value = name === 'staging' ? '/var/lib/lattice-staging' : directory[name]
  const unit = name === 'server' || name === 'backup' ? { why: unitWords } : {}
  return { title: 'State and secrets', text: secretWords, lines: [{ name: 'STATE_DIR', value, ...unit }] }
}

const pace: TemplateSection = {
  title: 'Pace',
  text: 'Heartbeat; how long P2P may prove nothing before HTTP takes over; HTTP polling where a push is not possible.',
  lines: [
    { name: 'HEARTBEAT_INTERVAL', value: '5s' },
    { name: 'PEERLESS_TIMEOUT', value: '60s' },
    { name: 'HTTP_POLL_INTERVAL', value: '10s' },
  ],
}

const log: TemplateSection = {
  title: 'Log',
  text: 'To standard output: lines for people on a terminal, JSON elsewhere.',
  lines: [{ name: 'LOG_LEVEL', value: 'info' }],
}
