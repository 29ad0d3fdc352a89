/**
 * Logs: JSON lines or human lines, no secrets, no forged lines, no crash on a closed stream; and the real
 * clock.
 */
import { fstatSync, openSync, closeSync } from 'node:fs'
import { PassThrough, Writable } from 'node:stream'

import { describe, expect, it } from '@jest/globals'

import { banner } from '../src/banner.ts'
import { Secret } from '../src/config/index.ts'
import { systemClock } from '../src/host/clock.ts'
import { createLog, readsJournal } from '../src/host/log.ts'
import type { LogOptions } from '../src/host/log.ts'

const canary = 'canary-"quoted"-0123456789'

function capture(options: Partial<LogOptions> & { isTTY?: boolean } = {}) {
  const stream = Object.assign(new PassThrough(), { isTTY: options.isTTY === true })
  const { isTTY: _, ...rest } = options
  const log = createLog({ stream, level: 'info', format: 'auto', node: 'node1', env: {}, ...rest })
  const text = async (): Promise<string> => {
    await log.flush()
    return String(stream.read() ?? '')
  }
  return { log, text, stream }
}

describe('O3: log', () => {
  it('writes one JSON object per line where no terminal is, with the agreed fields', async () => {
    const { log, text } = capture({ mode: () => 'HTTP' })
    log.info('peer is up', {
      code: 'PEER_UP',
      peer: 'ab12',
      rttMs: 4,
      big: 12n,
      bytes: new Uint8Array([1, 2]),
    })
    log.child({ part: 'p2p' }).warn('two\nlines')
    const lines = (await text()).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    const [first, second] = lines.map(line => JSON.parse(line) as Record<string, unknown>)
    expect(first).toEqual({
      ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: 'info',
      msg: 'peer is up',
      code: 'PEER_UP',
      node: 'node1',
      peer: 'ab12',
      mode: 'HTTP',
      rttMs: 4,
      big: '12',
      bytes: '0102',
    })
    expect(second).toMatchObject({ level: 'warn', msg: 'two\nlines', part: 'p2p' })
  })

  it('keeps the level, and changes it for all children', async () => {
    const { log, text } = capture()
    const child = log.child({})
    child.debug('no')
    log.setLevel('debug')
    child.debug('yes')
    expect((await text()).match(/"msg":"\w+"/g)).toEqual(['"msg":"yes"'])
  })

  it('writes for people on a terminal, and lets nobody forge a line or move the cursor', async () => {
    const { log, text } = capture({ isTTY: true, env: { NO_COLOR: '1' } })
    log.warn('peer says \u001b[31mred\nfake', { peer: 'a\u0007b' })
    const line = await text()
    expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}peer says \\x1b\[31mred\\x0afake peer=a\\x07b\n$/)
  })

  it('colours only a terminal that wants it', async () => {
    const coloured = capture({ isTTY: true })
    coloured.log.info('x')
    expect(await coloured.text()).toContain('\u001b[')
    const dumb = capture({ isTTY: true, env: { TERM: 'dumb' } })
    dumb.log.info('x')
    expect(await dumb.text()).not.toContain('\u001b[')
  })

  it('never prints a secret: by type, by name, or inside other text', async () => {
    for (const isTTY of [true, false]) {
      const { log, text } = capture({ isTTY, secrets: [new Secret(canary)] })
      log.error(`failed with ${canary}`, {
        adminToken: canary,
        headers: { authorization: `Bearer ${canary}`, nested: { password: canary } },
        secret: new Secret(canary),
        seed: new Uint8Array([1, 2, 3]),
        error: new Error(`boom ${canary}`, { cause: new Error(canary) }),
        list: [canary],
      })
      const printed = await text()
      expect(printed).toContain('***')
      expect(printed).not.toMatch(/canary|010203/)
    }
  })

  it('survives cycles, errors, and fields that look like its own', async () => {
    const { log, text } = capture()
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const error = Object.assign(new Error('no route'), { code: 'ENETUNREACH' })
    log.error('bad', { cycle, error, level: 'debug', message: 'other', node: 'forged' })
    const line = JSON.parse(await text()) as Record<string, unknown>
    expect(line).toMatchObject({
      level: 'error',
      msg: 'bad',
      error: { code: 'ENETUNREACH', message: 'no route' },
    })
  })

  it('goes on when nobody reads any more', async () => {
    const stream = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    const log = createLog({ stream, level: 'info', format: 'json', node: 'n', env: {} })
    for (let index = 0; index < 10; index++) log.info('x')
    await log.flush()
    expect(() => log.info('still alive')).not.toThrow()
    await log.flush()
    expect(stream.errored).toMatchObject({ code: 'EPIPE' })
  })

  it('prefixes the priority only where journald reads this very stream', async () => {
    const fd = openSync('/dev/null', 'w')
    try {
      const { dev, ino } = fstatSync(fd)
      const env = { JOURNAL_STREAM: `${dev}:${ino}` }
      expect(readsJournal(env, fd)).toBe(true)
      expect(readsJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd)).toBe(false)
      expect(readsJournal({}, fd)).toBe(false)
      const stream = Object.assign(new PassThrough(), { fd })
      const log = createLog({ stream, level: 'debug', format: 'json', node: 'n', env })
      log.error('e')
      log.warn('w')
      log.info('i')
      log.debug('d')
      await log.flush()
      expect(String(stream.read()).match(/^<\d>(?=\{)/gm)).toEqual(['<3>', '<4>', '<6>', '<7>'])
    } finally {
      closeSync(fd)
    }
  })
})

describe('F3: banner', () => {
  it('takes at most 12 lines and no colour unless asked', () => {
    const facts = {
      version: '0.1.0',
      nodeName: 'node1',
      nodeRole: 'node',
      peerId: '12D3KooWHWCwT4ez6TLvafexjMaC6VrvSzJ2waYJgBV18R3jxDeh',
      mode: 'AUTO, no path proven yet',
      urls: ['http://127.0.0.1:8000'],
      p2pAddresses: ['/ip4/127.0.0.1/tcp/9000'],
      stateDir: '/var/lib/lattice',
      sources: 'defaults, environment',
      warnings: ['one', 'two', 'three', 'four'],
    }
    const text = banner(facts, false)
    expect(text.split('\n').length).toBeLessThanOrEqual(12)
    expect(text).not.toContain('\u001b')
    for (const shown of [
      facts.version,
      'node1',
      facts.peerId,
      facts.mode,
      'http://127.0.0.1:8000',
      '/var/lib/lattice',
    ]) {
      expect(text).toContain(shown)
    }
    expect(text).toContain('and 2 more: lattice config')
    expect(banner(facts, true)).toContain('\u001b[1m')
  })
})

describe('clock', () => {
  it('rings once when the moment has come, never before, and not after being cancelled', async () => {
    const { mono } = systemClock.now()
    const rung: number[] = []
    const cancel = systemClock.alarm(mono + 5, () => rung.push(-1))
    cancel()
    await new Promise<void>(resolve => {
      systemClock.alarm(mono + 25, () => {
        rung.push(systemClock.now().mono)
        resolve()
      })
    })
    expect(rung).toHaveLength(1)
    expect(rung[0]).toBeGreaterThanOrEqual(mono + 25)
  })

  it('does not ring at once for a moment beyond the reach of one timer', async () => {
    const { mono } = systemClock.now()
    const rung: string[] = []
    const cancel = systemClock.alarm(mono + 2 ** 40, () => rung.push('far'))
    await new Promise<void>(resolve => systemClock.alarm(mono + 20, resolve))
    cancel()
    expect(rung).toEqual([])
  })
})
