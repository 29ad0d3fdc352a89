/** Goal G4: fifty kills under load, no acknowledged write lost. */
import { afterAll, expect, it } from '@jest/globals'
import { crashRound } from '../crash-rounds.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'

const world = new World()
const rounds = 50

afterAll(() => world.close())

it('SIGKILL during 64 concurrent writers loses no acknowledged write, fifty times (G4)', async () => {
  const [node] = (await world.federation(1)) as [Daemon]
  for (let round = 1; round <= rounds; round++) expect(await crashRound(node, round)).toBeGreaterThan(0)
}, 600_000)
