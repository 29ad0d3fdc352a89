/** Each of the six states of the dashboard: told apart without colour, open to everybody, at every width. */
import { AxeBuilder } from '@axe-core/playwright'
import { describe, expect, it } from '@jest/globals'
import type { Page } from 'playwright-core'
import { stateOf, verdictOf } from '../browser.ts'
import { eventually } from '../eventually.ts'
import { answersByState, peer, wellAnswers } from '../scripted-answers.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const themes = ['light', 'dark'] as const
const states = ['p2p', 'http', 'degraded', 'down', 'asleep', 'unknown'] as const
const words = {
  p2p: 'Peer-to-peer',
  http: 'HTTP',
  degraded: 'Degraded',
  down: 'Down',
  asleep: 'Asleep',
  unknown: 'Unknown',
}

const pages = scriptedPagesForTests()
const { node } = pages

/** Opens the page in one state; `unknown` is a node that has fallen silent. */
async function inState(
  state: (typeof states)[number],
  options: { colorScheme: 'light' | 'dark'; viewport?: { width: number; height: number } },
): Promise<{ page: Page; complaints: readonly string[] }> {
  node.outage = undefined
  node.answers = state === 'unknown' ? wellAnswers() : answersByState()[state]
  const opened = await pages.open(options)
  await opened.page.clock.install()
  await opened.page.goto(pages.url)
  await opened.page.locator('.page-keys').waitFor()
  if (state === 'unknown') {
    node.outage = 503
    await opened.page.clock.fastForward(16_000)
  }
  await eventually(`the page shows ${state}`, async () => (await stateOf(opened.page)) === state)
  return opened
}

