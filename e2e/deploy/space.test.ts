/**
 * Node 1 as a Hugging Face Space without a container engine: the image built by its own Dockerfile, run by
 * its own command as uid 1000 on a read-only root with an empty disk and one port behind a TLS proxy, as a
 * full member of a federation with two other daemons; again with an empty disk, from the snapshot in the
 * bucket (T1.2, O6, D5).
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join, matchesGlob } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { createClient } from '@lattice/api'
import { World, type Daemon } from '../daemons.ts'
import { eventually } from '../eventually.ts'
import { equalRoots, metOverP2p, put, arrives } from '../federation.ts'
import { freePort } from '../ports.ts'
import { createCa, startTlsProxy, type TlsProxy } from '../tls-proxy.ts'
import { buildImage, type Image } from './dockerfile.ts'
import { tell } from './tell.ts'

const checkout = join(import.meta.dirname, '../..')
const token = 'the-admin-token-of-the-space'
const seed = '5eed'.repeat(16)
/** The image alone installs and builds everything from the registries. */
const limitMs = 1_500_000

const world = new World()
let built: Image | undefined
let proxy: TlsProxy | undefined

/** The image, once it is built. */
function theImage(): Image {
  if (built === undefined) throw new Error('the image was not built')
  return built
}

/** The repository of the Space, as the workflow lays it out. */
function layOut(): string {
  const context = join(world.directory, 'space')
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: checkout, encoding: 'utf8' })
  for (const path of listed.split('\0').filter(each => each !== '' && existsSync(join(checkout, each))))
    cpSync(join(checkout, path), join(context, path), { recursive: true })
  for (const name of ['Dockerfile', 'README.md', '.dockerignore'])
    cpSync(join(checkout, 'deploy/huggingface', name), join(context, name))
  cpSync(join(checkout, 'configs/node1.huggingface.env'), join(context, 'lattice.env'))
  return context
}

/** The rules of the context's .dockerignore; the last that fits decides. */
function ignoring(context: string): (path: string) => boolean {
  const rules = readFileSync(join(context, '.dockerignore'), 'utf8').split('\n')
  const patterns = rules.filter(line => line !== '' && !line.startsWith('#'))
  return path =>
    patterns.reduce((ignored, rule) => {
      const bare = rule.replace(/^!/, '')
      const fits = matchesGlob(path, bare) || path.startsWith(`${bare}/`)
      return fits ? !rule.startsWith('!') : ignored
    }, false)
}

/** The process of the image. */
interface Running {
  stop(): Promise<number | null>
}

/** The last one that was started: a test that fails half-way must not leave it behind. */
let running: Running | undefined

beforeAll(async () => {
  const context = layOut()
  built = await buildImage(context, ignoring(context))
}, limitMs)

afterAll(async () => {
  await running?.stop()
  await world.close()
  await proxy?.stop()
  built?.root.remove()
})

it(
  'O6: joins two other daemons over one port behind TLS, drains at SIGTERM, and comes back from its snapshot',
  async () => {
    const image = theImage()
    expect([image.user, image.ports]).toEqual([1000, ['7860']])
    tell(`space: image built; user ${image.user}, port ${image.ports.join()}, ${image.command.join(' ')}`)
    const ca = await createCa(world.directory)
    const port = await freePort()
    const edge = await startTlsProxy(world.directory, `127.0.0.1:${port}`, await ca.issue('localhost'))
    proxy = edge
    const bucket = join(world.directory, 'bucket')
    mkdirSync(bucket)
    chownSync(bucket, 1000, 1000)
    const others = await world.federation(2, { start: 0 })
    const { peerId, settings } = await membership(others, port, edge.port)
    await startOthers(others, peerId, edge, ca.certFile)
    const logFile = join(world.directory, 'space.log')
    const first = await runSpace(settings, bucket, port, logFile)
    await metOverP2p(others, 2)
    await put(others[0] as Daemon, 'from/node', 1)
    const space = createClient({ baseUrl: `http://127.0.0.1:${port}`, token })
    await space.putKey({ params: { key: 'from/space' }, body: 2 })
    await arrives(others, 'from/space', 2)
    await equalRoots(others)
    await eventually(
      'the Space holds it too',
      async () => (await space.getKey({ params: { key: 'from/node' } })).value === 1,
    )
    tell('space: empty disk: a P2P member through the TLS proxy, writes travel both ways, roots equal')
    const check = image.healthCheck.map(word => `'${word}'`).join(' ')
    expect(await image.root.shell(check, { user: 1000, env: { ...image.env, ...settings } })).toMatch(/^OK: /)
    expect(await first.stop()).toBe(0)
    expect(readFileSync(join(bucket, 'lattice/LATEST'), 'utf8')).toMatch(/^snap-\d+-[0-9a-f]{64}\.cbor\n$/)

    await put(others[0] as Daemon, 'meanwhile', 3)
    const second = await runSpace(settings, bucket, port, logFile)
    await eventually(
      'it catches up',
      async () => (await space.getKey({ params: { key: 'meanwhile' } })).value === 3,
      60_000,
    )
    await metOverP2p(others, 2)
    const log = readFileSync(logFile, 'utf8')
    expect(log).toMatch(/the store was filled from snap-/)
    const lives = [...log.matchAll(/new store; incarnation ([0-9a-f]+)/g)].map(([, life]) => life)
    expect(new Set(lives).size).toBe(2)
    expect((await space.getIdentity()).peer_id).toBe(peerId)
    expect(await second.stop()).toBe(0)
    tell('space: empty disk again: filled from its snapshot, caught up over P2P, a new incarnation')
  },
  limitMs,
)

