/**
 * Property 63: whatever a node says, in whatever order, the page shows exactly that, and what it was told
 * last while the node says nothing. The node is scripted and its answers are held against the schemas of the
 * contract before they leave.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, openPage } from './browser.ts'
import { eventually } from './eventually.ts'
import { peer, wellAnswers } from './scripted-answers.ts'
import { ScriptedNode } from './scripted-node.ts'
import type { Answers } from './scripted-node.ts'

/** Histories of up to 8 steps: a quick look in every run, a long one in the full ring. */
const histories = process.env['E2E_FULL'] === '1' ? 80 : 8
const moment = fc
  .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
  .map(at => at.toISOString())
const root = fc.string({
  unit: fc.constantFrom(...'0123456789abcdef'.split('')),
  minLength: 64,
  maxLength: 64,
})
const words = fc.oneof(
  fc.lorem({ maxCount: 6 }),
  fc.constantFrom('<b>x</b>', '{{x}}', 'a & b', '"quoted"', 'ﷺ'),
)
const phase = fc.constantFrom('P2P', 'GRACE', 'HTTP', 'TRIAL', 'NONE', 'FORCED')
const count = fc.nat({ max: 1_000_000 })

const link = fc.record({
  state: fc.constantFrom('up', 'suspected', 'down'),
  rtt_ms: fc.option(fc.double({ min: 0, max: 90_000, noNaN: true })),
  last_heard: fc.option(moment),
  last_error: fc.option(words),
})

const links = fc.record({ p2p: link, http: link })
const idOf = (index: number): string => String(index + 1).repeat(64)

const onePeer = fc.record({
  name: fc.option(words),
  path: fc.constantFrom('p2p', 'http', 'none'),
  why: words,
  last_seen: fc.option(moment),
  merkle_root: fc.option(root),
  in_sync: fc.option(fc.boolean()),
  behind: fc.option(count),
  ahead: fc.option(count),
  links,
})

const answers: fc.Arbitrary<Answers> = fc
  .record({
    status: fc.record({
      mode: fc.constantFrom('auto', 'p2p', 'http'),
      sync_mode: fc.constantFrom('P2P', 'HTTP', 'NONE'),
      phase,
      since: moment,
      reason: words,
      forced_until: fc.option(moment),
      peer_count: count,
      heartbeat_active: fc.boolean(),
      last_sync: fc.option(moment),
      merkle_root: root,
      status_text: fc.constantFrom(
        '🟢 Resilient (P2P Mode)',
        '🟡 Resilient (HTTP Fallback)',
        '🔴 Degraded (No Peers)',
      ),
    }),
    warnings: fc.array(
      fc.record({
        code: words,
        title: words,
        text: words,
        since: moment,
        severity: fc.constantFrom('low', 'medium', 'high'),
      }),
      { maxLength: 4 },
    ),
    rows: fc.array(fc.record({ known: fc.boolean(), back: links, across: links }), { maxLength: 4 }),
    peers: fc.array(onePeer, { maxLength: 4 }),
    transitions: fc.array(fc.record({ from: phase, to: phase, reason: words, at: moment }), {
      maxLength: 14,
    }),
  })
  .map(({ status, warnings, peers, transitions, rows }) => {
    const well = wellAnswers()
    const full = warnings.map(each => ({
      ...each,
      dependsOn: [],
      impactsConnectivity: false,
      timeToVisible: 0,
      primaryAction: { label: each.title, command: 'lattice status' },
      etag: '0',
    }))
    return {
      ...well,
      status: { ...well.status, ...status, warnings: full },
      peers: peers.map((over, index) => peer(index + 1, over)),
      links: rows.slice(0, peers.length).map(({ known, back, across }, index) => ({
        node_id: idOf(index),
        name: null,
        why: known ? null : 'it does not answer',
        links: known
          ? [
              { node_id: 'ab'.repeat(32), ...back },
              ...peers.map((_, other) => ({ node_id: idOf(other), ...across })),
            ]
          : [],
      })),
      transitions: transitions.map((each, index) => ({
        ...each,
        epoch: index + 1,
        trigger: 'watchdog' as const,
        duration_seconds: 1,
      })),
    }
  })

