/** An export is whole and sorted, or it is not there. */
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { buildProgram } from '../src/cli/program.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

let home = ''
let server: Server
let answer: (response: ServerResponse) => void = () => undefined

beforeEach(async () => {
  home = fs.mkdtempSync(join(tmpdir(), 'lattice-export-'))
  server = createServer((_request, response) => answer(response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  fs.rmSync(home, { recursive: true, force: true })
})

const lineOf = (key: string): string =>
  `${JSON.stringify({ key, type: 'register', value: 'x'.repeat(900) })}\n`
const keys = Array.from({ length: 3_000 }, (_, at) => `k${String((at * 1_009) % 3_000).padStart(4, '0')}`)
const whole = keys.toSorted().map(lineOf).join('')
const sendAll = (response: ServerResponse): void => void response.end(keys.map(lineOf).join(''))
/** A node that ends in the middle of its answer. */
const breakOff = (response: ServerResponse): void => {
  response.write(keys.slice(0, 20).map(lineOf).join(''))
  setImmediate(() => response.destroy())
}

const env = (): Record<string, string> => ({
  LATTICE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
})
const run = (...args: string[]): Promise<Outcome> =>
  runInProcess(['export', ...args], { cwd: home, env: env() })

describe('an export', () => {
  it('is sorted, whatever the order in which a node tells its keys', async () => {
    answer = sendAll
    const { code, stdout } = await run('file', '--json')
    const text = fs.readFileSync(join(home, 'file'), 'utf8')
    const sha256 = createHash('sha256').update(whole).digest('hex')
    expect([code, text === whole, JSON.parse(stdout)]).toEqual([
      0,
      true,
      { schema: 'lattice.export/v1', file: join(home, 'file'), keys: 3_000, sha256 },
    ])
    expect(fs.statSync(join(home, 'file')).mode & 0o777).toBe(0o600)
    expect((await run('-')).stdout === whole).toBe(true)
    expect((await run('--prefix', 'k000')).stdout).toBe(keys.toSorted().slice(0, 10).map(lineOf).join(''))
  })

  it('that breaks off leaves the file as it was, nothing beside it, and writes none of it', async () => {
    answer = breakOff
    fs.writeFileSync(join(home, 'file'), 'earlier')
    const { code, stderr } = await run('file')
    expect([code, stderr]).toEqual([69, expect.stringContaining('[UNREACHABLE]')])
    expect([fs.readdirSync(home), fs.readFileSync(join(home, 'file'), 'utf8')]).toEqual([['file'], 'earlier'])
    expect(await run('-')).toMatchObject({ code: 69, stdout: '' })
  })

  it('that is interrupted while it is written leaves nothing', async () => {
    answer = sendAll
    const stop = new AbortController()
    let looks = 0
    const signal = Object.assign(stop.signal, {
      throwIfAborted: () => {
        looks += 1
        // Some blocks of the file have been written by then.
        if (looks === 8) stop.abort()
        AbortSignal.prototype.throwIfAborted.call(stop.signal)
      },
    })
    const { code, stderr } = await runInProcess(['export', 'file'], { cwd: home, env: env(), signal })
    expect([code, stderr, fs.readdirSync(home)]).toEqual([1, 'interrupted\n', []])
  })
})

describe('an export to standard output', () => {
  /** Runs until a block has been written, and then as `end` says; how many blocks were written. */
  async function written(end: (stop: AbortController) => void): Promise<{ code: number; blocks: number }> {
    answer = sendAll
    const stop = new AbortController()
    let blocks = 0
    const io = {
      stdout: {
        write: () => {
          blocks += 1
          end(stop)
        },
      },
      stderr: { write: () => undefined },
      stdin: [] as unknown as AsyncIterable<string>,
      env: env(),
      cwd: home,
      signal: stop.signal,
    }
    const code = await buildProgram(io, { startDaemon: () => Promise.resolve(0) }).run(['export'])
    return { code, blocks }
  }

  it('of which nobody wants more ends without a failure, and one that is interrupted with one', async () => {
    expect(await written(() => undefined)).toMatchObject({ code: 0, blocks: expect.any(Number) })
    const unread = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    expect(await written(stop => stop.abort(unread))).toEqual({ code: 0, blocks: 1 })
    expect(await written(stop => stop.abort())).toEqual({ code: 1, blocks: 1 })
  })
})
