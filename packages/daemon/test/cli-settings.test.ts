/** A command goes by the settings it was pointed at, or says what is wrong with them: never by a default. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'

import { startRestServer, type RestServer } from './rest-server.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

let home = ''
let server: RestServer
let port = ''

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'lattice-settings-'))
  server = await startRestServer()
  ;({ port } = new URL(server.url))
})
afterEach(async () => {
  await server.close()
  rmSync(home, { recursive: true, force: true })
})

const lattice = (line: string, env: Record<string, string> = {}): Promise<Outcome> =>
  runInProcess(line.split(' '), { cwd: home, env })
const file = (...lines: string[]): void => writeFileSync(join(home, 'a.env'), `${lines.join('\n')}\n`)

describe('the daemon that a command talks to', () => {
  it.each(['status', 'put a 1', 'switch http', 'verify', 'watch --for 1s', 'export', 'check health'])(
    'of %s is not the default one where the settings cannot be read',
    async line => {
      const missing = await lattice(`${line} --config missing.env`)
      expect([missing.code, missing.stderr]).toEqual([78, expect.stringContaining('missing.env')])
      file('LATTICE_HTTP_PORT=99999')
      const wrong = await lattice(`${line} --config a.env`)
      expect([wrong.code, wrong.stderr]).toEqual([78, expect.stringContaining('LATTICE_HTTP_PORT')])
      file('LATTICE_HTTP_HOST=127.0.0.1', 'LATTICE_HTTP_PORT 9100')
      expect((await lattice(`${line} --config a.env`)).code).toBe(78)
    },
  )

  it('is found where only other settings are at fault, and where its URL is named', async () => {
    file(
      'LATTICE_HTTP_HOST=127.0.0.1',
      `LATTICE_HTTP_PORT=${port}`,
      'LATTICE_NODES=http//typo',
      'what is this',
    )
    expect((await lattice('status --config a.env')).code).toBe(0)
    const faulty = { LATTICE_HTTP_PORT: 'x' }
    expect((await lattice(`status --url ${server.url}`, faulty)).code).toBe(0)
    expect((await lattice(`verify ${server.url}`, faulty)).code).toBe(0)
  })

  it('is looked for by the doctor all the same, which tells the faults itself', async () => {
    file('LATTICE_HTTP_HOST=127.0.0.1', `LATTICE_HTTP_PORT=${port}`, 'what is this')
    const { stdout } = await lattice('doctor --config a.env --offline --json')
    const { checks } = JSON.parse(stdout) as { checks: { name: string; verdict: string }[] }
    const verdicts = Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
    expect(verdicts).toMatchObject({ daemon: 'pass', 'settings-valid': 'fail' })
  })
})

it('netcheck names a misspelt node instead of trying the others alone', async () => {
  file(`LATTICE_NODES=${server.url},http//typo`)
  const { code, stderr } = await lattice('netcheck --config a.env')
  expect([code, stderr]).toEqual([78, expect.stringContaining('http//typo')])
})

it('reload does not look into ./data where the state directory cannot be known', async () => {
  mkdirSync(join(home, 'data'))
  const { code, stderr } = await lattice('reload --config missing.env')
  expect([code, stderr]).toEqual([78, expect.stringContaining('missing.env')])
  expect((await lattice('reload --state-dir ./data --config missing.env')).code).toBe(69)
})
