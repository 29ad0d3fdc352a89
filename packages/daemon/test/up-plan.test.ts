/**
 * What `lattice up` is going to start: wired to each other, apart from the surroundings, the same in the
 * next run.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { planNodes } from '../src/cli/up-plan.ts'
import { loadConfig, requireConfig } from '../src/config/index.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lattice-plan-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const surroundings = {
  PATH: '/bin',
  PORT: '1',
  SPACE_ID: 'o/n',
  LATTICE_NODE_NAME: 'mine',
  LATTICE_ADMIN_TOKEN: 'a-token-of-the-user-1',
  LATTICE_HEARTBEAT_INTERVAL: '1s',
  DIOTEC360_STATE_DIR: '/elsewhere',
  JOURNAL_STREAM: '1:2',
}

describe('the plan of lattice up', () => {
  const choice = { count: 3, httpOnly: false, firstPort: 0 }

  it('gives every node a valid configuration that trusts and knows all others', async () => {
    const nodes = await planNodes({ ...choice, directory }, surroundings)
    const configs = nodes.map(({ env }) => {
      const loaded = loadConfig({ env, cwd: directory })
      expect(loaded.warnings).toEqual([])
      return requireConfig(loaded)
    })
    const ids = nodes.map(({ identity }) => identity.nodeId)
    for (const [index, config] of configs.entries()) {
      const others = nodes.filter((_, at) => at !== index)
      expect(config.trustedKeys).toEqual(ids)
      expect(config.nodes).toEqual(others.map(({ url }) => url))
      expect(config.p2pBootstrap.map(({ address }) => address)).toEqual(
        others.map(({ p2pAddress }) => p2pAddress),
      )
      expect(config).toMatchObject({ nodeName: `node${index + 1}`, httpHost: '127.0.0.1', p2pEnabled: true })
      expect(nodes[index]?.p2pAddress.startsWith(`${config.p2pListen[0]}/p2p/`)).toBe(true)
      expect(statSync(config.stateDir).mode & 0o777).toBe(0o700)
    }
    const ports = [
      ...configs.map(({ httpPort }) => httpPort),
      ...configs.map(({ p2pListen }) => p2pListen[0]),
    ]
    expect(new Set(ports).size).toBe(6)
  })

  it('keeps identities between runs, and P2P off where it is not wanted', async () => {
    const first = await planNodes({ ...choice, directory }, {})
    const second = await planNodes({ ...choice, directory, httpOnly: true }, {})
    expect(second.map(({ identity }) => identity.nodeId)).toEqual(
      first.map(({ identity }) => identity.nodeId),
    )
    expect(second.map(({ env }) => env['LATTICE_P2P_ENABLED'])).toEqual(['false', 'false', 'false'])
  })

  it('passes on timings of the user, but nothing that would make nodes alike or foreign', async () => {
    const [node] = await planNodes({ ...choice, directory }, surroundings)
    expect(node?.env).toMatchObject({
      PATH: '/bin',
      LATTICE_HEARTBEAT_INTERVAL: '1s',
      LATTICE_NODE_NAME: 'node1',
    })
    for (const name of ['PORT', 'SPACE_ID', 'LATTICE_ADMIN_TOKEN', 'DIOTEC360_STATE_DIR', 'JOURNAL_STREAM']) {
      expect(node?.env).not.toHaveProperty(name)
    }
  })
})
