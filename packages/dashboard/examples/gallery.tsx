/**
 * NetworkStatus in each of its states, side by side in both themes, without any node: each picture gets its
 * answers from below instead of the network.
 */
import './gallery.css'
import { NetworkStatus } from '@lattice/dashboard'
import type { ReactElement } from 'react'
import { createRoot } from 'react-dom/client'

const now = new Date().toISOString()
const earlier = new Date(Date.now() - 7_860_000).toISOString()
const up = { state: 'up', rtt_ms: 9.4, last_error: null }
const down = { state: 'down', rtt_ms: null, last_error: 'connection refused' }

const well = {
  success: true,
  enabled: true,
  peer_count: 2,
  sync_mode: 'P2P',
  heartbeat_active: true,
  mode: 'auto',
  phase: 'P2P',
  since: earlier,
  reason: 'P2P has proved itself for 15 s',
  forced_until: null,
  last_sync: now,
  merkle_root: '9f3c'.repeat(16),
  status_text: '🟢 Resilient (P2P Mode)',
  warnings: [],
}

const peer = (name: string, over: object = {}): object => ({
  name,
  peer_id: name,
  path: 'p2p',
  why: 'P2P answers in both directions',
  since: earlier,
  url: null,
  last_seen: now,
  merkle_root: well.merkle_root,
  in_sync: true,
  behind: 0,
  ahead: 0,
  links: { p2p: up, http: up },
  ...over,
})

const lost = { path: 'none', why: 'neither P2P nor HTTP answers', links: { p2p: down, http: down } }
const overHttp = { path: 'http', why: 'HTTP answers, P2P is silent', links: { p2p: down, http: up } }
const isolated = { sync_mode: 'NONE', phase: 'NONE', peer_count: 0, status_text: '🔴 Degraded (No Peers)' }
const fallback = {
  sync_mode: 'HTTP',
  phase: 'HTTP',
  peer_count: 0,
  status_text: '🟡 Resilient (HTTP Fallback)',
}

/** Title of a picture → what its node says; undefined is a node that does not answer. */
const pictures: Readonly<Record<string, { status: object; peers: object[] } | undefined>> = {
  'peer-to-peer': { status: well, peers: [peer('node1'), peer('node3')] },
  http: {
    status: { ...well, ...fallback, reason: 'no P2P peer answered for 60 s' },
    peers: [peer('node1', overHttp), peer('node3', overHttp)],
  },
  degraded: { status: { ...well, peer_count: 1 }, peers: [peer('node1'), peer('node3', lost)] },
  down: { status: { ...well, ...isolated }, peers: [peer('node1', lost), peer('node3', lost)] },
  asleep: {
    status: { ...well, ...isolated },
    peers: [peer('node1', { ...lost, url: 'https://org-node1.hf.space' })],
  },
  unknown: undefined,
}

const original = globalThis.fetch
globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input, location.href)
  if (!url.hostname.endsWith('.gallery.invalid')) return original(input, init)
  const picture = pictures[url.hostname.replace('.gallery.invalid', '')]
  if (picture === undefined) return Promise.reject(new TypeError('this node does not answer'))
  if (init?.method === 'POST') {
    const detail = 'the node of a picture cannot switch'
    const body = JSON.stringify({ code: 'UNAUTHORIZED', detail, hint: '' })
    const headers = { 'content-type': 'application/problem+json' }
    return Promise.resolve(new Response(body, { status: 401, headers }))
  }
  const peers = { success: true, peers: picture.peers, count: picture.peers.length }
  return Promise.resolve(Response.json(url.pathname.endsWith('/peers') ? peers : picture.status))
}

function Gallery(): ReactElement {
  return (
    <main>
      <h1>NetworkStatus, state by state</h1>
      {Object.keys(pictures).map(name => (
        <section key={name} className="gallery-row" aria-label={name}>
          <h2>{name}</h2>
          {(['light', 'dark'] as const).map(theme => (
            <NetworkStatus
              key={theme}
              baseUrl={`https://${name}.gallery.invalid`}
              theme={theme}
              label={`${name}, ${theme}`}
            />
          ))}
        </section>
      ))}
    </main>
  )
}

const place = document.querySelector('#gallery')
if (place !== null) createRoot(place).render(<Gallery />)
