/**
 * `npm run screenshots`: the dashboard in its six states, and the embedded component in the plain example, at
 * three widths, in both themes, as pictures in artefacts/dashboard for people to look at.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, openPage } from './browser.ts'
import { answersByState, wellAnswers } from './scripted-answers.ts'
import { ScriptedNode } from './scripted-node.ts'
import type { Answers } from './scripted-node.ts'

const directory = join(import.meta.dirname, '../artefacts/dashboard')
const widths = [320, 768, 1440]
const themes = ['light', 'dark'] as const
const packageDirectory = join(import.meta.dirname, '../packages/dashboard')

async function shootWidths(page: Page, name: string, theme: string): Promise<void> {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 })
    const path = join(directory, `${name}-${width}-${theme}.png`)
    await page.screenshot({ path, fullPage: true })
  }
}

async function fallSilent(page: Page, node: ScriptedNode): Promise<void> {
  node.outage = 503
  await page.clock.runFor(22_000)
  await page.locator('.lat-root[data-stale=true]').waitFor()
}

async function shoot(browser: Browser, name: string, answers: Answers, silent: boolean): Promise<void> {
  const node = new ScriptedNode(answers)
  const url = await node.listen()
  for (const colorScheme of themes) {
    const { page, complaints } = await openPage(browser, [url], { colorScheme })
    await page.clock.install()
    await page.goto(url)
    await page.locator('.page-nodes').waitFor()
    await page.locator('.page-keys').waitFor()
    await page.locator('.chart-canvas canvas').nth(3).waitFor()
    if (silent) await fallSilent(page, node)
    await shootWidths(page, name, colorScheme)
    // As somebody else's page has it, with the mode about to be switched.
    await page.route(/\/(examples|dist)\//, route =>
      route.fulfill({ path: join(packageDirectory, new URL(route.request().url()).pathname) }),
    )
    node.outage = undefined
    await page.goto(`${url}/examples/plain.html?node=${encodeURIComponent(url)}`)
    await page.getByRole('radio', { name: name === 'http' ? 'Auto' : 'HTTP only' }).click()
    if (silent) await fallSilent(page, node)
    await shootWidths(page, `component-${name}`, colorScheme)
    node.outage = undefined
    for (const complaint of complaints) console.error(`${name}: ${complaint}`)
    await page.context().close()
  }
  await node.close()
}

mkdirSync(directory, { recursive: true })
const browser = await launchBrowser()
for (const [state, answers] of Object.entries(answersByState())) await shoot(browser, state, answers, false)
await shoot(browser, 'unknown', wellAnswers(), true)
await browser.close()
console.log(`pictures are in ${directory}`)
