/** The promises of every transport, kept over real HTTP. */
import type { NodeId } from '@lattice/core'
import { transportSuite, type Federation } from '@lattice/core/testing'
import { deadUrl, newSigner, openNode } from './harness.ts'

transportSuite('http', async (count): Promise<Federation> => {
  const signers = Array.from({ length: count }, newSigner)
  const unreachable = newSigner().nodeId
  const trusted = new Set<NodeId>([...signers.map(signer => signer.nodeId), unreachable])
  const urls: string[] = [await deadUrl()]
  const opened = await Promise.all(signers.map(signer => openNode({ signer, trusted, urls: () => urls })))
  const outside = await openNode({ trusted, urls: () => urls })
  urls.push(...opened.map(({ url }) => url))
  const members = opened.map(({ build }) => build())
  const outsider = outside.build()
  return {
    members,
    unreachable,
    outsider,
    close: async () => {
      await Promise.all([...members, outsider].map(node => node.close()))
    },
  }
})
