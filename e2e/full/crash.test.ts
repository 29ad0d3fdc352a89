/** Goal G4: fifty kills under load, no acknowledged write lost. KILLS says how many (S1: 2,000). */
import { afterAll, expect, it } from '@jest/globals'
import { crashRound } from '../crash-rounds.ts'
import { World } from '../daemons.ts'
import type { Daemon } from '../daemons.ts'

const world = new World()
const rounds = Number(process.env['KILLS'] ?? 50)

afterAll(() => world.close())

it(
  'SIGKILL during 64 concurrent writers loses no acknowledged write, time and again (G4)',
  async () => {
    const [node] = (await world.federation(1)) as [Daemon]
    for (let round = 1; round <= rounds; round++) expect(await crashRound(node, round)).toBeGreaterThan(0)
  },
  rounds * 12_000,
)
