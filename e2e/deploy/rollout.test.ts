/**
 * The deploy scripts against real targets: two servers behind a real sshd and a Space as a git repository
 * that builds and restarts on each push. A roll-out over all three, a broken release that rolls back by
 * itself on either kind, and no acknowledged write lost (T2.1).
 */
import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { World, type Daemon } from '../daemons.ts'
import { arrives, equalRoots, put } from '../federation.ts'
import { startSshd, type Sshd } from './sshd.ts'
import { tell } from './tell.ts'

const checkout = join(import.meta.dirname, '../..')
const limitMs = 900_000

const world = new World()
const at = (...names: string[]): string => join(world.directory, ...names)
let sshd: Sshd | undefined
let nodes: readonly Daemon[] = []
/** Keys whose writes were acknowledged while releases came and went. */
const acknowledged: string[] = []

beforeAll(async () => {
  execFileSync('npm', ['run', '-s', 'build:release', '--', '--out', at('0.1.0'), '--without-node'], {
    cwd: checkout,
  })
  fs.symlinkSync(process.execPath, at('0.1.0/bin/node'))
  variant('0.0.9')
  variant('0.1.1', 'dist/main.js', () => "throw new Error('a broken build')\n")
  // It serves its clients and exchanges nothing: what only the others can tell.
  variant('0.1.2', 'dist/daemon.js', text =>
    text.replace('new Set(config.trustedKeys.filter', 'new Set([].filter'),
  )
  // The same, and it brings the store to a format that the release before cannot read.
  fs.cpSync(at('0.1.2'), at('0.1.3'), { recursive: true, verbatimSymlinks: true })
  const inside = (name: string): string => at('0.1.3/node_modules/@lattice/daemon', name)
  rewrite(inside('package.json'), text => text.replace('"0.1.2"', '"0.1.3"'))
  rewrite(inside('dist/sqlite-schema.js'), text => text.replace('schemaVersion = 4', 'schemaVersion = 5'))
  sshd = await startSshd(at('ssh'))
  nodes = await world.federation(3, { start: 0 })
  for (const node of nodes) layOutNode(node)
  fs.writeFileSync(at('plan.json'), JSON.stringify(plan('configs/node1.huggingface.env')))
  makeSpace()
}, limitMs)

afterAll(async () => {
  for (const node of nodes) endProcess(at(node.name + '-home', 'pid'))
  await sshd?.stop()
  await world.close()
})

/** The built release under another version, with one file changed. */
function variant(version: string, name?: string, change: (text: string) => string = text => text): void {
  fs.cpSync(at('0.1.0'), at(version), { recursive: true, verbatimSymlinks: true })
  const inside = at(version, 'node_modules/@lattice/daemon')
  rewrite(join(inside, 'package.json'), text => text.replace('"version": "0.1.0"', `"version": "${version}"`))
  if (name !== undefined) rewrite(join(inside, name), change)
}

function rewrite(path: string, change: (text: string) => string): void {
  const text = fs.readFileSync(path, 'utf8')
  const changed = change(text)
  if (changed === text) throw new Error(`${path} was to be changed`)
  fs.writeFileSync(path, changed)
}

/** What a server has besides releases: settings, and how its service is restarted. */
function layOutNode(node: Daemon): void {
  const home = at(`${node.name}-home`)
  fs.mkdirSync(join(home, 'releases'), { recursive: true })
  fs.mkdirSync(join(home, 'backups'))
  const settings = { ...node.plan.settings, LATTICE_CONFIG: '' }
  const exports = Object.entries(settings).map(([name, value]) => `export ${name}='${value ?? ''}'\n`)
  fs.writeFileSync(join(home, 'env'), exports.join(''))
  fs.writeFileSync(join(home, 'restart.sh'), restartScript)
}

