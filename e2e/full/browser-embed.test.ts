/**
 * The dashboard inside pages of others: in the frame of a Space, as a React component from the built package,
 * and in the gallery.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { AxeBuilder } from '@axe-core/playwright'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, openPage } from '../browser.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { metOverP2p, statusOf } from '../federation.ts'

const packageDirectory = join(import.meta.dirname, '../../packages/dashboard')
// Within the checkout, so that the package is found as it is installed: built, with types and CSS.
const workshop = mkdtempSync(join(import.meta.dirname, '../../node_modules/.browser-embed-'))
const types: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.css': 'text/css' }

const world = new World()
let browser: Browser
let host: Server
let origin: string
let one: Daemon
let two: Daemon

/** Builds the examples as a front end would: the bundler takes the built package, not its sources. */
async function bundle(): Promise<void> {
  const input = { react: 'examples/react.html', gallery: 'examples/gallery.html' }
  const places = Object.fromEntries(
    Object.entries(input).map(([name, path]) => [name, join(packageDirectory, path)]),
  )
  const build = {
    outDir: join(workshop, 'out'),
    target: 'es2024',
    rolldownOptions: { input: places },
    modulePreload: { polyfill: false },
  }
  const config = { root: packageDirectory, base: './', logLevel: 'error', build }
  writeFileSync(join(workshop, 'vite.config.mjs'), `export default ${JSON.stringify(config)}`)
  const vite = join(import.meta.dirname, '../../node_modules/vite/bin/vite.js')
  const args = [vite, 'build', '--config', join(workshop, 'vite.config.mjs')]
  await promisify(execFile)(process.execPath, args, { cwd: workshop })
}

beforeAll(async () => {
  const built = bundle()
  host = createServer((request, response) => {
    const name = /^\/([\w./-]+)$/.exec(request.url?.split('?')[0] ?? '')?.[1] ?? ''
    if (name.includes('..')) return void response.writeHead(404).end()
    const type = types[extname(name)] ?? 'text/html'
    response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8` })
    return void response.end(readFileSync(join(workshop, 'out', name)))
  })
  await new Promise<void>(resolve => host.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
  const space = {
    SPACE_ID: 'org/node1',
    SPACE_HOST: 'org-node1.hf.space',
    LATTICE_P2P_ANNOUNCE: '',
    LATTICE_CORS_ORIGINS: origin,
  }
  ;[[one, two], browser] = await Promise.all([
    world.federation(2, { each: [space] }) as Promise<[Daemon, Daemon]>,
    // A page of the Internet may not frame this machine; the node of a Space would be out there too.
    launchBrowser(['--disable-features=LocalNetworkAccessChecks']),
  ])
  await metOverP2p([one, two])
  await built
}, 120_000)

afterAll(async () => {
  await browser?.close()
  host?.closeAllConnections()
  host?.close()
  await world.close()
  rmSync(workshop, { recursive: true, force: true })
})

/** A page at `address` that frames the dashboard, in a browser that gives frames no storage. */
async function framed(address: string): Promise<Page> {
  const { page } = await openPage(browser, [one.url, new URL(address).origin])
  await page.addInitScript(`if (window !== window.top) {
    const get = () => { throw new DOMException('no storage for frames', 'SecurityError') }
    for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get })
  }`)
  await page.route(`${address}**`, route =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><iframe id="space" width="900" height="700" src="${one.url}"></iframe>`,
    }),
  )
  await page.goto(address)
  return page
}

describe('the page in a frame', () => {
  it('works on huggingface.co when the node is on a Space, without cookies and storage', async () => {
    const page = await framed('https://huggingface.co/spaces/org/node1')
    const inside = page.frameLocator('#space')
    await eventually('the verdict is shown', async () =>
      (await inside.locator('.page-verdict').textContent())?.includes('Both nodes agree'),
    )
    await inside.getByLabel('Theme').selectOption('dark')
    await inside.getByRole('radio', { name: 'HTTP only' }).click()
    await inside.getByRole('button', { name: 'Switch to HTTP only' }).click()
    // A frame of a stranger's page is no reason to trust less or more: this node listens on loopback.
    await eventually('it has switched', async () => (await statusOf(one)).mode === 'http')
    await one.client.switchMode({ query: { mode: 'auto' } })
    expect(await page.context().cookies()).toEqual([])
    await page.context().close()
  }, 60_000)

  it('is refused to anybody else', async () => {
    const page = await framed('https://evil.example/')
    const frame = await eventually('the frame has loaded something', () =>
      Promise.resolve(page.frames().find(each => each !== page.mainFrame())),
    )
    await expect(frame.locator('.page-verdict').waitFor({ timeout: 3000 })).rejects.toThrow('Timeout')
    await page.context().close()
  }, 60_000)
})

describe('NetworkStatus from the built package', () => {
  it('brings no dependency beyond React, no global styles, and types', () => {
    const built = join(packageDirectory, 'dist/embed')
    const imports = [...readFileSync(join(built, 'index.js'), 'utf8').matchAll(/from\s*["']([^"']+)["']/g)]
    expect(new Set(imports.map(([, name]) => name))).toEqual(new Set(['react', 'react/jsx-runtime']))
    expect(readdirSync(join(packageDirectory, 'dist/types'))).toContain('index.d.ts')
    const css = readFileSync(join(built, 'style.css'), 'utf8')
    const selectors = [...css.matchAll(/(?:^|[{}])\s*([^{}@]+)\{/g)].map(([, selector = '']) => selector)
    expect(selectors.length).toBeGreaterThan(30)
    // `a, b` outside brackets are two selectors.
    const each = selectors.flatMap(selector => selector.replace(/\((?:[^()]|\([^()]*\))*\)/g, '').split(','))
    expect(each.filter(selector => !selector.includes('.lat-root'))).toEqual([])
  })

  it('works in a React front end, says the legacy text, and switches', async () => {
    const { page, complaints } = await openPage(browser, [origin, one.url])
    await page.goto(`${origin}/examples/react.html?node=${encodeURIComponent(one.url)}`)
    const part = page.getByRole('region', { name: 'Network status' })
    await eventually('it says that all is well', async () =>
      (await part.textContent())?.includes('🟢 Resilient (P2P Mode)'),
    )
    await part.getByRole('radio', { name: 'HTTP only' }).click()
    await part.getByRole('button', { name: 'Switch to HTTP only' }).click()
    await eventually('it shows the fallback', async () =>
      (await part.textContent())?.includes('🟡 Resilient (HTTP Fallback)'),
    )
    await part.getByRole('button', { name: 'Undo' }).click()
    await eventually('it is on auto', async () => (await statusOf(one)).mode === 'auto')
    expect(complaints).toEqual([])
    await page.context().close()
  }, 60_000)

  it('the gallery shows every state in both themes, and axe objects to none', async () => {
    const { page, complaints } = await openPage(browser, [origin])
    await page.goto(`${origin}/examples/gallery.html`)
    const rows = page.locator('.gallery-row')
    const wanted = ['p2p', 'http', 'degraded', 'down', 'asleep', 'unknown']
    await eventually('every state is there, twice', async () => {
      const marks = await rows.locator('.lat-head [data-state]').all()
      const states = await Promise.all(marks.map(mark => mark.getAttribute('data-state')))
      return JSON.stringify(states) === JSON.stringify(wanted.flatMap(state => [state, state]))
    })
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)).toEqual([])
    expect(complaints).toEqual([])
    await page.context().close()
  }, 120_000)
})