const modeWords = { auto: 'Auto', p2p: 'P2P only', http: 'HTTP only' }
const severityWords = { high: 'High', medium: 'Medium', low: 'Low' }
const carriers = { P2P: 'Peer-to-peer', HTTP: 'HTTP', NONE: 'No path' }

function wordOf({ path, last_seen: seen, in_sync: equal, behind }: Answers['peers'][number]): string {
  if (path === 'none') return seen === null ? 'Not heard yet' : 'Down'
  if (equal === false || (behind ?? 0) > 0) return 'Behind'
  return path === 'p2p' ? 'Peer-to-peer' : 'HTTP'
}

/**
 * The verdict: nothing is well that is not, and agreement is claimed only where every root is known equal.
 */
function verdict({ status, peers }: Answers): { state: string; agrees: boolean } {
  const lost = peers.filter(({ path }) => path === 'none')
  if (peers.length > 0 && lost.length === peers.length) return { state: 'down', agrees: false }
  const grave = status.warnings.some(({ severity }) => severity === 'high')
  if (peers.length === 0 || lost.length > 0 || grave) return { state: 'degraded', agrees: false }
  const agrees = peers.every(
    ({ in_sync: equal, behind, ahead }) => equal === true && (behind ?? 0) === 0 && (ahead ?? 0) === 0,
  )
  const isShaky = status.phase === 'GRACE' || status.sync_mode === 'NONE'
  return { state: isShaky ? 'degraded' : status.sync_mode.toLowerCase(), agrees }
}

/** What must stand on the page; written without a look at the page's own code. */
function expected(said: Answers): object {
  const { status, peers, transitions, links: rows = [] } = said
  return {
    verdict: verdict(said),
    facts: {
      Status: status.status_text,
      'Requested mode': modeWords[status.mode],
      Why: status.reason,
      'P2P peers': String(status.peer_count),
      'Heartbeat monitor': status.heartbeat_active ? 'Active' : 'Inactive',
    },
    carrier: carriers[status.sync_mode],
    inForce: status.mode,
    root: status.merkle_root,
    since: status.since,
    forcedUntil: status.forced_until,
    lastSync: status.last_sync,
    peers: peers.map(each => ({
      name: each.name === null || each.name === '' ? `…${each.peer_id.slice(-6)}` : each.name,
      state: wordOf(each),
      why: each.why,
      behind: each.behind === null ? 'not known' : String(each.behind),
      ahead: each.ahead === null ? 'not known' : String(each.ahead),
      seen: each.last_seen,
      root: each.merkle_root,
      links: [each.links.p2p.state, each.links.http.state],
    })),
    matrix: peers.map((each, index) => {
      const row = rows[index]
      if (row === undefined || row.why !== null) return null
      return row.links
        .filter(({ node_id: seen }) => seen !== each.node_id)
        .flatMap(({ p2p, http }) => [p2p.state, http.state])
    }),
    warnings: status.warnings.map(({ code, title, text, since, severity }) => ({
      code,
      title,
      text,
      since,
      severity: severityWords[severity],
    })),
    transitions: transitions
      .slice(-10)
      .map(({ at }) => at)
      .toReversed(),
  }
}

