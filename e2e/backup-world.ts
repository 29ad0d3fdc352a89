/** Two nodes that agree on a little of everything, and where the first one's backup is to lie. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lattice, type Outcome } from './command.ts'
import type { Daemon, World } from './daemons.ts'
import { arrives, put } from './federation.ts'

/** What a test of backups works with. */
export interface BackupWorld {
  readonly nodes: readonly Daemon[]
  readonly node: Daemon
  readonly archive: string
  readonly passphrase: string
  /** A command as the operator of `node` gives it: with its settings. */
  readonly run: (...args: string[]) => Promise<Outcome>
}

/** Starts both and writes 302 entries, a counter at 40 among them. */
export async function startBackupWorld(world: World): Promise<BackupWorld> {
  const passphrase = join(world.directory, 'passphrase')
  writeFileSync(passphrase, 'correct horse battery\n', { mode: 0o600 })
  const nodes = await world.federation(2)
  const node = nodes[0] as Daemon
  await put(node, 'account:alice', { balance: 1000 })
  await node.client.transact({ body: { operations: [{ op: 'increment', key: 'visits', by: 40 }] } })
  for (let index = 0; index < 300; index++) await put(node, `k${index}`, 'v'.repeat(index))
  await arrives(nodes, 'visits', 40)
  const run = (...args: string[]): Promise<Outcome> => lattice(args, { env: node.plan.settings })
  return { nodes, node, archive: join(world.directory, 'node.tar'), passphrase, run }
}
