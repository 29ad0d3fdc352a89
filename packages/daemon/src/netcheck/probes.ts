/** The rungs to one HTTP address and to one libp2p address. */
import { createHash, randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import * as http from 'node:http'
import * as https from 'node:https'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

import { createClient } from '@lattice/api'
import { isNodeId, toUtf8, type NodeId } from '@lattice/core'

import { parseMultiaddr } from '../config/multiaddr.ts'
import type { SystemVerifier } from '../host/crypto.ts'
import { greet } from './libp2p-greeting.ts'
import type { Found, Rung } from './steps.ts'

/** Clocks of members further apart than this deserve a look; the answer tells whole seconds only. */
const offsetMsMax = 3_000
const day = 86_400_000
/** As the daemon warns. */
const certificateDaysMin = 14

/** Where a server is. */
interface Place {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** Steps to a node over HTTP: who answers there must be trusted and sign what it says. */
export function httpRungs(
  url: string,
  trusted: ReadonlySet<NodeId>,
  verifier: SystemVerifier,
): readonly Rung[] {
  const { hostname, port, protocol } = new URL(url)
  const tls = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const place = { host, tls, port: port === '' ? (tls ? 443 : 80) : Number(port) }
  let answered: { readonly offsetMs: number } | undefined
  return [
    ...wayTo(place),
    [
      'http',
      async signal => {
        const answer = await fetch(`${url}/health`, { signal, redirect: 'manual' })
        await answer.arrayBuffer()
        return judgeStatus(answer.status)
      },
    ],
    [
      'signed',
      async signal => {
        const client = createClient({ baseUrl: url, fetch: (to, init) => fetch(to, { ...init, signal }) })
        const state = await client.getState({ query: { summary: 'true' } })
        if (!('signature' in state)) throw new Error('the answer is not signed')
        const { merkle_root: root, timestamp, signature, public_key: author } = state
        answered = { offsetMs: timestamp * 1000 - Date.now() }
        const message = toUtf8(`${root}:${timestamp}`)
        if (!isNodeId(author) || !verifier.verifyOne(author, message, Buffer.from(signature, 'hex')))
          throw new Error('the signature is wrong')
        if (trusted.has(author)) return { text: `signed by the member ${author.slice(0, 8)}…` }
        return {
          text: `signed by ${author}, which is not trusted here`,
          outcome: 'warning',
          hint: 'compare with lattice id there, then add it to LATTICE_TRUSTED_KEYS',
        }
      },
    ],
    [
      'clock',
      () => {
        const seconds = Math.round((answered?.offsetMs ?? 0) / 1000)
        if (Math.abs(answered?.offsetMs ?? 0) <= offsetMsMax) return { text: 'at most 3 s apart' }
        const text = `it is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`
        return { text, outcome: 'warning', hint: 'timedatectl set-ntp true, on the machine that is wrong' }
      },
    ],
    ['websocket', signal => viaWebSocket(place, signal)],
  ]
}

/** Steps to a libp2p address. */
export function addressRungs(address: string): readonly Rung[] {
  const parts = parseMultiaddr(address)
  if ('fault' in parts) return [['address', () => Promise.reject(new Error(parts.fault))]]
  const tls = /\/(tls|wss)(\/|$)/.test(address)
  const place = { host: parts.host, port: parts.port, tls }
  const speaks: Rung = parts.webSocket
    ? ['websocket', signal => viaWebSocket(place, signal)]
    : ['libp2p', signal => overTcp(place, signal)]
  return [...wayTo(place), speaks]
}

function wayTo(place: Place): readonly Rung[] {
  const { host, tls } = place
  const way: Rung[] = [
    [
      'dns',
      async () => {
        if (isIP(host) !== 0) return { text: 'an address', outcome: 'not tested' }
        const found = await lookup(host, { all: true })
        return { text: found.map(each => each.address).join(', ') }
      },
    ],
    ['tcp', async signal => opened(connectTcp({ ...place, signal, autoSelectFamily: true }), 'connect')],
  ]
  if (tls) way.push(['tls', signal => handshake(place, signal)])
  return way
}

async function opened(socket: Socket, event: 'connect'): Promise<Found> {
  try {
    await once(socket, event)
    return { text: `port ${socket.remotePort ?? 0} is open` }
  } finally {
    socket.destroy()
  }
}

async function handshake({ host, port }: Place, signal: AbortSignal): Promise<Found> {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket = connectTls({ host, port, ...name })
  const late = (): void => void socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', late, { once: true })
  try {
    await once(socket, 'secureConnect')
    const ends = Date.parse(socket.getPeerCertificate().valid_to)
    const days = Math.floor((ends - Date.now()) / day)
    const text = `${socket.getProtocol() ?? 'TLS'}, certificate for another ${days} days`
    if (days >= certificateDaysMin) return { text }
    return { text, outcome: 'warning', hint: 'renew it there' }
  } finally {
    signal.removeEventListener('abort', late)
    socket.destroy()
  }
}

function judgeStatus(status: number): Found {
  if (status === 200) return { text: 'it answers' }
  if (status === 503) {
    const hint = 'a sleeping Space wakes by the first request: try again in a minute'
    return { text: 'it answers 503: starting, asleep or unhealthy', outcome: 'warning', hint }
  }
  const hints: Readonly<Record<number, string>> = {
    401: 'a private Space wants a token; make it protected or public',
    403: 'a proxy in between refuses',
    404: 'another program, or a path in the URL that does not belong there',
  }
  throw new Error(`it answers ${status}; ${hints[status] ?? 'this is no Lattice node'}`)
}

async function overTcp(place: Place, signal: AbortSignal): Promise<Found> {
  const socket = connectTcp({ ...place, autoSelectFamily: true })
  socket.once('error', () => undefined)
  await greet(socket, 'tcp', signal)
  return { text: 'libp2p answers' }
}

async function viaWebSocket(place: Place, signal: AbortSignal): Promise<Found> {
  const key = randomBytes(16).toString('base64')
  const { request } = place.tls ? https : http
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
  }
  const asked = request({ host: place.host, port: place.port, path: '/', headers, agent: false, signal })
  const stream = await new Promise<Duplex>((resolve, reject) => {
    asked.once('error', reject)
    asked.once('response', answer => {
      answer.destroy()
      reject(new Error(`the upgrade was answered ${answer.statusCode ?? 0}: no WebSocket passes here`))
    })
    asked.once('upgrade', (answer, socket, head) => {
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      if (head.length > 0) socket.unshift(head)
      if (answer.headers['sec-websocket-accept'] === accept) resolve(socket)
      else reject(new Error('the upgrade was answered by something that is no WebSocket server'))
    })
    asked.end()
  })
  await greet(stream, 'websocket', signal)
  return { text: 'upgraded, and libp2p answers' }
}
