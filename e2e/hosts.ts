/** Hosts of their own for the rows of one test file: made before the first, removed after the last. */
import { afterAll, beforeAll, describe } from '@jest/globals'
import type { Settings } from './command.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { HostNetwork, namespacesMissing } from './namespaces.ts'

/** What the rows of a file work on, once they run. */
export interface Hosts {
  /** `describe`; skips, with a line on stderr, where namespaces cannot be made. */
  readonly rows: (title: string, body: () => void) => void
  readonly network: HostNetwork
  readonly nodes: readonly Daemon[]
}

/**
 * Starts one daemon on each of `count` hosts for the rows of this file.
 * @throws where namespaces cannot be made in CI: a machine that cannot test these rows has not passed
 */
export function hostsForRows(
  count: number,
  settings: Settings,
  how: { readonly named?: boolean } = {},
): Hosts {
  const missing = namespacesMissing()
  if (missing !== undefined && process.env['CI'] === 'true')
    throw new Error(`partitions cannot be tested: ${missing}`)
  if (missing !== undefined) process.stderr.write(`partitions are not tested: ${missing}\n`)
  const world = new World()
  let opened: HostNetwork | undefined
  const network = (): HostNetwork => {
    if (opened === undefined) throw new Error('the hosts exist only while rows run')
    return opened
  }
  beforeAll(async () => {
    if (missing === undefined) opened = await HostNetwork.open(world, count, settings, how)
  }, 60_000)
  afterAll(async () => {
    await opened?.close()
    await world.close()
  })
  return {
    rows: missing === undefined ? describe : describe.skip,
    get network() {
      return network()
    },
    get nodes() {
      return network().nodes
    },
  }
}
