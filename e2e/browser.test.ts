/**
 * The dashboard in a real browser, on real daemons: it shows what is so, switches the mode, and shows nothing
 * else.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { AxeBuilder } from '@axe-core/playwright'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { factOf, launchBrowser, openPage, stateOf, verdictOf } from './browser.ts'
import { documentOf, lattice } from './command.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { eventually } from './eventually.ts'
import { metOverP2p, put, rootOf, statusOf } from './federation.ts'
import { dashboardBuild } from './scripted-node.ts'

/** Of everything the page loads, zipped (experience U1). */
const bundleBytesMax = 130_000

const world = new World()
let browser: Browser
let one: Daemon
let two: Daemon
let three: Daemon
let page: Page
let complaints: readonly string[]

beforeAll(async () => {
  const [nodes, launched] = await Promise.all([world.federation(3), launchBrowser()])
  ;[one, two, three] = nodes as [Daemon, Daemon, Daemon]
  browser = launched
  await metOverP2p(nodes)
  ;({ page, complaints } = await openPage(browser, [one.url]))
  await page.clock.install()
  await page.goto(one.url)
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await world.close()
})

function shows(state: string, sentence: RegExp): Promise<true> {
  return eventually(`the page shows ${state}`, async () => {
    const now = `${await stateOf(page)}: ${await verdictOf(page)}`
    if (now.startsWith(`${state}: `) && sentence.test(now)) return true
    throw new Error(now)
  })
}

describe('the page at /', () => {
  it('says that all is well, with the words of the node', async () => {
    await shows('p2p', /All 3 nodes agree\. Auto is using peer-to-peer\./)
    expect(await factOf(page, 'Status')).toBe('🟢 Resilient (P2P Mode)')
    expect(await factOf(page, 'P2P peers')).toBe('2')
    expect(await page.locator('.lat-facts code').first().getAttribute('title')).toBe(await rootOf(one))
    const names = await page.locator('.page-nodes tbody th bdi').allTextContents()
    expect(names.toSorted()).toEqual(['node1', 'node2', 'node3'])
    await eventually('every direction of every link is known', async () => {
      await page.getByRole('button', { name: 'Refresh' }).click()
      return (await page.locator('.page-matrix .page-link .lat-p2p').count()) === 6
    })
    await eventually('events arrive', () => page.locator('[data-live=true]').isVisible())
  })

  it.each(['light', 'dark'] as const)('has nothing for axe to object to in %s', async colorScheme => {
    await page.emulateMedia({ colorScheme })
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)).toEqual([])
  })

  it('draws what the node remembers, and says it in words', async () => {
    const mode = page.locator('[data-chart=Mode]')
    await eventually('the last minute is in the ribbon', async () => {
      // The page's clock is the test's: news come with a press of the button.
      await page.getByRole('button', { name: 'Refresh' }).click()
      return /Peer-to-peer (?!0 %)/.test((await mode.locator('.chart-summary').textContent()) ?? '')
    })
    expect(await mode.locator('[data-lane=p2p] .ribbon-bar').count()).toBeGreaterThan(0)
    expect(await page.locator('.chart-canvas canvas').count()).toBe(4)
    await page.locator('[data-chart=Latency]').getByRole('button', { name: 'Show as table' }).click()
    const heads = await page.locator('[data-chart=Latency] thead th').allTextContents()
    expect(heads).toEqual(expect.arrayContaining(['node2, P2P', 'node3, P2P']))
  })

  it('loads at most 130 kB, zipped', () => {
    const files = readdirSync(dashboardBuild, { recursive: true, withFileTypes: true })
    const sizes = files
      .filter(file => file.isFile() && file.name !== 'manifest.json')
      .map(file => gzipSync(readFileSync(join(file.parentPath, file.name))).length)
    expect(sizes.length).toBeGreaterThanOrEqual(4)
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(bundleBytesMax)
  })

  it('is served with types, caches and a policy, and nothing beside its files', async () => {
    const html = { headers: { accept: 'text/html' } }
    const root = await fetch(one.url, html)
    expect(root.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(root.headers.get('cache-control')).toBe('no-cache')
    const [script = ''] = /assets\/[\w.-]+\.js/.exec(await root.text()) ?? []
    const asset = await fetch(`${one.url}/${script}`)
    expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    expect(asset.headers.get('cache-control')).toContain('immutable')
    expect((await asset.text()).length).toBeGreaterThan(1000)
    expect(await (await fetch(`${one.url}/${script}`, { method: 'HEAD' })).text()).toBe('')
    // Not by fetch: it tells the server not to trust any cache.
    const headers = { ...html.headers, 'if-none-match': root.headers.get('etag') ?? '' }
    expect((await page.request.get(one.url, { headers })).status()).toBe(304)
    for (const path of ['/manifest.json', '/assets/none.js', '/assets/..%2findex.html', '/index.html']) {
      expect((await fetch(one.url + path, html)).status).toBe(404)
    }
    expect(await (await fetch(one.url)).json()).toMatchObject({ name: 'Lattice', status: 'operational' })
  })
})

