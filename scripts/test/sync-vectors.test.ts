/** The signed messages of vectors/ come out the same whenever they are made. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { syncVectors } from '../sync-vectors.ts'

it('sync.json is what the generator makes', () => {
  expect(readFileSync(join(import.meta.dirname, '../../vectors/sync.json'), 'utf8')).toBe(syncVectors())
})
