import { describe, expect, it } from '@jest/globals'
import { LatticeError, errorCatalog, isLatticeError } from '@lattice/core'

describe('errors', () => {
  it('every code says cause and next step', () => {
    for (const [code, [cause, next]] of Object.entries(errorCatalog)) {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/)
      expect(cause.length).toBeGreaterThan(8)
      expect(next.length).toBeGreaterThan(8)
    }
  })

  it('is recognised by shape, not by class identity', () => {
    expect(isLatticeError(new LatticeError('KEY_INVALID'))).toBe(true)
    expect(isLatticeError(new Error('x'))).toBe(false)
  })
})