describe('switching by hand', () => {
  it('works by mouse, and can be taken back', async () => {
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    await page.getByLabel('For how long').selectOption('30 minutes')
    expect((await statusOf(one)).mode).toBe('auto')
    await page.getByRole('button', { name: 'Switch to HTTP only' }).click()
    await shows('http', /All 3 nodes .* The operator has forced HTTP\./)
    const status = await statusOf(one)
    expect(status).toMatchObject({ mode: 'http', phase: 'FORCED' })
    expect(Date.parse(status.forced_until ?? '') - Date.now()).toBeGreaterThan(29 * 60_000)
    await page.getByRole('button', { name: 'Undo' }).click()
    await eventually('the node is on auto', async () => (await statusOf(one)).mode === 'auto')
    await shows('p2p', /Auto is using peer-to-peer/)
  })

  it('works by keyboard, and passing over a mode does not put it in force', async () => {
    await page.getByRole('radio', { name: 'Auto' }).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    expect(await page.getByRole('radio', { name: 'HTTP only' }).isChecked()).toBe(true)
    expect((await statusOf(one)).mode).toBe('auto')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await shows('http', /forced HTTP/)
    expect((await statusOf(one)).mode).toBe('http')
    // The form is gone, and the focus is where it came from.
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await shows('p2p', /Auto is using peer-to-peer/)
    expect((await statusOf(one)).mode).toBe('auto')
  })
})

describe('keys and values of a stranger', () => {
  it('are shown as text and do nothing', async () => {
    const script = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
    const long = 'x'.repeat(100_000)
    await put(one, `evil/${script}`, { html: script, link: 'javascript:alert(1)' })
    await put(one, 'evil/\u202Egnp.exe', '\u202Ereversed')
    await put(one, `evil/${'k'.repeat(500)}`, long)
    await put(one, '__proto__', { polluted: true })
    await page.getByLabel('Keys that start with').fill('evil/')
    const keys = page.locator('.page-key')
    await eventually('the keys are listed', async () => (await keys.count()) === 3)
    const texts = await keys.allTextContents()
    expect(texts).toContain(`evil/${script}`)
    expect(texts).toContain('evil/⟨U+202E⟩gnp.exe')
    for (const key of await keys.all()) {
      await key.click()
      await page.locator('.page-details .page-value').last().waitFor()
    }
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.getByLabel('Keys that start with').fill('__proto')
    await eventually('the key is listed', async () => (await keys.allTextContents())[0] === '__proto__')
    await keys.first().click()
    await page.locator('.page-details').waitFor()
    expect(await page.locator('.page-details').textContent()).toContain('register')
    const downloaded = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download the proof' }).click()
    const file = await downloaded
    expect(file.suggestedFilename()).toBe('proof-__proto__.json')
    const checked = await lattice(['verify-proof', await file.path(), '--json'])
    expect(documentOf(checked)).toMatchObject({ key: '__proto__', value: { polluted: true } })
  })
})

describe('the page follows reality', () => {
  it('names the node that is gone, and takes it back', async () => {
    await three.kill()
    await shows('degraded', /2 of 3 nodes are connected, not node3/)
    await eventually('the warning is shown', () =>
      page.locator('[data-warning=peer-unreachable]').isVisible(),
    )
    expect(await page.locator('[data-warning]').count()).toBe(1)
    await three.start()
    await shows('p2p', /All 3 nodes/)
  })

  it('says at once that it knows nothing when its own node dies, and is well again by itself', async () => {
    await one.kill()
    await shows('unknown', /Not known now: the node is silent/)
    expect(await page.locator('.lat-fresh').textContent()).toMatch(/Stale: last good \d+ s ago/)
    expect(await page.locator('[data-failure]').textContent()).toContain('cannot be reached')
    expect(await page.getByText('Nothing needs a look').count()).toBe(0)
    await one.start()
    await metOverP2p([one, two, three])
    await page.clock.fastForward(31_000)
    await shows('p2p', /All 3 nodes/)
    expect(await page.locator('[data-failure]').count()).toBe(0)
  })

  it('asked nobody but its node, broke no policy and threw nothing', () => {
    expect(complaints).toEqual([])
  })
})
