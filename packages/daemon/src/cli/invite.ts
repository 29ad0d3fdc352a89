/** `lattice invite`: this node's key and addresses as one string for another node's `lattice join`. */
import { parseDuration } from '@lattice/api'
import { peerIdFromNodeId } from '../host/peer-id.ts'
import type { Command } from 'commander'

import type { Loaded } from '../config/index.ts'
import { fingerprint, writeToken } from '../federation-token.ts'
import { openIdentity, type Identity } from '../host/identity.ts'
import { CliError, exitCodes } from './exit.ts'
import { identitySettings } from './id.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { parseUrl } from './session.ts'
import { loadFrom, withSettings } from './settings.ts'

const expiryMsMax = 30 * 24 * 3_600_000

/** Adds the command. */
export const registerInvite: Register = (program, { io, run }) => {
  const command = withSettings(program.command('invite'), invitingSettings)
    .description('print this node’s key and addresses as one string, for `lattice join` on another node')
    .option('--public-url <url>', 'where this node answers over HTTP, as others see it; repeatable', collect)
    .option('--expires <duration>', 'how long the invitation holds', '24h')
    .option('--json', 'machine-readable answer (lattice.invite/v1)')
    .addHelpText(
      'after',
      '\nTrust has two directions: `lattice join` prints the answer to be joined here.' +
        '\n\nExample:\n  $ lattice invite --config /etc/lattice/lattice.env --public-url https://node2.example.org',
    )
  command.action(
    run((options: { publicUrl?: string[]; expires: string; json?: boolean }, self: Command) => {
      const expiryMs = parseDuration(options.expires)
      if (expiryMs === undefined || expiryMs < 1000 || expiryMs > expiryMsMax)
        throw new CliError(exitCodes.usage, `"${options.expires}" is not a duration from 1s to 720h`)
      const loaded = loadFrom(self, io)
      const choice = { publicUrls: (options.publicUrl ?? []).map(parseUrl), expiryMs }
      const { identity, invited } = invite(loaded, choice, io)
      const words = fingerprint(identity.nodeId)
      if (options.json === true) {
        const { token, expires, addresses, urls, topic } = invited
        const known = { peer_id: identity.peerId, addresses, urls, topic, expires, fingerprint: words }
        printJson(io, { schema: 'lattice.invite/v1', token, ...known })
      } else {
        print(io, invited.token)
        const until = new Date(invited.expires * 1000).toISOString().slice(0, 16).replace('T', ' ')
        io.stderr.write(
          `\nFingerprint ${words}: the other side must see the same words. Valid until ${until} UTC.\n` +
            'On the other node: lattice join TOKEN --config FILE\n',
        )
      }
      return exitCodes.ok
    }),
  )
}

/** What an invitation depends on. */
export const invitingSettings = [
  'STATE_DIR',
  'NODE_NAME',
  'HTTP_HOST',
  'HTTP_PORT',
  'P2P_ENABLED',
  'P2P_LISTEN',
  'P2P_ANNOUNCE',
  'P2P_TOPIC',
] as const

/** What an invitation says beside what the settings say. */
export interface InviteChoice {
  readonly publicUrls: readonly string[]
  readonly expiryMs: number
  /** That of the federation; the configured one where left out. */
  readonly topic?: string
}

/** The invitation of this node; opens its identity. Throws a `CliError` where nobody could reach it. */
export function invite(
  loaded: Loaded,
  choice: InviteChoice,
  io: CliIo,
): { identity: Identity; invited: Invited } {
  const { stateDir, configured } = identitySettings(loaded, io.cwd, invitingSettings)
  const places = reachablePlaces(loaded, choice.publicUrls)
  const identity = openIdentity({ stateDir, configured })
  const name = loaded.lookup('NODE_NAME') ?? peerIdFromNodeId(identity.nodeId).slice(-8)
  const topic = choice.topic ?? loaded.lookup('P2P_TOPIC') ?? 'aethel/lattice/v1'
  const said = { ...places, name, topic, expires: Math.ceil((Date.now() + choice.expiryMs) / 1000) }
  return { identity, invited: { ...said, token: writeToken(said, identity.signer) } }
}

/** An invitation and its text. */
export interface Invited {
  readonly token: string
  readonly addresses: readonly string[]
  readonly urls: readonly string[]
  readonly topic: string
  readonly expires: number
}

/** Where a node is reached. */
interface Places {
  readonly addresses: readonly string[]
  readonly urls: readonly string[]
}

/** Addresses and URLs others can use. Throws a `CliError` where none is known. */
export function reachablePlaces(loaded: Loaded, publicUrls: readonly string[]): Places {
  const places = placesOf(loaded, publicUrls)
  if (places.addresses.length + places.urls.length > 0) return places
  throw new CliError(exitCodes.config, 'no address of this node is known that others could reach', {
    code: 'CONFIG_INVALID',
    hint: 'set LATTICE_P2P_ANNOUNCE, or pass --public-url https://…',
  })
}

/** Empty where the node listens on every interface under no known name. */
function placesOf(loaded: Loaded, publicUrls: readonly string[]): Places {
  const enabled = loaded.lookup('P2P_ENABLED') !== false
  const announced = enabled ? (loaded.lookup('P2P_ANNOUNCE') ?? []) : []
  const listened = enabled && announced.length === 0 ? (loaded.lookup('P2P_LISTEN') ?? []) : []
  const [host] = publicUrls.map(each => new URL(each).hostname)
  if (host === undefined && listened.some(isWildcard)) return { addresses: [], urls: [] }
  const named = listened.map(each =>
    isWildcard(each) ? each.replace(wildcardPattern, `/dns/${host}`) : each,
  )
  const addresses = [...announced, ...named].filter(each => !/\/tcp\/0(\/|$)/.test(each))
  const secure = announced
    .flatMap(each => secureWebSocket.exec(each)?.[1] ?? [])
    .map(each => `https://${each}`)
  const urls = publicUrls.length > 0 ? publicUrls : secure.length > 0 ? secure : listenUrl(loaded)
  return { addresses, urls }
}

const wildcardPattern = /^\/(?:ip4\/0\.0\.0\.0|ip6\/::)(?=\/)/
const secureWebSocket = /^\/dns[46]?\/([^/]+)\/tcp\/443\/(?:tls\/ws|wss)$/

function isWildcard(address: string): boolean {
  return wildcardPattern.test(address)
}

function listenUrl(loaded: Loaded): readonly string[] {
  const host = loaded.lookup('HTTP_HOST') ?? '127.0.0.1'
  const port = loaded.lookup('HTTP_PORT') ?? 8000
  if (host === '0.0.0.0' || host === '::' || port === 0) return []
  return [`http://${host.includes(':') ? `[${host}]` : host}:${port}`]
}

function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}
