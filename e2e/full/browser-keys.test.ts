/** The state on the page, key by key: what it says stays true through trouble, haste and lookalikes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Page, Route } from 'playwright-core'
import { eventually } from '../eventually.ts'
import { wellAnswers } from '../scripted-answers.ts'
import { scriptedPagesForTests } from '../scripted-page.ts'

const pages = scriptedPagesForTests()
const { node } = pages
let page: Page

beforeEach(async () => {
  node.outage = undefined
  node.answers = wellAnswers()
  ;({ page } = await pages.open())
})

afterEach(() => page.context().close())

/** Opens the page on a state of these keys. */
async function open(keys: readonly string[]): Promise<void> {
  node.answers = { ...wellAnswers(), state: Object.fromEntries(keys.map((key, index) => [key, index])) }
  await page.goto(pages.url)
  await page.locator('.page-key').first().waitFor()
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `key/${String(index).padStart(2, '0')}`)
const listed = (): Promise<string[]> => page.locator('.page-key').allTextContents()
const state = () => page.getByRole('region', { name: 'State' })
const banner = () => state().locator('.lat-banner')

/** Answers calls whose URL has `part` in it otherwise until the result is called. */
async function otherwise(
  part: string,
  answer: (route: Route) => Promise<void>,
): Promise<() => Promise<void>> {
  const matches = ({ href }: URL): boolean => href.includes(part)
  await page.route(matches, answer)
  return () => page.unroute(matches, answer)
}

const damage = (route: Route): Promise<void> =>
  route.fulfill({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ success: false, code: 'ENTRY_DAMAGED', detail: 'an entry is damaged', hint: '' }),
  })

describe('after trouble', () => {
  it('a search that failed while the node was away is made good once it is back', async () => {
    await open(numbered(3))
    node.outage = 503
    await page.getByLabel('Keys that start with').fill('key/02')
    await banner().waitFor()
    expect(await listed()).toEqual([])
    node.outage = undefined
    await page.getByRole('button', { name: 'Refresh' }).click()
    await eventually('the key is listed', async () => (await listed()).join() === 'key/02')
    expect(await banner().count()).toBe(0)
  })

  it('a damaged key is called damaged, and is shown once it has come back', async () => {
    await open(numbered(3))
    const heal = await otherwise('key=key', damage)
    await page.locator('.page-key').first().click()
    await banner().waitFor()
    expect(await banner().textContent()).toMatch(/damaged on the disk/)
    await heal()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await page.locator('.page-details').waitFor()
    expect(await banner().count()).toBe(0)
  })

  it('keys are no longer called missing once they are not, also under the same root', async () => {
    const lacks = (route: Route): Promise<void> =>
      route.fetch().then(async response => {
        const answer = (await response.json()) as object
        return route.fulfill({ response, json: { ...answer, damaged_keys: ['key/00'] } })
      })
    const heal = await otherwise('limit=', lacks)
    await open(numbered(3))
    await banner().waitFor()
    await heal()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await eventually('the banner is gone', async () => (await banner().count()) === 0)
    expect(await listed()).toEqual(numbered(3))
  })
})

describe('in haste', () => {
  it('a second press on Next while the page is on its way skips nothing and counts nothing twice', async () => {
    await open(numbered(65))
    let release = (): void => {}
    const held = new Promise<void>(resolve => (release = resolve))
    const letGo = await otherwise('cursor=', route => held.then(() => route.continue()).catch(() => {}))
    const next = page.getByRole('button', { name: 'Next keys' })
    await next.click()
    await next.click()
    expect(await state().getByText('page 1').count()).toBe(1)
    release()
    await letGo()
    await eventually('the second page is there', async () => (await listed())[0] === 'key/20')
    expect(await state().getByText('page 2').count()).toBe(1)
  })

  it('a page that has become empty is not taken for a search without a find', async () => {
    await open(numbered(25))
    await page.getByRole('button', { name: 'Next keys' }).click()
    await eventually('the second page is there', async () => (await listed()).length === 5)
    const root = 'cd'.repeat(32)
    const left = Object.fromEntries(numbered(20).map(key => [key, 1]))
    const { status } = node.answers
    node.say({ ...node.answers, status: { ...status, merkle_root: root }, state: left })
    await eventually('the page is empty', async () => (await listed()).length === 0)
    expect(await state().getByText('No key starts like this').count()).toBe(0)
    await page.getByRole('button', { name: 'Previous keys' }).click()
    await eventually('the first page is there', async () => (await listed()).length === 20)
  })
})

describe('keys that look alike', () => {
  it('are told apart', async () => {
    const keys = ['a b', 'a  b', ' a b', 'a b ', 'a\u00A0b', 'a\u3164b']
    await open(keys)
    const shown = await page.locator('.page-key').allInnerTexts()
    expect(new Set(shown).size).toBe(keys.length)
    const status = { ...node.answers.status, merkle_root: 'ef'.repeat(32) }
    node.say({ ...node.answers, status, state: { a: 'b  c' } })
    const value = page.locator('.page-keys td code')
    await eventually('the value is as it is', async () => (await value.allInnerTexts()).join() === '"b  c"')
  })
})
