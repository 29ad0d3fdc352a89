/** What was acknowledged is there after a crash. The full ring does the same fifty times. */
import { afterAll, expect, it } from '@jest/globals'
import { crashRound } from './crash-rounds.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'

const world = new World()

afterAll(() => world.close())

it('SIGKILL during 64 concurrent writers loses no acknowledged write, three times', async () => {
  const [node] = (await world.federation(1)) as [Daemon]
  for (let round = 1; round <= 3; round++) expect(await crashRound(node, round)).toBeGreaterThan(0)
}, 60_000)
