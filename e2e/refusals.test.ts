/** Starts that must not succeed: a clear error and exit code each, and nothing that was there is changed. */
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { lattice } from './command.ts'
import type { Outcome, Settings } from './command.ts'
import { World } from './daemons.ts'
import type { Daemon } from './daemons.ts'
import { put, rootOf, valueOf } from './federation.ts'
import { freePort } from './ports.ts'

const world = new World()
let node: Daemon

beforeAll(async () => {
  ;[node] = (await world.federation(1)) as [Daemon]
}, 60_000)

afterAll(() => world.close())

/** Settings of a start of its own, in `directory` of the world. */
async function settings(directory: string, over: Settings = {}): Promise<Settings> {
  const [http, p2p] = await Promise.all([freePort(), freePort()])
  return {
    LATTICE_STATE_DIR: join(world.directory, directory),
    LATTICE_HTTP_PORT: String(http),
    LATTICE_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${p2p}`,
    LATTICE_LOG_FORMAT: 'json',
    ...over,
  }
}

async function start(directory: string, over: Settings = {}): Promise<Outcome> {
  return lattice(['start'], { env: await settings(directory, over) })
}

function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

describe('settings', () => {
  it('C3, C4: every problem is named at once, with the nearest valid key and the source; exit 78', async () => {
    const outcome = await start('unknown', {
      LATTICE_HTTP_PROT: '1',
      LATTICE_HEARTBEAT_INTERVAL: 'soon',
      LATTICE_P2P_BOOTSTRAP: '/ip4/192.0.2.1/tcp/9000/p2p/PEER_ID_1',
    })
    expect(outcome.code).toBe(78)
    expect(outcome.stderr).toMatch(/LATTICE_HTTP_PROT.*LATTICE_HTTP_PORT/)
    expect(outcome.stderr).toMatch(/LATTICE_HEARTBEAT_INTERVAL.*env LATTICE_HEARTBEAT_INTERVAL/)
    expect(outcome.stderr).toMatch(/LATTICE_P2P_BOOTSTRAP.*lattice id/)
    expect(existsSync(join(world.directory, 'unknown'))).toBe(false)
  })

  it('production without trusted keys is refused; exit 78', async () => {
    const outcome = await start('production', { LATTICE_ENVIRONMENT: 'production' })
    expect(outcome.code).toBe(78)
    expect(outcome.stderr).toContain('LATTICE_TRUSTED_KEYS')
  })

  it('production beyond loopback without a token of the operator is refused; exit 78', async () => {
    const outcome = await start('open', {
      LATTICE_ENVIRONMENT: 'production',
      LATTICE_TRUSTED_KEYS: node.plan.identity.publicKey,
      LATTICE_HTTP_HOST: '0.0.0.0',
    })
    expect(outcome.code).toBe(78)
    expect(outcome.stderr).toContain('LATTICE_ADMIN_TOKEN')
  })
})

describe('what is taken', () => {
  it('a second daemon on the same directory ends, names the first, and disturbs nothing', async () => {
    await put(node, 'k', 'kept')
    const root = await rootOf(node)
    const outcome = await start(node.name)
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toMatch(new RegExp(`process ${node.pid}.*STORE_LOCKED`))
    await put(node, 'k', 'still writable')
    expect(await valueOf(node, 'k')).toBe('still writable')
    await put(node, 'k', 'kept')
    expect(await rootOf(node)).not.toBe(root)
  })

  it('an HTTP port in use is named; exit 69; the directory is free again', async () => {
    const outcome = await start('port', { LATTICE_HTTP_PORT: new URL(node.url).port })
    expect(outcome.code).toBe(69)
    expect(outcome.stderr).toMatch(/already in use.*PORT_IN_USE/)
    expect(outcome.stderr).toContain('LATTICE_HTTP_PORT')
    expect(outcome.stdout).not.toContain('could not be sent')
    expect(readdirSync(join(world.directory, 'port'))).not.toContain('daemon.pid')
  })

  it('a P2P port in use: HTTP carries at once, and the status says why', async () => {
    const occupier = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => occupier.once('listening', resolve))
    const address = occupier.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const nodes = await world.federation(2, { each: [{ LATTICE_P2P_LISTEN: `/ip4/127.0.0.1/tcp/${port}` }] })
    const [hindered] = nodes as [Daemon, Daemon]
    const status = await hindered.client.getP2pStatus()
    expect(status).toMatchObject({
      enabled: true,
      started: false,
      error: expect.stringContaining(String(port)),
    })
    await new Promise(resolve => occupier.close(resolve))
    await Promise.all(nodes.map(each => each.stop()))
  }, 60_000)
})

describe('a broken or foreign data directory', () => {
  it.each([
    [
      'something that is no database',
      'STORE_FOREIGN',
      (file: string) => writeFileSync(file, 'x'.repeat(9000)),
    ],
    [
      'the database of another program',
      'STORE_FOREIGN',
      (file: string) => {
        const database = new DatabaseSync(file)
        database.exec('CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)')
        database.close()
      },
    ],
  ])('%s is refused and left as it is', async (name, code, make) => {
    const directory = name.replaceAll(' ', '-')
    const { stateDir } = await world.identity(directory)
    const file = join(stateDir, databaseName())
    make(file)
    const before = digestOf(file)
    const outcome = await start(directory)
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain(code)
    expect(digestOf(file)).toBe(before)
  })

  it('a directory that others can write to is refused; exit 78', async () => {
    const directory = join(world.directory, 'shared')
    mkdirSync(directory)
    chmodSync(directory, 0o777)
    const outcome = await start('shared')
    expect(outcome.code).toBe(78)
    expect(outcome.stderr).toMatch(/chmod 700.*STATE_DIR_UNUSABLE/)
    expect(readdirSync(directory)).toEqual([])
  })

  it('a torn identity is never replaced in silence; exit 78', async () => {
    const { stateDir } = await world.identity('torn')
    const file = join(stateDir, 'identity.key')
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 20))
    const before = digestOf(file)
    const outcome = await start('torn')
    expect(outcome.code).toBe(78)
    expect(outcome.stderr).toContain('IDENTITY_INVALID')
    expect(digestOf(file)).toBe(before)
  })
})

/** The largest file of a running node's directory is its database. */
function databaseName(): string {
  const name = readdirSync(node.plan.stateDir).find(file => file.endsWith('.db') && file !== 'lock.db')
  if (name === undefined) throw new Error('the node has no database')
  return name
}