/** Stops the process that runs, waits until it is gone, and starts what `current` points at. */
const restartScript = `cd "$(dirname "$0")"
. ./env
if [ -f pid ]; then
  pid=$(cat pid)
  kill "$pid" 2>/dev/null
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
fi
nohup ./current/bin/lattice start >>log 2>&1 </dev/null &
echo $! >pid
`

function plan(settings: string): unknown {
  const servers = nodes.slice(0, 2).map(node => {
    const home = at(`${node.name}-home`)
    return {
      name: node.name,
      kind: 'server',
      url: node.url,
      ssh: sshd?.command,
      directory: home,
      backup: `sh -c '. ${home}/env; {current}/bin/lattice backup ${home}/backups --keep 3'`,
      restart: `sh ${home}/restart.sh`,
      restore: `sh -c '. ${home}/env; {current}/bin/lattice restore ${home}/backups --if-newer'`,
    }
  })
  const space = { name: 'space', kind: 'space', url: nodes[2]?.url, remote: at('space.git'), settings }
  return { gate: '3s', startSeconds: 45, nodes: [...servers, space] }
}

/** A bare repository whose hook does what a Space does at a push: build what was pushed, restart. */
function makeSpace(): void {
  const home = at(`${nodes[2]?.name ?? ''}-home`)
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', at('space.git')])
  const hook = `#!/bin/sh
version=$(git show main:packages/daemon/package.json | sed -n 's/.*"version": "\\(.*\\)",/\\1/p')
[ -f ${home}/build-breaks ] && [ "$version" = 0.1.0 ] && version=0.1.1
ln -sfn ${world.directory}/$version ${home}/current
sh ${home}/restart.sh
`
  fs.writeFileSync(at('space.git/hooks/post-receive'), hook, { mode: 0o755 })
  fs.mkdirSync(at('seed/packages/daemon'), { recursive: true })
  fs.copyFileSync(
    at('0.0.9/node_modules/@lattice/daemon/package.json'),
    at('seed/packages/daemon/package.json'),
  )
  const git = (...args: string[]): void => {
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
      cwd: at('seed'),
      stdio: 'ignore',
    })
  }
  git('init', '--initial-branch=main')
  git('add', '.')
  git('commit', '-m', 'Lattice 0.0.9')
  git('push', at('space.git'), 'main')
}

function endProcess(pidFile: string): void {
  try {
    process.kill(Number(fs.readFileSync(pidFile, 'utf8')), 'SIGKILL')
  } catch {
    // It has ended by itself, or was never started.
  }
}

