/** The public status page of a real daemon: true, open to everybody, and silent about everything else. */
import { AxeBuilder } from '@axe-core/playwright'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { launchBrowser, openPage } from '../browser.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { metOverP2p, put, rootOf } from '../federation.ts'

const token = 'a-token-for-the-public-page-0123456789'
const world = new World()
let browser: Browser
let one: Daemon
let two: Daemon

beforeAll(async () => {
  const open = { LATTICE_STATUS_PAGE: 'true', LATTICE_ADMIN_TOKEN: token }
  ;[[one, two], browser] = await Promise.all([
    world.federation(2, { each: [open] }) as Promise<[Daemon, Daemon]>,
    launchBrowser(),
  ])
  await metOverP2p([one, two])
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await world.close()
})

const pageOf = async (node: Daemon): Promise<string> => (await fetch(`${node.url}/status`)).text()

describe('/status', () => {
  it('is off unless it was asked for', async () => {
    expect((await fetch(`${two.url}/status`)).status).toBe(404)
  })

  it.each(['light', 'dark'] as const)(
    'has nothing for axe to object to in %s, and no script',
    async scheme => {
      const { page, complaints } = await openPage(browser, [one.url], { colorScheme: scheme })
      for (const width of [320, 1200]) {
        await page.setViewportSize({ width, height: 800 })
        await page.goto(`${one.url}/status`)
        const { violations } = await new AxeBuilder({ page }).analyze()
        expect(violations.map(({ id }) => id)).toEqual([])
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
      }
      expect(await page.locator('script').count()).toBe(0)
      expect(complaints).toEqual([])
      await page.context().close()
    },
  )

  it('holds no url, id, token, address, root or key', async () => {
    await put(one, 'private-key-name', 'private-value')
    const text = (await pageOf(one)).replace(/<link[^>]*>/g, '')
    const secrets = [one, two].flatMap(({ plan }) => [
      plan.identity.peerId,
      plan.identity.publicKey,
      plan.url,
      new URL(plan.url).port,
      plan.p2pAddress,
      plan.stateDir,
    ])
    for (const secret of [
      ...secrets,
      token,
      await rootOf(one),
      'private-key-name',
      'private-value',
      '127.0.0.1',
    ])
      expect(text).not.toContain(secret)
    expect(text).not.toMatch(/https?:|[0-9a-f]{16}|12D3KooW/)
  })

  it('follows reality, at the pace of a quarter of a minute', async () => {
    expect(await pageOf(one)).toContain('Both nodes')
    await two.kill()
    await eventually(
      'the page says who is down',
      async () => (await pageOf(one)).includes('No other node answers'),
      40_000,
    )
  }, 60_000)
})
