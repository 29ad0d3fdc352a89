/** Whoever uses the keyboard keeps the place: what goes away, or can do no more, hands the focus on. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Page } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { wellAnswers } from '../scripted-answers.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const keys = Array.from({ length: 25 }, (_, index) => [`key/${String(index).padStart(2, '0')}`, index])
const pages = scriptedPagesForTests()
const { node } = pages
node.answers = { ...wellAnswers(), state: Object.fromEntries(keys) as Record<string, number> }
let page: Page

beforeEach(async () => {
  ;({ page } = await pages.open())
  await page.clock.install()
  await page.goto(pages.url)
  await page.locator('.page-key').first().waitFor()
})

afterEach(() => page.context().close())

/** What has the focus, and what is typed or said there. */
const focused = (): Promise<unknown> =>
  page.evaluate(`document.activeElement.value || document.activeElement.textContent`)

describe('the focus', () => {
  it('goes back to the modes when the time for Undo is over', async () => {
    const receipt = { success: true, message: '', requested: 'http', mode: 'HTTP' }
    await page.route('**/sync/switch*', route => route.fulfill({ json: receipt }))
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    await page.getByRole('button', { name: 'Switch to HTTP only' }).click()
    const undo = page.getByRole('button', { name: 'Undo' })
    await undo.focus()
    await page.clock.fastForward(11_000)
    await eventually('the time is over', async () => (await undo.count()) === 0)
    expect(await focused()).toBe('auto')
  })

  it('stays on Next at the last page, where it does nothing more', async () => {
    await page.getByRole('button', { name: 'Next keys' }).focus()
    await page.keyboard.press('Enter')
    await eventually('the last page is there', async () => (await page.locator('.page-key').count()) === 5)
    expect(await focused()).toBe('Next keys')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    await eventually('the first is back', async () => (await page.locator('.page-key').count()) === 20)
    expect(await focused()).toBe('Previous keys')
  })
})
