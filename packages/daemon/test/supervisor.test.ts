/** The process watchdog: what systemd is told, and when it is told nothing (experience §3). */
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { createPulse } from '../src/host/pulse.ts'
import { createSupervisor, extendStart, watchdogMs } from '../src/host/systemd.ts'

let directory = ''
let program = ''
let heard = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-supervisor-'))
  heard = join(directory, 'heard')
  program = join(directory, 'notify')
  writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $1" >>${heard}\n`)
  chmodSync(program, 0o755)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries += 1) {
    if (tries === 200) throw new Error('it never came to that')
    await wait(20)
  }
}

const words = (): string[] => (existsSync(heard) ? readFileSync(heard, 'utf8').trimEnd().split('\n') : [])

function supervisor(env: Record<string, string>, trouble: () => string | undefined = () => undefined) {
  const warnings: string[] = []
  const voice = createSupervisor({ env, trouble, program, warn: text => warnings.push(text) })
  return { voice, warnings }
}

describe('the voice towards systemd', () => {
  it('says ready, each new status once, and stopping, in this order', async () => {
    const { voice, warnings } = supervisor({ NOTIFY_SOCKET: '/n' })
    voice.ready()
    voice.status('AUTO→p2p, 2/2 peers, lag 0')
    voice.status('AUTO→p2p, 2/2 peers, lag 0')
    voice.status('two\nlines')
    await voice.stopping()
    expect(words()).toEqual([
      '/n READY=1',
      '/n STATUS=AUTO→p2p, 2/2 peers, lag 0',
      '/n STATUS=two lines',
      '/n STOPPING=1',
    ])
    expect(warnings).toEqual([])
  })

  it('says nothing without NOTIFY_SOCKET', async () => {
    const { voice } = supervisor({ WATCHDOG_USEC: '1000' })
    voice.ready()
    voice.status('x')
    await voice.stopping()
    expect(words()).toEqual([])
  })

  it('vouches for the process only while nothing is wrong', async () => {
    const env = { NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '40000' }
    let looks = 0
    const looked = Promise.withResolvers<void>()
    const { voice, warnings } = supervisor(env, () => {
      if (++looks === 3) looked.resolve()
      return looks === 2 ? 'the engine should have moved 6000 ms ago' : undefined
    })
    voice.ready()
    await looked.promise
    await voice.stopping()
    expect(words().filter(word => word.endsWith('WATCHDOG=1')).length).toBe(looks - 1)
    expect(warnings).toEqual([expect.stringContaining('the engine should have moved')])
  })

  it('a long start asks for more time, again and again, until it serves', async () => {
    const asks = (): number => words().filter(word => word === '/n EXTEND_TIMEOUT_USEC=90000000').length
    {
      using _start = extendStart({ env: { NOTIFY_SOCKET: '/n' }, everyMs: 20, program })
      await eventually(() => asks() >= 3)
    }
    await eventually(async () => {
      const before = words().length
      await wait(100)
      return words().length === before
    })
    using _other = extendStart({ env: {}, everyMs: 1, program })
    const said = words().length
    await wait(50)
    expect(words()).toHaveLength(said)
  })

  it('a program that is not there is told once', async () => {
    const warnings: string[] = []
    const voice = createSupervisor({
      env: { NOTIFY_SOCKET: '/n' },
      trouble: () => undefined,
      program: join(directory, 'gone'),
      warn: text => warnings.push(text),
    })
    voice.ready()
    await voice.stopping()
    expect(warnings).toEqual([expect.stringContaining('READY=1')])
  })

  it('the watchdog of another process is not ours', () => {
    expect(watchdogMs({ WATCHDOG_USEC: '30000000' })).toBe(30_000)
    expect(watchdogMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) })).toBe(30_000)
    expect(watchdogMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' })).toBeUndefined()
    expect(watchdogMs({ WATCHDOG_USEC: 'soon' })).toBeUndefined()
  })
})

describe('the pulse', () => {
  it('an engine that misses its alarm by more than 5 s is in trouble', () => {
    const pulse = createPulse(() => 0)
    expect(pulse.trouble(1e9)).toBeUndefined()
    pulse.moved(1000)
    expect(pulse.trouble(6000)).toBeUndefined()
    expect(pulse.trouble(6001)).toContain('should have moved 5001 ms ago')
    pulse.moved(7000)
    expect(pulse.trouble(6001)).toBeUndefined()
  })

  it('a commit may take a minute, and ends whether it succeeds or fails', async () => {
    const pulse = createPulse(() => 0)
    for (const end of ['resolve', 'reject'] as const) {
      const commit = Promise.withResolvers<void>()
      pulse.committing(commit.promise)
      expect(pulse.trouble(60_000)).toBeUndefined()
      expect(pulse.trouble(60_001)).toContain('a commit has been under way')
      commit[end]()
      await commit.promise.catch(() => undefined)
      await Promise.resolve()
      expect(pulse.trouble(60_001)).toBeUndefined()
    }
  })
})

describe('the units', () => {
  it('that read the settings read the environment of the service, too, which wins over them', () => {
    const units = globSync(join(import.meta.dirname, '../../../deploy/systemd/*.service'))
    const texts = units.map(unit => [basename(unit), readFileSync(unit, 'utf8')] as const)
    const reading = texts.filter(([, text]) => text.includes('--config /etc/lattice/lattice.env'))
    expect(reading).toHaveLength(4)
    const lacking = reading.filter(([, text]) => !/^EnvironmentFile=-\/etc\/default\/lattice$/m.test(text))
    expect(lacking.map(([name]) => name)).toEqual([])
  })
})
