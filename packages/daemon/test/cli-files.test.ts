/** Files that commands write: whole, and at nobody else's expense. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { startWorld } from './http-world.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

let home = ''

beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'lattice-files-'))
})
afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

const env = { LATTICE_URL: 'http://127.0.0.1:9', LATTICE_STATE_DIR: './state' }
const log = 'node.log'
const ours = (): string[] => fs.readdirSync(home).filter(name => name !== log)

function bundle(...args: string[]): Promise<Outcome> {
  fs.writeFileSync(join(home, log), 'one line\n')
  return runInProcess(['support-bundle', ...args, '--offline', '--log', log], { cwd: home, env })
}

describe('support-bundle', () => {
  it('replaces no file that exists, and says what to do', async () => {
    fs.writeFileSync(join(home, 'kept.tar.gz'), 'somebody else')
    const { code, stderr } = await bundle('kept.tar.gz')
    expect(code).toBe(1)
    expect(stderr).toContain('kept.tar.gz is already there and is not replaced')
    expect(stderr).toContain('name another file')
    expect(fs.readFileSync(join(home, 'kept.tar.gz'), 'utf8')).toBe('somebody else')
    // A name that another program takes while the bundle is gathered.
    fs.symlinkSync('nowhere', join(home, 'link.tar.gz'))
    expect((await bundle('link.tar.gz')).stderr).toContain('is already there')
    expect(fs.readlinkSync(join(home, 'link.tar.gz'))).toBe('nowhere')
  })

  it('leaves alone what lies beside it', async () => {
    fs.writeFileSync(join(home, 'b.tar.gz.new'), 'somebody else')
    expect((await bundle('b.tar.gz')).code).toBe(0)
    expect(fs.readFileSync(join(home, 'b.tar.gz.new'), 'utf8')).toBe('somebody else')
    expect(fs.readFileSync(join(home, 'b.tar.gz')).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]))
  })

  it('without a name is called after its time, for there may be several a day', async () => {
    expect((await bundle()).code).toBe(0)
    expect(ours()).toEqual([expect.stringMatching(/^lattice-support-\d{8}T\d{6}Z\.tar\.gz$/)])
  })
})

describe('export', () => {
  it('replaces no device and no pipe, and of a link what it leads to', async () => {
    const at = (name: string): string => join(home, name)
    const world = await startWorld()
    const run = (file: string): Promise<Outcome> =>
      runInProcess(['export', file], { cwd: home, env: { LATTICE_URL: world.url } })
    try {
      world.node.apply([{ op: 'put', key: 'a', value: 1 }])
      execFileSync('mkfifo', [at('pipe')])
      const { code, stderr } = await run('pipe')
      expect([code, stderr]).toEqual([1, expect.stringMatching(/no regular file[^]*- for standard output/)])
      expect(fs.lstatSync(at('pipe')).isFIFO()).toBe(true)
      fs.writeFileSync(at('file'), 'earlier')
      fs.symlinkSync('file', at('link'))
      expect((await run('link')).code).toBe(0)
      expect(fs.readlinkSync(at('link'))).toBe('file')
      expect(fs.readFileSync(at('file'), 'utf8')).toBe('{"key":"a","type":"register","value":1}\n')
    } finally {
      await world.close()
    }
  })
})
