/** Several operations, all or none. */
import { routes } from '@lattice/api'
import type { LatticeNode } from '../node.ts'
import { versionText, writeOptions } from './conditions.ts'
import type { Mount } from './mount.ts'
import { invalid } from './problems.ts'

/** Adds the transaction route. */
export function mountTransactions(mount: Mount, node: LatticeNode): void {
  mount(routes.transact, async ({ body }, request, response) => {
    const { operations } = body
    const conditional = 'if-match' in request.headers || 'if-none-match' in request.headers
    if (conditional && operations.length > 1)
      throw invalid('operations', 'If-Match and If-None-Match need a transaction of one operation')
    const receipt = await node.write(operations, writeOptions(request.headers))
    response.json({
      success: true,
      transaction_id: receipt.transactionId,
      version: versionText(receipt.version),
      merkle_root: receipt.root,
    })
  })
}