/** Runs in the browser: what stands there. */
const readPage = `(() => {
  const text = (of, what) => of.querySelector(what)?.textContent ?? null
  const time = of => of?.querySelector('time')?.getAttribute('datetime') ?? null
  const fact = name => [...document.querySelectorAll('.lat-fact')].find(each => text(each, 'dt') === name)
  const value = name => text(fact(name), 'dd')
  const states = { up: 'up', silent: 'suspected', down: 'down' }
  const linkWord = cell => states[text(cell, '.lat-word').split(' ')[1]]
  const others = [...document.querySelectorAll('.page-matrix tbody tr')].slice(1)
  const matrix = [...document.querySelectorAll('.page-matrix tbody tr:first-child td')].slice(1)
  const stateWord = row => text(row, '.lat-word')
  const named = ['Status', 'Requested mode', 'Why', 'P2P peers', 'Heartbeat monitor']
  return {
    isFailed: document.querySelector('[data-failure]') !== null,
    verdict: {
      state: document.querySelector('.page-verdict [data-state]').dataset.state,
      agrees: / agree\\./.test(text(document, '.page-verdict [role=status]')),
    },
    facts: Object.fromEntries(named.map(name => [name, value(name)])),
    carrier: value('In use').replace(/ \\(.*/, ''),
    inForce: document.querySelector('.lat-mode[data-current=true] input').value,
    root: fact('Merkle root').querySelector('code').title,
    since: time(fact('Since')),
    forcedUntil: time(fact('Back to Auto')),
    lastSync: time(fact('Last sync')),
    peers: [...document.querySelectorAll('[data-peer]')].map((row, index) => {
      const cells = [...row.querySelectorAll('td')]
      return {
        name: text(row, 'th bdi'),
        state: stateWord(row),
        why: text(row, '.lat-help'),
        behind: cells[2].textContent,
        ahead: cells[3].textContent,
        seen: time(cells[4]),
        root: cells[5].querySelector('code')?.title ?? null,
        links: [...matrix[index].querySelectorAll('.page-link')].map(linkWord),
      }
    }),
    matrix: others.map(row =>
      row.querySelector('td[colspan]') ? null : [...row.querySelectorAll('.page-link')].map(linkWord)),
    warnings: [...document.querySelectorAll('[data-warning]')].map(item => ({
      code: item.dataset.warning,
      title: item.querySelector('h3').lastChild.textContent,
      text: text(item, 'p'),
      since: time(item),
      severity: text(item, '.lat-word'),
    })),
    transitions: [...document.querySelectorAll('.page-transitions time')].map(each => each.dateTime),
  }
})()`

/** A step: what the node says from now on, or that it says nothing. */
const steps = fc.oneof(
  { weight: 5, arbitrary: answers },
  { weight: 1, arbitrary: fc.constant('nothing' as const) },
)

let told = wellAnswers()
const node = new ScriptedNode(told)
let browser: Browser
let page: Page
let complaints: readonly string[]

beforeAll(async () => {
  browser = await launchBrowser()
  const url = await node.listen()
  ;({ page, complaints } = await openPage(browser, [url]))
  await page.goto(url)
  await page.locator('[data-live=true]').waitFor()
}, 30_000)

afterAll(async () => {
  await browser?.close()
  await node.close()
})

it('what the page shows is what the node says, at every step of any history', async () => {
  const seed = process.env['FC_SEED']
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 8 }), async history => {
      for (const step of history) await shows(step)
    }),
    // A wrong page costs the whole wait; the history as it came says enough.
    { numRuns: histories, endOnFailure: true, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  )
  expect(complaints).toEqual([])
}, 300_000)

async function shows(step: Answers | 'nothing'): Promise<void> {
  node.outage = step === 'nothing' ? 503 : undefined
  if (step !== 'nothing') node.say((told = step))
  // News are spaced; a viewer in a hurry presses the button.
  await page.getByRole('button', { name: 'Refresh' }).click()
  const wanted = JSON.stringify({ isFailed: step === 'nothing', ...expected(told) })
  let shown = ''
  await eventually(
    'the page shows it',
    async () => {
      shown = JSON.stringify(await page.evaluate(readPage))
      return shown === wanted
    },
    6000,
  ).catch(() => expect(JSON.parse(shown)).toEqual(JSON.parse(wanted)))
}
