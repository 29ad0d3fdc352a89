/** `lattice up`: proves itself, and leaves nothing running however it ends. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from '@jest/globals'
import { documentOf, lattice, launch } from './command.ts'
import { eventually } from './eventually.ts'

interface UpDocument {
  readonly schema: string
  readonly nodes: readonly { name: string; url: string; peer_id: string; pid: number; state_dir: string }[]
  readonly proofs: readonly { key: string; from: string; to: string; path: string; ms: number }[]
  readonly root: string
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const opened: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

/** `lattice up` in the background; resolves with what it printed as soon as it has proved itself. */
async function up(): Promise<{ child: ChildProcess; shown: UpDocument }> {
  const directory = mkdtempSync(join(tmpdir(), 'lattice-e2e-'))
  const args = ['up', '--json', '--count', '2', '--data', join(directory, 'data')]
  const child = launch(args, { cwd: directory }, ['ignore', 'pipe', 'inherit'])
  opened.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  const shown = await eventually('lattice up prints its proof', () => text.endsWith('}\n') && text, 40_000)
  return { child, shown: JSON.parse(shown) as UpDocument }
}

describe('lattice up', () => {
  it('F1, F6: --once proves P2P and HTTP between three daemons, says so in JSON, exits 0 and leaves nothing', async () => {
    const before = new Set(readdirSync(tmpdir()))
    const outcome = await lattice(['up', '--once', '--json'])
    expect(outcome).toMatchObject({ code: 0 })
    const { schema, nodes, proofs, root } = documentOf(outcome) as unknown as UpDocument
    expect(schema).toBe('lattice.up/v1')
    expect(nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3'])
    expect(new Set(nodes.map(node => node.peer_id)).size).toBe(3)
    expect(root).toMatch(/^[0-9a-f]{64}$/)
    const journey = proofs.map(({ from, to, path }) => [from, to, path])
    expect(journey).toEqual([
      ['node1', 'node2', 'p2p'],
      ['node1', 'node3', 'p2p'],
      ['node1', 'node2', 'http'],
      ['node1', 'node3', 'http'],
    ])
    for (const { ms } of proofs) expect(ms).toBeGreaterThan(0)
    for (const { pid } of nodes) expect(isAlive(pid)).toBe(false)
    const left = readdirSync(tmpdir()).filter(name => name.startsWith('lattice-up-') && !before.has(name))
    expect(left.filter(name => nodes.some(node => node.state_dir.includes(name)))).toEqual([])
  })

  it('Ctrl-C stops every daemon and exits 0', async () => {
    const { child, shown } = await up()
    expect(shown.nodes.every(({ pid }) => isAlive(pid))).toBe(true)
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number | null]
    expect(code).toBe(0)
    expect(shown.nodes.filter(({ pid }) => isAlive(pid))).toEqual([])
  })

  it('SIGKILL of the parent stops every daemon too', async () => {
    const { child, shown } = await up()
    child.kill('SIGKILL')
    await once(child, 'exit')
    await eventually('no daemon is left', () => shown.nodes.every(({ pid }) => !isAlive(pid)), 12_000)
    expect(shown.nodes).toHaveLength(2)
  })
})
