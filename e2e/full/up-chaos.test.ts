/** `lattice up --chaos`: a user watches P2P die without a word and come back. */
import { describe, expect, it } from '@jest/globals'
import { documentOf, lattice } from '../command.ts'

describe('lattice up --chaos', () => {
  it('shows a write arriving during a silent cut, HTTP declared, and the return to P2P', async () => {
    const outcome = await lattice(['up', '--chaos', '--once', '--count', '2', '--json'])
    expect(outcome).toMatchObject({ code: 0 })
    const { proofs, chaos } = documentOf(outcome) as {
      proofs: readonly { key: string; path: string; ms: number }[]
      chaos: { http_declared_ms: number; p2p_back_ms: number }
    }
    expect(proofs.map(({ key, path }) => [key, path])).toEqual([
      ['demo/hello', 'p2p'],
      ['demo/during-the-cut', 'http'],
      ['demo/after-the-cut', 'p2p'],
    ])
    expect(proofs[1]?.ms).toBeLessThan(3000)
    expect(chaos.http_declared_ms).toBeGreaterThan(2000)
    expect(chaos.http_declared_ms).toBeLessThan(15_000)
    expect(chaos.p2p_back_ms).toBeGreaterThan(4000)
    expect(chaos.p2p_back_ms).toBeLessThan(30_000)
  }, 60_000)

  it('refuses to cut what is switched off', async () => {
    const outcome = await lattice(['up', '--chaos', '--http-only'])
    expect(outcome).toMatchObject({ code: 64, stderr: expect.stringContaining('choose one') })
  })
})
