/** A browser whose clock is an hour off: what the node dates is told by the clock of the node. */
import { describe, expect, it } from '@jest/globals'
import type { Page } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { lostPeer, peer, wellAnswers } from '../scripted-answers.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const hourMs = 3_600_000
const pages = scriptedPagesForTests()
const { node } = pages

/** Opens the page where it is `offMs` later than at the node, which is forced to HTTP for half an hour more. */
async function openAt(offMs: number): Promise<Page> {
  const well = wellAnswers()
  const now = Date.now()
  const forced_until = new Date(now + hourMs / 2).toISOString()
  node.answers = {
    ...well,
    status: {
      ...well.status,
      timestamp: Math.floor(now / 1000),
      mode: 'http',
      phase: 'FORCED',
      forced_until,
    },
    peers: [peer(1), lostPeer(3)],
  }
  const { page } = await pages.open()
  await page.clock.install({ time: now + offMs })
  await page.goto(pages.url)
  await page.locator('.chart-canvas').first().waitFor()
  return page
}

describe.each([
  ['behind', -hourMs],
  ['ahead', hourMs],
])('an hour %s', (_name, offMs) => {
  it('says how long ago things were', async () => {
    const page = await openAt(offMs)
    const seen = page.locator('.page-nodes tr', { hasText: 'node3' }).locator('time')
    await eventually('the silence is told', async () =>
      /^(6 m 5\d s|7 m( \d s)?) ago$/.test(await seen.innerText()),
    )
    expect(await page.locator('.page-verdict time').innerText()).toMatch(/2 h 1[01] m ago/)
    await page.context().close()
  })

  it('shows the last hour of the node', async () => {
    const page = await openAt(offMs)
    const asked = page.waitForRequest(request => request.url().includes('/metrics/history'))
    await page.getByRole('radio', { name: '24 hours' }).click()
    const to = Number(new URL((await asked).url()).searchParams.get('to'))
    expect(Math.abs(to - Date.now() / 1000)).toBeLessThan(30)
    await page.context().close()
  })

  it('takes a switch back for as long as it had been meant', async () => {
    const page = await openAt(offMs)
    const spans: (string | null)[] = []
    await page.route('**/api/lattice/sync/switch*', async route => {
      spans.push(new URL(route.request().url()).searchParams.get('for'))
      await route.fulfill({ json: { success: true, message: '', requested: 'auto', mode: 'P2P' } })
    })
    await page.getByRole('radio', { name: 'Auto' }).click()
    await page.getByRole('button', { name: 'Switch to Auto' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    await eventually('it is taken back', () => spans.length === 2)
    const seconds = Number(spans[1]?.slice(0, -1))
    expect(seconds).toBeGreaterThan(1700)
    expect(seconds).toBeLessThanOrEqual(1800)
    await page.context().close()
  })
})
