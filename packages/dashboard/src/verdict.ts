/**
 * The verdict: one state and one sentence out of what a node says. A pure function, so that the same answers
 * always show the same page.
 */
import type { HealthReport, Peer, SyncStatus } from './node-api.ts'
import { carrierWords, modeNames, stateWords, texts, wordOf } from './texts.ts'
import type { StateName } from './texts.ts'
import { visible } from './visible-text.ts'

/** What a verdict is made of; `health` where it was asked for. */
export interface Facts {
  readonly status: SyncStatus
  readonly peers: readonly Peer[]
  readonly health?: HealthReport | undefined
}

/** How things are. */
export interface Verdict {
  readonly state: StateName
  readonly sentence: string
}

/** Longest text of a peer that goes into a sentence or a table. */
const nameCharsMax = 64

/** What a peer is called: its name, or the end of its peer id. */
export function peerName(peer: Peer): string {
  return peer.name === null || peer.name === ''
    ? `…${visible(peer.peer_id.slice(-6))}`
    : visible(peer.name, nameCharsMax)
}

/** How one other node is. */
export function peerState(peer: Peer): { readonly state: StateName; readonly word: string } {
  if (peer.path === 'none') {
    if (peer.asleep === true) return { state: 'asleep', word: stateWords.asleep }
    if (sleepsOnSpace(peer)) return { state: 'asleep', word: texts.peer.mayBeAsleep }
    if (peer.last_seen === null) return { state: 'unknown', word: texts.peer.notHeard }
    return { state: 'down', word: stateWords.down }
  }
  if (peer.in_sync === false || (peer.behind ?? 0) > 0) return { state: 'degraded', word: texts.peer.behind }
  return { state: peer.path, word: wordOf(stateWords, peer.path) }
}

/** A Hugging Face Space sleeps when nobody visits it; a silent one is more often asleep than broken. */
function sleepsOnSpace(peer: Peer): boolean {
  return peer.url !== null && URL.canParse(peer.url) && new URL(peer.url).hostname.endsWith('.hf.space')
}

/** Parts of a node whose trouble is its own, whatever the others do. */
const ownParts = ['persistence', 'disk', 'clock', 'event_loop'] as const

const said = texts.verdict

/** How the federation is, as this node sees it. */
export function verdictOf(facts: Facts): Verdict {
  const { status, peers, health } = facts
  if (health?.overall === 'unhealthy') return { state: 'down', sentence: said.unwell(clause(health.reason)) }
  const lost = peers.filter(peer => peer.path === 'none')
  const trouble = troubleOf(facts, lost.length > 0)
  if (peers.length === 0) {
    const sentence = trouble === undefined ? said.alone : said.both(said.alone, trouble)
    return { state: 'degraded', sentence }
  }
  if (lost.length === peers.length) return isolated(status, peers, trouble)
  const using = usingWords(status)
  if (lost.length > 0) {
    const all = peers.length + 1
    const names = texts.list(lost.map(peerName))
    // A host that sleeps has said so itself: no failure, and no agreement either.
    const [state, missing] = lost.every(peer => peer.asleep === true)
      ? (['asleep', said.asleep] as const)
      : (['degraded', said.lost] as const)
    const first = missing(all - lost.length, all, names)
    if (trouble !== undefined) return { state: 'degraded', sentence: said.both(first, trouble) }
    return { state, sentence: said.both(first, using) }
  }
  if (trouble !== undefined) return { state: 'degraded', sentence: said.both(trouble, using) }
  return { state: carrierState(status), sentence: said.both(agreement(peers), using) }
}

/**
 * What is grave here, or the trouble of a part of this node. `isApart`: some nodes are missing, so what
 * warns of that is nothing new.
 */
function troubleOf({ status, health }: Facts, isApart: boolean): string | undefined {
  const grave = status.warnings.find(
    ({ severity, impactsConnectivity }) => severity === 'high' && !(isApart && impactsConnectivity),
  )
  if (grave !== undefined) return said.grave(clause(grave.title))
  const part = ownParts
    .map(each => health?.components?.[each])
    .find(each => each?.status === 'degraded' || each?.status === 'unhealthy')
  return part === undefined ? undefined : said.look(clause(part.reason))
}

/** Nobody is reached. With trouble here, nothing is said of reads and writes: it may be that they fail. */
function isolated({ mode }: SyncStatus, peers: readonly Peer[], trouble: string | undefined): Verdict {
  const asleep = trouble === undefined ? 'asleep' : 'degraded'
  const say = (state: StateName, what: string): Verdict => ({
    state,
    sentence: said.both(what, trouble ?? said.works),
  })
  if (mode !== 'auto') {
    const other = mode === 'p2p' ? 'http' : 'p2p'
    if (peers.some(peer => peer.links[other].state === 'up')) return say('down', said.forcedAway[mode])
  }
  if (peers.every(peer => peer.last_seen === null)) return say('down', said.nobodyYet)
  if (peers.every(peer => peer.asleep === true)) return say(asleep, said.allAsleep)
  if (peers.every(peer => peer.asleep === true || sleepsOnSpace(peer))) return say(asleep, said.spacesSilent)
  return say('down', said.nobody)
}

function agreement(peers: readonly Peer[]): string {
  const all = said.all(peers.length + 1)
  if (peers.some(peer => peerState(peer).state === 'degraded' || (peer.ahead ?? 0) > 0))
    return said.differ(all)
  return peers.every(peer => peer.in_sync === true) ? said.agree(all) : said.connected(all)
}

/** `Auto is using peer-to-peer.` */
function usingWords({ mode, sync_mode: carrier, phase }: SyncStatus): string {
  const name = wordOf(modeNames, mode)
  if (phase === 'GRACE') return said.silent(name)
  if (phase === 'TRIAL') return said.trial(name)
  if (carrier === 'NONE') return said.noPath(name)
  const word = carrier === 'HTTP' ? carrierWords.HTTP : wordOf(carrierWords, carrier).toLowerCase()
  return mode === 'auto' ? said.using(name, word) : said.forced(word)
}

function carrierState({ sync_mode: carrier, phase }: SyncStatus): StateName {
  if (phase === 'GRACE' || carrier === 'NONE') return 'degraded'
  return carrier === 'P2P' ? 'p2p' : carrier === 'HTTP' ? 'http' : 'unknown'
}

function clause(text: string): string {
  return visible(text, 200).replace(/\.$/, '')
}
