/** `lattice watch` over real daemons: passes while all is well, fails loudly at whatever is not. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { documentOf, lattice, launch, type Outcome } from '../command.ts'
import { World, type Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { metOverP2p, put } from '../federation.ts'

const limitMs = 180_000

const world = new World()
let nodes: readonly Daemon[] = []
let node: Daemon
let other: Daemon

const run = (...args: string[]): Promise<Outcome> => lattice(args, { env: node.plan.settings })

beforeAll(async () => {
  nodes = await world.federation(2)
  ;[node, other] = nodes as [Daemon, Daemon]
  await metOverP2p(nodes)
  await put(node, 'a', 1)
}, limitMs)

afterAll(() => world.close())

it(
  'a watch passes while all is well, and fails at a restart, at other states, and at a node that is gone',
  async () => {
    const urls = nodes.map(each => each.url)
    const quick = ['--interval', '500ms', '--settle', '300ms', '--grace', '0s', '--json']
    const well = await run('watch', ...urls, '--for', '1s', ...quick)
    expect([well.code, documentOf(well)]).toMatchObject([0, { ok: true, failures: [], mode_changes: 0 }])
    expect(
      await watchedDuring(urls, async () => {
        await other.stop()
        await other.start()
      }),
    ).toContain(`${other.name} has restarted`)
    const [stranger] = await world.federation(1)
    const differ = await run('watch', node.url, stranger?.url ?? '', '--for', '60s', ...quick)
    expect([differ.code, documentOf(differ)['failures']]).toEqual([
      1,
      [expect.stringContaining('different states')],
    ])
    await other.stop()
    const gone = await run('watch', ...urls, '--for', '60s', ...quick.slice(0, -1))
    expect([gone.code, gone.stdout]).toEqual([
      1,
      expect.stringMatching(/✗ Not well after .* of 1m:\n.*UNREACHABLE/),
    ])
    const away = documentOf(await run('netcheck', '--json'))
    expect(away['ways']).toMatchObject([{ outcome: 'failed' }, { outcome: 'failed' }])
    expect((await run('doctor')).code).toBe(1)
  },
  limitMs,
)

/** What a watch prints that has begun to look before `trouble`, and ends by it. */
async function watchedDuring(urls: readonly string[], trouble: () => Promise<void>): Promise<string> {
  const args = ['watch', ...urls, '--for', '10m', '--interval', '500ms', '--grace', '5m']
  const child = launch(args, { env: node.plan.settings }, ['ignore', 'pipe', 'inherit'])
  let printed = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const ended = once(child, 'close')
  try {
    await eventually('the watch has begun', () => printed.includes('same state'), 40_000)
    await trouble()
    const [code] = (await ended) as [number]
    expect(code).toBe(1)
    return printed
  } finally {
    child.kill()
  }
}