/** The two other daemons, told where the Space is and whom to trust for its TLS. */
async function startOthers(
  others: readonly Daemon[],
  peerId: string,
  edge: TlsProxy,
  certFile: string,
): Promise<void> {
  for (const node of others) {
    const {
      LATTICE_P2P_BOOTSTRAP: bootstrap,
      LATTICE_NODES: nodes,
      LATTICE_TRUSTED_KEYS: keys,
    } = node.plan.settings
    await node.start({
      NODE_EXTRA_CA_CERTS: certFile,
      LATTICE_P2P_BOOTSTRAP: `${bootstrap ?? ''},/dns4/localhost/tcp/${edge.port}/tls/ws/p2p/${peerId}`,
      LATTICE_NODES: `${nodes ?? ''},${edge.url}`,
      LATTICE_TRUSTED_KEYS: `${keys ?? ''},${peerId}`,
    })
  }
}

/** What the Space is given: its variables and secrets, with the places of this machine. */
async function membership(
  others: readonly Daemon[],
  port: number,
  edgePort: number,
): Promise<{ peerId: string; settings: Record<string, string> }> {
  const secrets = { LATTICE_NODE_PRIVKEY_HEX: seed, LATTICE_ADMIN_TOKEN: token }
  const id = await theImage().root.shell('lattice id --json --state-dir /tmp/id', {
    user: 1000,
    env: secrets,
  })
  const { peer_id: peerId } = JSON.parse(id) as { peer_id: string }
  const settings = {
    ...secrets,
    SPACE_ID: 'org/node1',
    SPACE_HOST: 'org-node1.hf.space',
    // The port of Spaces may be taken on a shared machine, and their public host is not in reach.
    LATTICE_HTTP_PORT: String(port),
    LATTICE_P2P_ANNOUNCE: `/dns4/localhost/tcp/${edgePort}/tls/ws`,
    LATTICE_P2P_BOOTSTRAP: others.map(({ plan }) => `${plan.p2pAddress}/p2p/${plan.identity.peerId}`).join(),
    LATTICE_NODES: others.map(({ url }) => url).join(),
    LATTICE_TRUSTED_KEYS: others.map(({ plan }) => plan.identity.publicKey).join(),
    LATTICE_SNAPSHOT_DIR: '/data/lattice',
    LATTICE_HEARTBEAT_INTERVAL: '500ms',
  }
  return { peerId, settings }
}

/** Starts the image with an empty disk; resolves once it serves. */
async function runSpace(
  settings: Record<string, string>,
  bucket: string,
  port: number,
  logFile: string,
): Promise<Running> {
  const { root, user, directory, command, env } = theImage()
  const inside = { user, directory, env: { ...env, ...settings } }
  const scratch = ['/tmp', '/var/lib/lattice']
  const child = root.start(
    command,
    { ...inside, scratch, mounts: { '/data': bucket } },
    openSync(logFile, 'a'),
  )
  const gone = once(child, 'exit')
  const ready = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  const failed = gone.then(() => {
    throw new Error(`the Space ended at once:\n${readFileSync(logFile, 'utf8')}`)
  })
  failed.catch(() => undefined)
  await Promise.race([eventually('the Space serves', ready, 90_000), failed])
  running = {
    stop: async () => {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      const [code] = (await gone) as [number | null]
      clearTimeout(late)
      return code
    },
  }
  return running
}
