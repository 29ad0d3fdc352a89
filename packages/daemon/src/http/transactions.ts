/** Several operations, all or none. */
import { routes } from '@lattice/api'
import type { LatticeNode } from '../node.ts'
import { versionText, writeOptions } from './conditions.ts'
import type { Mount } from './mount.ts'
import { HttpProblem } from './problems.ts'

/** Adds the transaction route. */
export function mountTransactions(mount: Mount, node: LatticeNode): void {
  mount(routes.transact, async ({ body }, request, response) => {
    const { operations } = body
    const [only, ...others] = operations
    const conditional = 'if-match' in request.headers || 'if-none-match' in request.headers
    if (conditional && others.length > 0) {
      throw new HttpProblem(
        'REQUEST_INVALID',
        'If-Match and If-None-Match need a transaction of one operation',
      )
    }
    const options = writeOptions(request.headers, () =>
      only === undefined ? undefined : node.read(only.key),
    )
    const receipt = await node.write(operations, options)
    response.json({
      success: true,
      transaction_id: receipt.transactionId,
      version: versionText(receipt.version),
      merkle_root: receipt.root,
    })
  })
}
