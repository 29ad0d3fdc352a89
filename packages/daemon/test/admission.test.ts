/** What is let in while a commit fails. */
import { expect, it } from '@jest/globals'
import { encodeValue, signEntry, versionAt } from '@lattice/core'
import { Admission } from '../src/admission.ts'
import { createVerifier, sha256 } from '../src/host/crypto.ts'
import { identityFromSeed } from '../src/host/identity.ts'

it('an entry is verified after all when the commit that was to bring it is refused meanwhile', async () => {
  const { nodeId, signer } = identityFromSeed(Buffer.alloc(32, 7), 'generated')
  const signed = ['first', 'second'].map(key => {
    const content = { key, slot: '', value: encodeValue(1), base: 0n, version: versionAt(1) }
    return signEntry(content, signer, sha256).bytes
  })
  const onItsWay = new Set(['first'])
  const { verify } = createVerifier()
  const admission = new Admission({
    hash: sha256,
    verifier: {
      verify: items => {
        onItsWay.clear()
        return verify(items)
      },
    },
    knows: () => true,
    isNews: ({ key }) => !onItsWay.has(key),
    log: () => undefined,
  })
  const { entries } = await admission.admit({ entries: signed }, nodeId)
  expect(entries.map(({ key }) => key).sort()).toEqual(['first', 'second'])
})