describe.each(states)('%s', state => {
  it.each(themes)(
    'has nothing for axe to object to in %s',
    async colorScheme => {
      const { page, complaints } = await inState(state, { colorScheme })
      await page.getByRole('radio', { name: 'P2P only' }).click()
      await page.locator('.page-key').first().click()
      const { violations } = await new AxeBuilder({ page }).analyze()
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(each => each.html).join(' ')}`)).toEqual(
        [],
      )
      expect(complaints).toEqual([])
      await page.context().close()
      // axe looks at every element several times: that takes seconds on a quiet machine.
    },
    90_000,
  )

  it('has a word and a shape of its own, and scrolls sideways nowhere at 320 px', async () => {
    const viewport = { width: 320, height: 800 }
    const { page } = await inState(state, { colorScheme: 'light', viewport })
    const mark = page.locator('.page-verdict .lat-mark')
    expect(await mark.textContent()).toBe(words[state])
    shapes.set(state, await mark.locator('svg').innerHTML())
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
    await page.context().close()
  })
})

const shapes = new Map<string, string>()

describe('all states', () => {
  it('have six shapes', () => expect(new Set(shapes.values()).size).toBe(states.length))
})

describe('the verdict', () => {
  it('is announced when its sentence changes, and only then', async () => {
    const { page } = await inState('p2p', { colorScheme: 'light' })
    await page.evaluate(`
      globalThis.changes = 0
      const watched = document.querySelector('.page-verdict [role=status]')
      new MutationObserver(() => { globalThis.changes += 1 })
        .observe(watched, { childList: true, characterData: true, subtree: true })`)
    const asked = page.waitForResponse(response => response.url().endsWith('/peers'))
    await page.clock.fastForward(6000)
    await asked
    const well = wellAnswers()
    node.say({ ...well, status: { ...well.status, merkle_root: 'ab'.repeat(32) } })
    const root = page.locator('.lat-facts code').first()
    await eventually(
      'a new root is shown',
      async () => (await root.getAttribute('title')) === 'ab'.repeat(32),
    )
    expect(await page.evaluate('globalThis.changes')).toBe(0)
    node.say(answersByState().down)
    await eventually('it changes', async () => (await verdictOf(page)).startsWith('No other node answers'))
    expect(await page.evaluate('globalThis.changes')).toBe(1)
    await page.context().close()
  })
})

describe('the state', () => {
  it('is read page by page, and by prefix', async () => {
    const { page } = await inState('p2p', { colorScheme: 'light' })
    const names = Array.from({ length: 45 }, (_, index) => `key/${String(index).padStart(2, '0')}`)
    const state = Object.fromEntries(names.map((name, index) => [name, index]))
    node.say({ ...wellAnswers(), state })
    await page.reload()
    const keys = page.locator('.page-key')
    const shows = (wanted: readonly string[]): Promise<true> =>
      eventually(`the page lists ${wanted.length} keys`, async () => {
        const listed = await keys.allTextContents()
        return JSON.stringify(listed) === JSON.stringify(wanted)
      })
    const next = page.getByRole('button', { name: 'Next keys' })
    await shows(names.slice(0, 20))
    await next.click()
    await shows(names.slice(20, 40))
    await next.click()
    await shows(names.slice(40))
    expect(await next.isDisabled()).toBe(true)
    await page.getByRole('button', { name: 'Previous keys' }).click()
    await shows(names.slice(20, 40))
    await page.getByLabel('Keys that start with').fill('key/4')
    await page.clock.runFor(1000)
    await shows(names.slice(40))
    await page.context().close()
  })

  it('is printed without buttons, and in the dark theme as dark ink on white', async () => {
    const { page } = await inState('p2p', { colorScheme: 'dark' })
    await page.getByLabel('Theme').selectOption('dark')
    const ink = 'getComputedStyle(document.querySelector(".page-verdict .lat-sentence")).color'
    expect(await page.evaluate(ink)).toBe('rgb(230, 235, 241)')
    await page.emulateMedia({ media: 'print' })
    expect(await page.evaluate(ink)).toBe('rgb(27, 36, 48)')
    const shown = page.locator('button:not(.page-key):visible, input:visible, select:visible')
    expect(await shown.count()).toBe(0)
    expect(await page.locator('.page-verdict').isVisible()).toBe(true)
    await page.context().close()
  })
})

describe('the links of a node that knows a member more', () => {
  it('stand each in its place', async () => {
    const { page } = await inState('p2p', { colorScheme: 'light' })
    const link = (rtt_ms: number) => ({ state: 'up', rtt_ms, last_heard: null, last_error: null }) as const
    const to = (node_id: string, rtt: number) => ({ node_id, p2p: link(rtt), http: link(rtt) })
    const [first, third] = [peer(1), peer(3)]
    const seen = [to('9'.repeat(64), 99), to('ab'.repeat(32), 7), to(third.node_id, 33)]
    const links = [{ node_id: first.node_id, name: 'node1', why: null, links: seen }]
    node.say({ ...wellAnswers(), peers: [first, third], links })
    const cells = page.locator('.page-matrix tbody tr').nth(1).locator('td')
    const said = await eventually('its row is there', async () => {
      const all = await cells.allTextContents()
      return all[2]?.startsWith('P2P up 33 ms') === true && all
    })
    expect(said[0]).toMatch(/^P2P up 7 ms/)
    await page.context().close()
  })
})

describe('attention', () => {
  it('an unseen page asks nothing, and asks at once when it is seen again', async () => {
    const { page } = await inState('p2p', { colorScheme: 'light' })
    const see = (hidden: boolean): Promise<unknown> =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    await see(true)
    let asked = 0
    page.on('request', () => (asked += 1))
    await page.clock.runFor(120_000)
    expect(asked).toBe(0)
    const answer = page.waitForResponse(response => response.url().endsWith('/p2p/status'))
    await see(false)
    expect((await answer).status()).toBe(200)
    await page.context().close()
  })

  it('follows by polling where events do not get through', async () => {
    node.outage = undefined
    node.answers = wellAnswers()
    const { page } = await pages.open()
    await page.route('**/api/lattice/events', route => route.abort())
    await page.goto(pages.url)
    await eventually('all is well', async () => (await stateOf(page)) === 'p2p')
    expect(await page.locator('[data-live=false]').textContent()).toBe('every 5 s')
    node.answers = answersByState().degraded
    await eventually('the news are there', async () => (await stateOf(page)) === 'degraded')
    await page.context().close()
  })

  it('a stream of events that dies without a word is live no longer, and is opened anew', async () => {
    node.outage = undefined
    node.answers = wellAnswers()
    const { page } = await pages.open()
    await page.clock.install()
    await page.goto(pages.url)
    const pace = page.locator('[data-live]')
    await eventually('it is live', async () => (await pace.textContent()) === 'live')
    await page.clock.fastForward(41_000)
    await eventually('it polls', async () => (await pace.textContent()) === 'every 5 s')
    await page.clock.fastForward(21_000)
    await eventually('it is live again', async () => (await pace.textContent()) === 'live')
    expect(await pace.getAttribute('data-live')).toBe('true')
    await page.context().close()
  })

  it('an answer of something else becomes words, not a broken page', async () => {
    const { page, complaints } = await inState('p2p', { colorScheme: 'light' })
    node.outage = 200
    await page.getByRole('button', { name: 'Refresh' }).click()
    const banner = page.locator('[data-failure]')
    await banner.waitFor()
    expect(await banner.textContent()).toContain('not a Lattice node')
    expect(await stateOf(page)).toBe('p2p')
    expect(complaints).toEqual([])
    await page.context().close()
  })
})
