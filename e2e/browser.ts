/**
 * A real Chromium, and everything it complains about: faults in scripts, breaches of the content security
 * policy, and requests to anywhere but the node.
 */
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

/**
 * Starts Debian's Chromium, or the one that `CHROMIUM` names; root needs the sandbox to be off. `more` are
 * further switches.
 */
export function launchBrowser(more: readonly string[] = []): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...more] })
}

/** A page with its complaints. */
export interface WatchedPage {
  readonly page: Page
  /** Empty as long as nothing is wrong. */
  readonly complaints: readonly string[]
}

/** Faults that a node which is down or refuses causes by itself: the browser logs each failed request. */
const expectedPattern = /^Failed to load resource/

/** Opens a page that may talk to `origins` only. */
export async function openPage(
  browser: Browser,
  origins: readonly string[],
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(`fault: ${error.message}`))
  page.on('console', message => {
    if (message.type() === 'error' && !expectedPattern.test(message.text())) complaints.push(message.text())
  })
  page.on('request', request => {
    const { origin, protocol } = new URL(request.url())
    if (!origins.includes(origin) && protocol !== 'data:') complaints.push(`request to ${request.url()}`)
  })
  return { page, complaints }
}

/** The sentence of the verdict. */
export async function verdictOf(page: Page): Promise<string> {
  return (await page.locator('.page-verdict [role=status]').textContent()) ?? ''
}

/** The state of the verdict: p2p, http, degraded, down, asleep or unknown. */
export async function stateOf(page: Page): Promise<string> {
  return (await page.locator('.page-verdict [data-state]').getAttribute('data-state')) ?? ''
}

/** One fact by its name. */
export async function factOf(page: Page, name: string): Promise<string> {
  const fact = page.locator('.lat-fact', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) })
  return (await fact.first().locator('dd').textContent()) ?? ''
}
