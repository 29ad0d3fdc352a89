/**
 * What stands between page and node: logins of somebody else, and tokens that cannot be sent.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Page } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { wellAnswers } from '../scripted-answers.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const pages = scriptedPagesForTests()
const { node } = pages
let page: Page

beforeEach(async () => {
  node.answers = wellAnswers()
  ;({ page } = await pages.open())
  await page.goto(pages.url)
  await page.locator('.page-key').first().waitFor()
})

afterEach(() => page.context().close())

describe('a login in front of the node', () => {
  const toLogin = { status: 302, headers: { location: 'https://login.example/?back=/' } }

  it('is called one, and the node is not called gone', async () => {
    await page.route('**/api/**', route => route.fulfill(toLogin))
    await page.getByRole('button', { name: 'Refresh' }).click()
    const failure = page.locator('[data-failure]')
    await failure.waitFor()
    expect(await failure.textContent()).toContain('asks for a login')
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    await page.getByRole('button', { name: 'Switch to HTTP only' }).click()
    const alert = page.getByRole('alert')
    await eventually('it says why', async () => (await alert.textContent())?.includes('asks for a login'))
    expect(await page.getByLabel('Admin token').count()).toBe(0)
  })
})

describe('the admin token', () => {
  const refusal = (status: number, code: string) => ({
    status,
    contentType: 'application/problem+json',
    body: JSON.stringify({ success: false, code, detail: 'no', hint: '' }),
  })
  const field = () => page.getByLabel('Admin token')
  const alert = () => page.getByRole('alert')

  async function typed(token: string): Promise<void> {
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    const submit = page.getByRole('button', { name: /^Switch to HTTP only/ })
    await submit.click()
    await field().fill(token)
    await submit.click()
  }

  it('that no header can carry is refused as wrong, and the node is not called gone', async () => {
    await page.route('**/sync/switch*', route => route.fulfill(refusal(401, 'UNAUTHORIZED')))
    await typed('пароль')
    const said = await eventually('it is refused', async () => {
      const text = (await alert().textContent()) ?? ''
      return text === '' || text.includes('needs its admin token') ? undefined : text
    })
    expect(said).toBe('The node does not accept this token.')
  })

  it('can be emptied and typed anew after any refusal', async () => {
    let status = 401
    await page.route('**/sync/switch*', route =>
      route.fulfill(refusal(status, status === 401 ? 'UNAUTHORIZED' : 'RATE_LIMITED')),
    )
    await page.getByRole('radio', { name: 'HTTP only' }).click()
    const submit = page.getByRole('button', { name: /^Switch to HTTP only/ })
    await submit.click()
    await field().fill('wrong')
    status = 429
    await submit.click()
    await eventually('it is refused', async () => (await alert().textContent())?.includes('Too many wrong'))
    await field().fill('')
    expect(await field().count()).toBe(1)
  })
})
