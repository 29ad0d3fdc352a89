/** A wall clock that is set while the daemon runs (reliability T2), by Debian's libfaketime. */
import { existsSync, globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from '@jest/globals'
import { follow } from '../changes.ts'
import { World } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { arrives, equalRoots, metOverP2p, put } from '../federation.ts'

const [library = ''] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
const missing = existsSync(library) ? undefined : 'the package faketime is not installed'
if (missing !== undefined && process.env['CI'] === 'true')
  throw new Error(`clocks cannot be tested: ${missing}`)
if (missing !== undefined) process.stderr.write(`clocks are not tested: ${missing}\n`)
const world = new World()

afterAll(() => world.close())

const rows = missing === undefined ? describe : describe.skip

rows('the wall clock', () => {
  it('T2: steps back two hours: versions still grow, libp2p is restarted, writes arrive over P2P within 30 s', async () => {
    const clock = join(world.directory, 'clock')
    const set = (seconds: number): void => writeFileSync(clock, `${seconds < 0 ? '' : '+'}${seconds}\n`)
    set(0)
    const faked = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    const [stepped, steady] = await world.federation(2, { each: [faked] })
    if (stepped === undefined || steady === undefined) throw new Error('two nodes')
    await metOverP2p([stepped, steady])
    const versions = [await put(stepped, 't2', 0)]
    set(-7200)
    const steppedAt = performance.now()
    for (let turn = 1; turn <= 5; turn++) versions.push(await put(stepped, 't2', turn))
    await eventually('the jump is noticed', () =>
      stepped.log.includes('the wall clock jumped; P2P is restarted'),
    )
    await metOverP2p([stepped, steady])
    const changes = await follow(steady)
    const version = await put(stepped, 't2/after', 'the step')
    expect(await changes.arrival(version)).toBe('p2p')
    changes.close()
    expect(performance.now() - steppedAt).toBeLessThan(30_000)
    versions.push(version, await put(stepped, 't2', 6))
    // Sixteen hex digits sort as numbers do; equal ones would be a clock that stood still.
    expect(new Set(versions).size).toBe(versions.length)
    expect(versions).toEqual(versions.toSorted())
    await arrives([steady], 't2', 6)
    await equalRoots([stepped, steady])
    const healthy = (await stepped.client.getPeers()).peers.every(({ path }) => path === 'p2p')
    expect(healthy).toBe(true)
  }, 90_000)
})
