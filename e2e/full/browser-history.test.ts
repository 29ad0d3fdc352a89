/**
 * The charts: their tables hold exactly what the node said, by mouse and keyboard, and failures have words.
 */
import { describe, expect, it } from '@jest/globals'
import type { Page } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { wellAnswers } from '../scripted-answers.ts'
import { scriptedSeries } from '../scripted-history.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const pages = scriptedPagesForTests()
const { node } = pages

async function open(timezoneId = 'UTC'): Promise<{ page: Page; complaints: readonly string[] }> {
  const opened = await pages.open({ timezoneId })
  await opened.page.goto(pages.url)
  await opened.page.locator('.chart-canvas canvas').nth(3).waitFor()
  return opened
}

const spans = [
  ['1 hour', 3600, 10],
  ['24 hours', 86_400, 300],
  ['14 days', 14 * 86_400, 3600],
  ['1 year', 365 * 86_400, 86_400],
] as const

const trip = (ms: number): string => (ms < 10 ? `${Number(ms.toFixed(1))} ms` : `${Math.round(ms)} ms`)

/** The figures of a row, without its moment. */
const cellsOf = (row: string): string => row.replace(/^\d+ \w+ \d{4}(, \d\d:\d\d(:\d\d)?)?/, '')

/** The rows that the answer of the node makes, newest first. */
function told(from: number, to: number, step: number): string[] {
  const lines = scriptedSeries(from, to, step).filter(({ series }) => series === 'latency')
  const times = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => b - a)
  return times.map(at =>
    lines
      .map(({ points }) => points.find(([when]) => when === at))
      .map(point => (point === undefined ? '–' : `${trip(point[2])}, at most ${trip(point[3])}`))
      .join(''),
  )
}

describe('the charts', () => {
  it.each(spans)(
    'over %s say what the node said, point by point',
    async (name, seconds, step) => {
      const { page, complaints } = await open()
      let asked = new URLSearchParams()
      page.on('response', response => {
        if (response.url().includes(`step=${step}s`)) asked = new URL(response.url()).searchParams
      })
      await page.getByRole('radio', { name }).check()
      const chart = page.locator('[data-chart=Latency]')
      await chart.getByRole('button', { name: 'Show as table' }).click()
      await eventually(
        'the table has what the last answer had',
        async () => {
          const [from = 0, to = 0] = ['from', 'to'].map(part => Number(asked.get(part)))
          const shown = await chart.locator('tbody tr').allTextContents()
          return (
            to - from === seconds &&
            JSON.stringify(shown.map(cellsOf)) === JSON.stringify(told(from, to, step))
          )
        },
        25_000,
      )
      expect(await chart.locator('thead th').allTextContents()).toEqual([
        'From',
        'node1, P2P',
        'node1, HTTP',
        'node3, P2P',
        'node3, HTTP',
      ])
      expect(complaints).toEqual([])
      await page.context().close()
    },
    40_000,
  )

  it('name the days of the node, whatever the time zone of the viewer', async () => {
    const { page } = await open('America/Los_Angeles')
    await page.getByRole('radio', { name: '1 year' }).check()
    const chart = page.locator('[data-chart=Latency]')
    await chart.getByRole('button', { name: 'Show as table' }).click()
    const form = { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' } as const
    const today = new Date().toLocaleDateString('en-GB', form)
    const newest = chart.locator('tbody th').first()
    await eventually('a year is shown', async () => !(await newest.textContent())?.includes(':'))
    expect(await newest.textContent()).toBe(today)
    await page.context().close()
  })

  it('change their span by keyboard alone', async () => {
    const { page } = await open()
    await page.getByRole('radio', { name: '1 hour' }).focus()
    const answered = page.waitForResponse(response => response.url().includes('step=300s'))
    await page.keyboard.press('ArrowRight')
    await answered
    expect(await page.getByRole('radio', { name: '24 hours' }).isChecked()).toBe(true)
    await page.context().close()
  })

  it('show the figures under the pointer', async () => {
    const { page } = await open()
    const chart = page.locator('[data-chart=Changes]')
    const at = chart.locator('.chart-at')
    expect(await at.textContent()).toBe('Now')
    await chart.locator('.u-over').hover()
    await eventually('the moment is shown', async () => (await at.textContent()) !== 'Now')
    await page.context().close()
  })

  it('that cannot be read, or loaded, leave the page whole and say so', async () => {
    const { page } = await pages.open()
    await page.route('**/metrics/history**', route => route.fulfill({ status: 503, body: '' }))
    await page.goto(pages.url)
    const section = page.locator('[aria-labelledby=page-history]')
    await eventually('it says so', async () =>
      (await section.textContent())?.includes('starting or stopping'),
    )
    await page.unrouteAll()
    await page.route('**/history-charts-*.js', route => route.fulfill({ status: 404, body: '' }))
    await page.goto(pages.url)
    await eventually('it says so', async () =>
      (await section.textContent())?.includes('could not be loaded; load the page again'),
    )
    expect(await page.locator('.page-verdict').textContent()).toContain('All 3 nodes agree')
    await page.context().close()
  })
})

describe('a hostile node', () => {
  it('cannot choke the page with keys and values of 10 MB, nor run anything in them', async () => {
    const huge = 'x'.repeat(10_000_000)
    const script = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    const state = {
      [`a${huge}`]: 1,
      [`b${script}`]: { html: script, link: 'javascript:document.title=1' },
      c: huge,
      'd\u202Egnp.exe': '\u202Ereversed',
      e: Array.from({ length: 100_000 }, () => ({ a: [1] })),
    }
    node.say({ ...wellAnswers(), state })
    const { page, complaints } = await pages.open()
    await page.goto(pages.url)
    const keys = page.locator('.page-key')
    await eventually('the keys are listed', async () => (await keys.count()) === 5)
    for (const index of [1, 2, 3, 4]) {
      await keys.nth(index).click()
      await page.locator('.page-details .page-value').last().waitFor()
    }
    expect(await page.locator('img, .page-keys script').count()).toBe(0)
    expect(await page.evaluate('document.body.innerText.length')).toBeLessThan(60_000)
    expect(await page.title()).toContain('Lattice')
    expect(complaints).toEqual([])
    await page.context().close()
  }, 60_000)
})
