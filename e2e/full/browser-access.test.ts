/** Who may switch, what happens where P2P is off, and NetworkStatus inside the page of somebody else. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { factOf, launchBrowser, openPage, stateOf, verdictOf } from '../browser.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { inPhase, metOverP2p, statusOf } from '../federation.ts'

const packageDirectory = join(import.meta.dirname, '../../packages/dashboard')
const token = 'a-token-for-the-tests-of-the-dashboard-0123456789'

let world: World
let browser: Browser
let host: Server

beforeAll(async () => {
  world = new World()
  browser = await launchBrowser()
  // A stranger's web server: the examples as they are, and the built component beside them.
  host = createServer((request, response) => {
    const name = /^\/((?:examples|dist\/embed)\/[\w.-]+)$/.exec(request.url?.split('?')[0] ?? '')?.[1]
    if (name === undefined) return void response.writeHead(404).end()
    const type = name.endsWith('.js') ? 'text/javascript' : name.endsWith('.css') ? 'text/css' : 'text/html'
    return void response
      .writeHead(200, { 'Content-Type': `${type}; charset=utf-8` })
      .end(readFileSync(join(packageDirectory, name)))
  })
  await new Promise<void>(resolve => host.listen(0, '127.0.0.1', resolve))
}, 30_000)

afterEach(async () => {
  await world.close()
  world = new World()
}, 30_000)

afterAll(async () => {
  await browser?.close()
  host?.closeAllConnections()
  host?.close()
  await world.close()
})

function two(settings: Readonly<Record<string, string>>): Promise<[Daemon, Daemon]> {
  return world.federation(2, { each: [settings] }) as Promise<[Daemon, Daemon]>
}

describe('a node that others can reach', () => {
  it('asks for its token, says when it is wrong, and keeps nothing of it', async () => {
    const [one] = await two({ LATTICE_HTTP_HOST: '0.0.0.0', LATTICE_ADMIN_TOKEN: token })
    const { page, complaints } = await openPage(browser, [one.url])
    await page.goto(one.url)
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    const submit = page.getByRole('button', { name: /^Switch to HTTP only/ })
    const alert = page.getByRole('alert')
    await submit.click()
    await eventually('a token is asked for', async () =>
      (await alert.textContent())?.includes('needs its admin token'),
    )
    await page.getByLabel('Admin token').fill('wrong-wrong-wrong-wrong')
    await submit.click()
    await eventually('it is refused', async () =>
      (await alert.textContent())?.includes('does not accept this token'),
    )
    expect((await statusOf(one)).mode).toBe('auto')
    await page.getByLabel('Admin token').fill(token)
    await submit.click()
    await eventually('it is taken', async () => (await statusOf(one)).mode === 'http')
    await eventually('it is shown', async () => (await factOf(page, 'Requested mode')) === 'HTTP only')
    const kept = await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')
    expect(kept).not.toContain(token)
    await page.reload()
    await page.getByRole('radio', { name: 'Auto' }).click()
    expect(await page.getByLabel('Admin token').count()).toBe(0)
    expect(complaints).toEqual([])
    await page.context().close()
  }, 60_000)
})

describe('a node without P2P', () => {
  it('shows HTTP, and why P2P cannot be chosen', async () => {
    const [one] = await two({ LATTICE_P2P_ENABLED: 'false' })
    await inPhase(one, 'HTTP')
    const { page } = await openPage(browser, [one.url])
    await page.goto(one.url)
    await eventually('HTTP is shown', async () => (await stateOf(page)) === 'http')
    expect(await verdictOf(page)).toContain('Auto is using HTTP')
    expect(await factOf(page, 'Status')).toBe('🟡 Resilient (HTTP Fallback)')
    const choice = page.getByRole('radio', { name: 'P2P only' })
    expect(await choice.isDisabled()).toBe(true)
    expect(await page.getByText('P2P is turned off in the settings').isVisible()).toBe(true)
    await page.context().close()
  }, 60_000)

  it('shows the fall to HTTP when P2P stops for everybody', async () => {
    const [one, other] = await two({})
    await metOverP2p([one, other])
    const { page } = await openPage(browser, [one.url])
    await page.goto(one.url)
    await eventually('P2P is shown', async () => (await stateOf(page)) === 'p2p')
    await other.stop()
    await other.start({ LATTICE_P2P_ENABLED: 'false' })
    await inPhase(one, 'HTTP')
    await eventually('HTTP is shown', async () => (await stateOf(page)) === 'http')
    const changes = await page.locator('.page-transitions li').first().textContent()
    expect(changes).toContain('→ HTTP')
    await page.context().close()
  }, 60_000)
})

describe('P2P that is cut', () => {
  it('shows the fall to HTTP by itself, and the return', async () => {
    const nodes = (await world.federation(2, { settings: { CHAOS_OF_LATTICE_UP: '1' } })) as [Daemon, Daemon]
    await metOverP2p(nodes)
    const [one] = nodes
    const { page, complaints } = await openPage(browser, [one.url])
    await page.goto(one.url)
    await eventually('P2P is shown', async () => (await stateOf(page)) === 'p2p')
    for (const node of nodes) node.chaos('cut')
    await eventually('HTTP is shown', async () => (await stateOf(page)) === 'http', 40_000)
    expect(await verdictOf(page)).toContain('Auto is using HTTP')
    expect(await factOf(page, 'Status')).toBe('🟡 Resilient (HTTP Fallback)')
    for (const node of nodes) node.chaos('heal')
    await eventually('P2P is shown again', async () => (await stateOf(page)) === 'p2p', 40_000)
    expect(await factOf(page, 'Status')).toBe('🟢 Resilient (P2P Mode)')
    expect(complaints).toEqual([])
    await page.context().close()
  }, 120_000)
})

describe('NetworkStatus in a page of somebody else', () => {
  it('works from another origin, and leaves that page as it is', async () => {
    const origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
    const [one, other] = await two({ LATTICE_CORS_ORIGINS: origin })
    await metOverP2p([one, other])
    const { page, complaints } = await openPage(browser, [origin, one.url])
    await page.goto(`${origin}/examples/plain.html?node=${encodeURIComponent(one.url)}`)
    const part = page.getByRole('region', { name: 'Network status' })
    await eventually('it says that all is well', async () =>
      (await part.getByRole('status').first().textContent())?.includes('Both nodes agree'),
    )
    expect(await part.locator('.lat-peers bdi').allTextContents()).toEqual([other.name])
    await part.getByRole('radio', { name: 'HTTP only' }).click()
    await part.getByRole('button', { name: 'Switch to HTTP only' }).click()
    await eventually('it has switched', async () => (await statusOf(one)).mode === 'http')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const { violations } = await new AxeBuilder({ page }).include('#network').analyze()
      expect(violations.map(({ id }) => id)).toEqual([])
    }
    const outside = `(() => {
      const { font, color, background, margin } = getComputedStyle(document.body)
      return JSON.stringify({ font, color, background, margin })
    })()`
    const before = await page.evaluate(outside)
    await page.evaluate(`document.querySelector('link[rel=stylesheet]').remove()`)
    expect(await page.evaluate(outside)).toBe(before)
    await one.kill()
    await eventually('it knows nothing any more', async () => {
      const state = await part.locator('.lat-head [data-state]').getAttribute('data-state')
      return (
        state === 'unknown' && (await part.getByRole('status').first().textContent())?.startsWith('Not known')
      )
    })
    expect(await part.locator('.lat-fresh').textContent()).toMatch(/Stale: last good (?:\d|1[0-4]) s ago/)
    await one.start()
    await eventually(
      'it is well again',
      async () => (await part.getByRole('status').first().textContent())?.startsWith('Both nodes'),
      40_000,
    )
    expect(complaints).toEqual([])
    await page.context().close()
  }, 90_000)
})