/** Runs the script while a client keeps writing to whoever answers. */
async function rollOut(...args: string[]): Promise<{ code: number | null; text: string }> {
  const script = join(checkout, 'deploy/scripts/rollout.ts')
  const child = spawn(process.execPath, [script, at('plan.json'), ...args])
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  let over = false
  const writing = (async () => {
    for (let turn = 0; !over; turn++) {
      const node = nodes[turn % nodes.length]
      const key = `written/${acknowledged.length}/${turn}`
      if (
        node !== undefined &&
        (await put(node, key, turn).then(
          () => true,
          () => false,
        ))
      )
        acknowledged.push(key)
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  })()
  const [code] = (await once(child, 'close')) as [number | null]
  over = true
  await writing
  tell(
    `rollout.ts ${args.map(arg => arg.replace(`${world.directory}/`, '')).join(' ')}: exit code ${code}\n${text.trimEnd()}`,
  )
  return { code, text }
}

async function versions(): Promise<readonly string[]> {
  return Promise.all(nodes.map(async node => (await node.client.getHealthReport()).version))
}

async function nothingLost(): Promise<void> {
  await equalRoots(nodes, 60_000)
  expect(acknowledged.length).toBeGreaterThan(10)
  for (const key of acknowledged) await arrives(nodes, key, Number(key.split('/')[2]))
}

it(
  'the first release starts the servers; the next goes over all three nodes, backup first, and once only',
  async () => {
    const dry = await rollOut('--release', at('0.0.9'), '--dry-run')
    expect([dry.code, dry.text]).toEqual([0, expect.stringContaining('would upload 0.0.9-')])
    const servers = nodes.slice(0, 2)
    for (const node of servers)
      expect(await rollOut('--release', at('0.0.9'), '--only', node.name)).toMatchObject({ code: 0 })
    await equalRoots(nodes, 60_000)
    expect(await versions()).toEqual(['0.0.9', '0.0.9', '0.0.9'])
    const next = await rollOut('--release', at('0.1.0'))
    expect([next.code, next.text]).toEqual([0, expect.stringContaining('lattice watch --for 24h')])
    expect(await versions()).toEqual(['0.1.0', '0.1.0', '0.1.0'])
    for (const node of servers) expect(fs.readdirSync(at(`${node.name}-home/backups`))).toHaveLength(1)
    await nothingLost()
    const again = await rollOut('--release', at('0.1.0'))
    expect(again.text.match(/runs this release already/g)).toHaveLength(3)
    expect(again.code).toBe(0)
  },
  limitMs,
)

it.each(['0.1.1', '0.1.2'])(
  'a broken release (%s) rolls back by itself; others are not touched, no acknowledged write is lost',
  async version => {
    const [first] = nodes
    const failed = await rollOut('--release', at(version))
    expect(failed.code).toBe(1)
    expect(failed.text).toMatch(/FAILED: [\s\S]*rolled back to 0\.1\.0-[0-9a-f]{8}: all well/)
    expect(failed.text).not.toContain(`${nodes[1]?.name ?? ''}: in force`)
    expect(fs.readlinkSync(at(`${first?.name ?? ''}-home/current`))).toMatch(/^releases\/0\.1\.0-/)
    expect(await versions()).toEqual(['0.1.0', '0.1.0', '0.1.0'])
    await nothingLost()
  },
  limitMs,
)

it(
  'O1: a broken release that has changed the store rolls back, too, and keeps what it alone has acknowledged',
  async () => {
    const [first] = nodes
    const home = at(`${first?.name ?? ''}-home`)
    const failed = await rollOut('--release', at('0.1.3'))
    expect(failed.code).toBe(1)
    expect(failed.text).toMatch(/the switch back is not enough: .* does not serve version 0\.1\.0/)
    expect(failed.text).toMatch(/restore: \d+ entries of [\s\S]*rolled back to 0\.1\.0-[0-9a-f]{8}: all well/)
    expect(fs.readFileSync(join(home, 'log'), 'utf8')).toContain('STORE_NEWER')
    expect(await versions()).toEqual(['0.1.0', '0.1.0', '0.1.0'])
    await nothingLost()
  },
  limitMs,
)

it(
  'a Space whose build breaks goes back by a commit that undoes it',
  async () => {
    const home = at(`${nodes[2]?.name ?? ''}-home`)
    // Without a change of content there is no release; the build breaks as soon as there is one.
    fs.writeFileSync(at('plan.json'), JSON.stringify(plan('configs/node1.huggingface.http-only.env')))
    fs.writeFileSync(join(home, 'build-breaks'), '')
    const failing = rollOut('--release', at('0.1.0'), '--only', 'space')
    const unbreak = setInterval(() => {
      const log = fs.readFileSync(join(home, 'log'), 'utf8')
      if (log.includes('a broken build')) fs.rmSync(join(home, 'build-breaks'), { force: true })
    }, 100)
    const failed = await failing
    clearInterval(unbreak)
    expect([failed.code, failed.text]).toEqual([
      1,
      expect.stringMatching(/space: rolled back to [0-9a-f]{40}: all well/),
    ])
    const log = execFileSync('git', ['log', '--format=%s', 'main'], {
      cwd: at('space.git'),
      encoding: 'utf8',
    })
    expect(log.split('\n')[0]).toBe('Revert "Lattice 0.1.0"')
    await nothingLost()
  },
  limitMs,
)
