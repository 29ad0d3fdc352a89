/** docs/tutorial.md, followed literally: its shell blocks in one shell at the top of the checkout (O8). */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { environment } from '../command.ts'

const checkout = join(import.meta.dirname, '../..')
const made = join(checkout, 'artefacts/tutorial')
const limitMs = 300_000

const remove = (): void => rmSync(made, { recursive: true, force: true })
beforeAll(remove)
afterAll(remove)

it(
  'F5: leads to two nodes that hold one state',
  async () => {
    const text = readFileSync(join(checkout, 'docs/tutorial.md'), 'utf8')
    const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? '')
    expect(blocks.length).toBeGreaterThanOrEqual(5)
    // Whatever happens, the daemons it started in the background end with the shell.
    const script = ['set -eu', "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", ...blocks].join('\n')
    const child = spawn('bash', ['-c', script], { cwd: checkout, env: environment() })
    let [said, failed] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (piece: string) => void (said += piece))
    child.stderr.setEncoding('utf8').on('data', (piece: string) => void (failed += piece))
    const late = setTimeout(() => child.kill(), limitMs - 20_000)
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(late)
    expect([code, failed]).toEqual([0, expect.any(String)])
    expect(said).toContain('"world"')
    expect(said).toMatch(/All 2 nodes are well and hold the same state/)
    expect(said).toMatch(/their root is .*Nothing was changed/)
  },
  limitMs,
)
