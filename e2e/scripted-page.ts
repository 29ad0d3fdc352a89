/** The page of a scripted node, in a browser of the file's own: for rows that say what the node answers. */
import { afterAll, beforeAll } from '@jest/globals'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { launchBrowser, openPage, type WatchedPage } from './browser.ts'
import { wellAnswers } from './scripted-answers.ts'
import { ScriptedNode } from './scripted-node.ts'

/** A node and a browser for the tests of this file, which end with them. */
export interface ScriptedPages {
  readonly node: ScriptedNode
  /** Where the node answers: known once the tests run. */
  readonly url: string
  /** Opens a page that may talk to the node only; nothing is loaded yet. */
  open(options?: BrowserContextOptions): Promise<WatchedPage>
}

/** Starts both before the tests of this file. */
export function scriptedPagesForTests(): ScriptedPages {
  const node = new ScriptedNode(wellAnswers())
  let browser: Browser
  let url = ''
  beforeAll(async () => {
    browser = await launchBrowser()
    url = await node.listen()
  }, 30_000)
  afterAll(async () => {
    await browser?.close()
    await node.close()
  })
  return {
    node,
    get url() {
      return url
    },
    open: options => openPage(browser, [url], options),
  }
}
