/** Warnings: one cause, one warning; what passes by itself is not shown; nothing is hidden for ever. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { visibleWarnings } from '../src/index.ts'
import type { Incarnation, LinkStatus, NodeId, NodeStatus, PeerStatus, Warning } from '../src/index.ts'
import { warningsOf } from '../src/warnings.ts'

const now = 1_700_000_000_000
const at = { mono: 0, wall: now }
const heartbeatMs = 5000
const root = 'a'.repeat(64)
const link: LinkStatus = { state: 'down' }

function peer(name: string, over: Partial<PeerStatus> = {}): PeerStatus {
  const base = {
    nodeId: name.padEnd(64, '0') as NodeId,
    name,
    why: `${name} is silent`,
    sinceWall: now - 3_600_000,
  }
  return { ...base, path: 'p2p', root, behind: 0, ahead: 0, links: { p2p: link, http: link }, ...over }
}

function node(peers: readonly PeerStatus[]): Omit<NodeStatus, 'warnings'> {
  return {
    nodeId: 'f'.repeat(64) as NodeId,
    incarnation: '0123456789abcdef' as Incarnation,
    seq: 1,
    root,
    keyCount: 1,
    entryCount: 1,
    deferredCount: 0,
    clockLeadMs: 0,
    unknownAuthors: [],
    compaction: { endingCount: 0, blockedBy: [] },
    damage: { lost: 0, unshared: 0, found: 0, healed: 0, keys: [] },
    isRecovering: false,
    requested: 'auto',
    phase: 'P2P',
    syncMode: 'P2P',
    sinceWall: now - 3_600_000,
    reason: '',
    epoch: 1,
    p2pPeerCount: peers.length,
    peers,
  }
}

const shown = (...peers: readonly PeerStatus[]): readonly [code: string, title: string][] =>
  warningsOf(node(peers), at, heartbeatMs).map(({ code, title }) => [code, title])

const lost = { path: 'none' } as const
const lostFor = (ms: number) => ({ ...lost, sinceWall: now - ms })

describe('what is shown', () => {
  it('is nothing while all is well', () => expect(shown(peer('a'), peer('b'))).toEqual([]))

  it('is one warning for all peers in the same trouble, with the reason of each', () => {
    const [warning, ...others] = warningsOf(
      node([peer('a', lost), peer('b', lost), peer('c', lost), peer('d', lost), peer('e', lost), peer('f')]),
      at,
      heartbeatMs,
    )
    expect(others).toEqual([])
    expect(warning).toMatchObject({ code: 'peer-unreachable', title: 'a, b, c, d and e do not answer' })
    expect(warning?.text).toContain('c: c is silent; d: d is silent')
  })

  it('is the cause alone when everybody is gone', () => {
    expect(shown(peer('a', lost), peer('b', lost))).toEqual([['isolated', 'No other node answers']])
    expect(shown(peer('a', lost), peer('b', { ...lost, asleep: true }))).toEqual([
      ['isolated', 'No other node answers'],
    ])
  })

  it('promises no writes that are refused, also where nobody answers', () => {
    const textOf = (over: Partial<NodeStatus>): string | undefined =>
      warningsOf({ ...node([peer('a', lost)]), ...over }, at, heartbeatMs).find(
        ({ code }) => code === 'isolated',
      )?.text
    expect(textOf({})).toMatch(/^Local reads and writes go on/)
    expect(textOf({ fullSinceWall: now })).toMatch(/^Local reads go on/)
    expect(textOf({ clonedWall: now })).toMatch(/^Local reads go on/)
  })

  it('is not what has only just begun', () => {
    expect(shown(peer('a', lostFor(9_999)), peer('b'))).toEqual([])
    expect(shown(peer('a', lostFor(10_000)), peer('b'))).toEqual([['peer-unreachable', 'a does not answer']])
    expect(shown(peer('a', lostFor(4_999)), peer('b', lostFor(60_000)))).toEqual([])
    expect(shown(peer('a', lostFor(5_000)), peer('b', lostFor(60_000)))).toEqual([
      ['isolated', 'No other node answers'],
    ])
  })

  it('is the forced mode alone where it is the forced mode that does not work', () => {
    const forced = (...peers: readonly PeerStatus[]): readonly [string, string][] =>
      warningsOf(
        { ...node(peers), requested: 'p2p', phase: 'FORCED', reason: 'a test' },
        at,
        heartbeatMs,
      ).map(({ title, severity }) => [title, severity])
    const works = ['The sync mode is forced', 'low']
    expect(forced(peer('a'))).toEqual([works])
    expect(forced(peer('a', lostFor(4_999)), peer('b', lost))).toEqual([works])
    expect(forced(peer('a', lostFor(5_000)), peer('b', lost))).toEqual([
      ['The forced mode does not work', 'high'],
    ])
  })

  it('tells a sleeper from one that is lost', () => {
    expect(shown(peer('a', { ...lost, asleep: true }), peer('b'))).toEqual([['peer-asleep', 'a sleeps']])
  })

  it('names those that hold another state', () => {
    const other = { root: 'b'.repeat(64), apartSinceWall: now - 10_000 }
    expect(shown(peer('a', other), peer('b', other), peer('c'))).toEqual([
      ['diverged', 'a and b hold another state'],
    ])
    expect(shown(peer('a', { ...other, behind: 1 }))).toEqual([])
    // Roots travel with heartbeats: what the next ones may settle is not said.
    expect(shown(peer('a', { ...other, apartSinceWall: now - 9_999 }))).toEqual([])
    expect(shown(peer('a', { root: other.root }))).toEqual([])
  })

  it('names the key that is missing here instead, where it knows one', () => {
    const apart = peer('a', { root: 'b'.repeat(64), apartSinceWall: now - 10_000 })
    const unknownAuthors = ['c'.repeat(64) as NodeId]
    const [warning, ...others] = warningsOf({ ...node([apart]), unknownAuthors }, at, heartbeatMs)
    expect(others).toEqual([])
    expect(warning).toMatchObject({
      code: 'unknown-authors',
      text: expect.stringContaining(`signed by ${'c'.repeat(16)}…`),
    })
  })
})

describe('any list of warnings', () => {
  const codes = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const warning: fc.Arbitrary<Warning> = fc.record({
    code: codes,
    title: fc.constant(''),
    text: fc.constant(''),
    severity: fc.constantFrom('low', 'medium', 'high'),
    sinceWall: fc.integer({ min: now - 20_000, max: now + 20_000 }),
    timeToVisibleMs: fc.nat({ max: 20_000 }),
    dependsOn: fc.array(codes, { maxLength: 3 }),
    impactsConnectivity: fc.boolean(),
    primaryAction: fc.constant({ label: '' }),
  })

  it('is silenced by present causes only, in the order of severity, and shows what has lasted', () => {
    fc.assert(
      fc.property(fc.array(warning), all => {
        const result = visibleWarnings(all, now)
        for (const each of all) {
          const explained = all.some(({ code }) => code !== each.code && each.dependsOn.includes(code))
          const lasted = each.sinceWall > now || now - each.sinceWall >= each.timeToVisibleMs
          expect(result.includes(each)).toBe(!explained && lasted)
        }
        const ranks = result.map(({ severity }) => ['high', 'medium', 'low'].indexOf(severity))
        expect(ranks).toEqual([...ranks].sort((one, other) => one - other))
      }),
    )
  })
})
