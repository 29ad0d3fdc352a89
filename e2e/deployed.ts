/**
 * Daemons started from the files in configs/, with what an operator supplies (keys) and what one machine
 * needs (loopback addresses, ports, directories) in the environment.
 */
import { join } from 'node:path'
import type { Daemon, World } from './daemons.ts'
import { settingsOf } from './daemons.ts'
import { freePort } from './ports.ts'

const configs = join(import.meta.dirname, '../configs')

/** One daemon for each file, as one federation; not started yet. */
export async function deployed(world: World, files: readonly string[]): Promise<Daemon[]> {
  const drafts = await Promise.all(
    files.map(async file => {
      const name = file.replace(/\.env$/, '').replaceAll('/', '-')
      const [made, http, p2p] = await Promise.all([world.identity(name), freePort(), freePort()])
      return { name, ...made, url: `http://127.0.0.1:${http}`, p2pAddress: `/ip4/127.0.0.1/tcp/${p2p}` }
    }),
  )
  return drafts.map((draft, index) => {
    // The name is the file's own; everything that is not of one machine comes from there.
    const { LATTICE_NODE_NAME: _, ...here } = settingsOf(draft, drafts)
    const own = {
      LATTICE_CONFIG: join(configs, files[index] ?? ''),
      LATTICE_P2P_ANNOUNCE: '',
      LATTICE_ADMIN_TOKEN: 'a-token-of-some-length',
    }
    return world.daemon({ ...draft, settings: { ...here, ...own } })
  })
}
