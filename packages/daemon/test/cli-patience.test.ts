/** --timeout of `wait` and `ping`: the whole command ends with it, and what is slow or restarts is waited for. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { peer } from './rest-answers.ts'
import { startRestServer, type RestServer } from './rest-server.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

let daemon: RestServer
const fronts: Server[] = []

beforeEach(async () => {
  daemon = await startRestServer()
})
afterEach(async () => {
  for (const front of fronts.splice(0)) {
    front.closeAllConnections()
    front.close()
  }
  await daemon.close()
})

interface Front {
  readonly server: Server
  readonly port: number
  readonly url: string
  /** Resolves with the first answer. */
  readonly answered: Promise<void>
}

/** A daemon that is as if stopped for its first `silent` requests. */
async function front(silent: number, port = 0): Promise<Front> {
  let asked = 0
  const { promise: answered, resolve: firstAnswered } = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    asked += 1
    if (asked <= silent) return
    void fetch(daemon.url + (request.url ?? '/')).then(async answer => {
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(await answer.text(), firstAnswered)
    })
  })
  fronts.push(server)
  await new Promise<void>(resolve => void server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  return { server, port: bound, url: `http://127.0.0.1:${bound}`, answered }
}

const lattice = (url: string, ...args: string[]): Promise<Outcome> =>
  runInProcess(args, { cwd: tmpdir(), env: { LATTICE_URL: url } })

const overHttp = peer({ path: 'http', rtt_ms: { p2p: null, http: 212 } })

describe('a daemon that answers nothing', () => {
  it('keeps no command beyond its --timeout, and the last word is what was waited for', async () => {
    const { url } = await front(Infinity)
    const startedAt = performance.now()
    const [waiting, pinging] = await Promise.all([
      lattice(url, 'wait', '--in-sync', '--key', 'k', '--timeout', '1s'),
      lattice(url, 'ping', 'node2', '--until-p2p', '--timeout', '1s'),
    ])
    // One request without a limit of its own would take 10 s.
    expect(performance.now() - startedAt).toBeLessThan(8000)
    expect([waiting.code, pinging.code]).toEqual([124, 124])
    expect(waiting.stderr).toMatch(/gave up waiting for equal states and key "k" after .* does not answer/)
    expect(pinging.stderr).toMatch(/gave up waiting for P2P to "node2" after .* does not answer/)
  })
})

describe('a daemon that falls silent', () => {
  it('has the last word all the same, where only the end of the time cut the look after it', async () => {
    daemon.answers.getPeers = { success: true, peers: [peer({ path: 'none' })], count: 1 }
    const { server, url, answered } = await front(0)
    const waiting = lattice(url, 'wait', '--timeout', '3s')
    await answered
    server.removeAllListeners('request')
    const { code, stderr } = await waiting
    expect([code, stderr]).toEqual([124, expect.stringMatching(/gave up .*: node2 is not reached\n.*peers/)])
  }, 20_000)
})

describe('a daemon that is slow at first', () => {
  it('is asked again while time is left', async () => {
    const [one, other] = await Promise.all([front(1), front(1)])
    const [waiting, pinging] = await Promise.all([
      lattice(one.url, 'wait', '--timeout', '1m'),
      lattice(other.url, 'ping', 'node2', '--until-p2p', '--timeout', '1m'),
    ])
    expect([waiting.code, waiting.stdout]).toEqual([0, expect.stringMatching(/^In sync after /)])
    expect(waiting.stderr).toContain('does not answer (TIMEOUT)')
    expect([pinging.code, pinging.stdout]).toEqual([0, expect.stringContaining('p2p reached')])
  }, 40_000)
})

describe('a daemon that restarts', () => {
  it('does not end ping --until-p2p', async () => {
    daemon.answers.getPeers = { success: true, peers: [overHttp], count: 1 }
    const before = await front(0)
    const pinging = lattice(before.url, 'ping', 'node2', '--until-p2p', '--timeout', '1m')
    await before.answered
    before.server.close()
    before.server.closeAllConnections()
    await new Promise(resolve => setTimeout(resolve, 1500))
    daemon.answers.getPeers = { success: true, peers: [peer()], count: 1 }
    await front(0, before.port)
    const { code, stdout, stderr } = await pinging
    expect([code, stdout]).toEqual([0, expect.stringContaining('p2p reached')])
    expect(stderr).toContain('does not answer (UNREACHABLE)')
  }, 40_000)

  it('that was never there is not waited for', async () => {
    const outcome = await lattice('http://127.0.0.1:9', 'ping', 'node2', '--until-p2p')
    expect([outcome.code, outcome.stderr]).toEqual([69, expect.stringContaining('no daemon answers')])
  })
})
