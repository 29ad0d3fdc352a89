/** `lattice invite` and `lattice join`: one string each way, edited into the configuration file (row F5). */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'

import { loadConfig } from '../src/config/index.ts'
import { fingerprint, readToken, writeToken } from '../src/federation-token.ts'
import { identityFromSeed } from '../src/host/identity.ts'
import { runInProcess, type Outcome } from './run-cli.ts'

const one = identityFromSeed(new Uint8Array(32).fill(1), 'configured')
const said = {
  name: 'node1',
  addresses: ['/dns4/node1.example.org/tcp/443/tls/ws'],
  urls: ['https://node1.example.org'],
  topic: 'aethel/lattice/v1',
  expires: 2_000_000_000,
}
const token = writeToken(said, one.signer)
const before = said.expires * 1000 - 1

describe('F5: an invitation', () => {
  it('says what was put in, until it expires', () => {
    expect(readToken(token, before)).toEqual({ ...said, nodeId: one.nodeId })
    expect(readToken(`  ${token.slice(0, 40)}\n ${token.slice(40)}\n`, before)).toMatchObject({
      name: 'node1',
    })
    expect(readToken(token, before + 1)).toEqual({ fault: expect.stringContaining('expired at 2033-05-18') })
  })

  it('with any character changed, lost or added is refused as damaged', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const body = token.length - 'lattice1:'.length
    const change = fc.record({
      at: fc.nat({ max: body - 1 }).map(at => at + 'lattice1:'.length),
      by: fc.constantFrom(...alphabet.split('')),
      how: fc.constantFrom('replace' as const, 'insert' as const, 'cut' as const),
    })
    fc.assert(
      fc.property(change, ({ at, by, how }) => {
        const rest = how === 'insert' ? token.slice(at) : token.slice(at + 1)
        const changed = how === 'cut' ? token.slice(0, at) : token.slice(0, at) + by + rest
        if (changed !== token) expect(readToken(changed, before)).toHaveProperty('fault')
      }),
    )
  })

  it('from a key-holder who lies about places is refused: it would be written into a file', () => {
    const lies = [
      { urls: ['https://a.example\nLATTICE_ADMIN_TOKEN=x'] },
      { urls: ['javascript:alert(1)'] },
      { addresses: ['/ip4/1.2.3.4/udp/1'] },
      { topic: 'two words' },
      { name: 'x y' },
      { expires: -Number.MAX_SAFE_INTEGER },
      { urls: Array.from({ length: 17 }, (_, index) => `https://n${index}.example`) },
    ]
    for (const lie of lies)
      expect(readToken(writeToken({ ...said, ...lie }, one.signer), before)).toHaveProperty('fault')
  })

  it('of other texts: what it is not, or that it is from a newer version', () => {
    expect(readToken('hello', before)).toEqual({ fault: expect.stringContaining('not an invitation') })
    expect(readToken(token.replace('lattice1:', 'lattice2:'), before)).toEqual({
      fault: expect.stringContaining('newer Lattice'),
    })
  })

  it('has a fingerprint of four words that differ between keys', () => {
    const two = identityFromSeed(new Uint8Array(32).fill(2), 'configured')
    expect(fingerprint(one.nodeId)).toMatch(
      /^([bdfghjklmnprstvz][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]-?){4}$/,
    )
    expect(fingerprint(one.nodeId)).not.toBe(fingerprint(two.nodeId))
  })
})

describe('F5: lattice invite and join', () => {
  let directory = ''
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lattice-join-'))
    mkdirSync(join(directory, 'a'), { mode: 0o700 })
    mkdirSync(join(directory, 'b'), { mode: 0o700 })
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))
  const path = (name: string): string => join(directory, name)
  const lattice = (...args: string[]): Promise<Outcome> => runInProcess(args, { cwd: directory })
  const file = (name: string, ...lines: string[]): string => {
    writeFileSync(path(name), `${lines.join('\n')}\n`)
    return path(name)
  }
  const fresh = (state: string, port: number): string[] => [
    '# mine',
    `LATTICE_STATE_DIR=${path(state)}`,
    `LATTICE_HTTP_PORT=${port}`,
    `LATTICE_P2P_LISTEN=/ip4/127.0.0.1/tcp/${port + 1000}`,
  ]
  const invite = async (name: string, ...args: string[]) => {
    const outcome = await lattice('invite', '--config', path(name), '--json', ...args)
    return JSON.parse(outcome.stdout) as { token: string; fingerprint: string; peer_id: string }
  }

  it('two commands make two nodes trust and find each other, with the same four words on both sides', async () => {
    file('a.env', ...fresh('a', 8001))
    file('b.env', ...fresh('b', 8002))
    const invited = await invite('a.env')
    const joined = await lattice('join', invited.token, '--config', path('b.env'), '--json')
    expect([joined.code, joined.stderr]).toEqual([0, ''])
    const report = JSON.parse(joined.stdout) as { fingerprint: string; answer: string; changed: string[] }
    expect(report.fingerprint).toBe(invited.fingerprint)
    const back = await lattice('join', report.answer, '--no-answer', '--config', path('a.env'))
    expect(back.code).toBe(0)
    expect(back.stdout).toContain('Restart the daemon')
    const [a, b] = ['a.env', 'b.env'].map(
      name => loadConfig({ env: {}, file: path(name), cwd: directory }).config,
    )
    expect(b?.p2pBootstrap[0]).toMatchObject({ peerId: invited.peer_id, nodeId: b?.trustedKeys[0] })
    expect([a?.nodes, b?.nodes]).toEqual([['http://127.0.0.1:8002'], ['http://127.0.0.1:8001']])
    expect(a?.p2pBootstrap[0]?.address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/9002\/p2p\/12D3KooW/)
    expect(readFileSync(path('b.env'), 'utf8')).toMatch(/^# mine\n/)
    const again = await lattice('join', invited.token, '--config', path('b.env'))
    expect(again.stdout).toContain('names this node already')
  })

  it('edits the line in force, legacy names included, keeps all others, mode and placeholders aside', async () => {
    file(
      'b.env',
      '# head',
      'DIOTEC360_TRUSTED_STATE_PUBKEYS=PEER_ID_1',
      '#LATTICE_NODES=https://example.org',
      `LATTICE_P2P_BOOTSTRAP='/dns4/old.example/tcp/9000/p2p/${one.peerId}'  # kept`,
      '',
      '# tail',
    )
    chmodSync(path('b.env'), 0o640)
    const two = identityFromSeed(new Uint8Array(32).fill(2), 'configured')
    const fromTwo = writeToken({ ...said, expires: 4_000_000_000 }, two.signer)
    const { code } = await lattice('join', fromTwo, '--no-answer', '--config', path('b.env'))
    expect(code).toBe(0)
    expect(readFileSync(path('b.env'), 'utf8').split('\n')).toEqual([
      '# head',
      `DIOTEC360_TRUSTED_STATE_PUBKEYS=${two.peerId}`,
      '#LATTICE_NODES=https://example.org',
      'LATTICE_NODES=https://node1.example.org',
      `LATTICE_P2P_BOOTSTRAP=/dns4/old.example/tcp/9000/p2p/${one.peerId},` +
        `/dns4/node1.example.org/tcp/443/tls/ws/p2p/${two.peerId}`,
      '',
      '# tail',
      '',
    ])
    expect(statSync(path('b.env')).mode & 0o777).toBe(0o640)
  })

  it('an expired, damaged or foreign invitation ends with 78, names the cause and changes nothing', async () => {
    const own = ['LATTICE_P2P_TOPIC=other/topic', `LATTICE_STATE_DIR=${path('b')}`]
    file('b.env', ...own)
    const text = readFileSync(path('b.env'), 'utf8')
    const cases = [
      [writeToken({ ...said, expires: 1_000 }, one.signer), /expired at 1970/],
      [`${token.slice(0, -3)}AAA`, /damaged or was changed/],
      [
        writeToken({ ...said, expires: 4_000_000_000 }, one.signer),
        /for the topic aethel\/lattice\/v1, this node is on other\/topic/,
      ],
    ] as const
    for (const [given, cause] of cases) {
      const { code, stderr } = await lattice('join', given, '--config', path('b.env'))
      expect([code, stderr]).toEqual([78, expect.stringMatching(cause)])
    }
    const env = { LATTICE_TRUSTED_KEYS: one.peerId }
    const two = writeToken(
      { ...said, topic: 'other/topic', expires: 4_000_000_000 },
      identityFromSeed(new Uint8Array(32).fill(2), 'file').signer,
    )
    const outcome = await runInProcess(['join', two, '--config', path('b.env')], { cwd: directory, env })
    expect([outcome.code, outcome.stderr]).toEqual([
      78,
      expect.stringContaining('set by env LATTICE_TRUSTED_KEYS'),
    ])
    expect(readFileSync(path('b.env'), 'utf8')).toBe(text)
  })

  it('a file that is no UTF-8 is not changed: it would be written back as another text', async () => {
    const latin1 = Buffer.from('# n\xf3 dois\nLATTICE_NODE_NAME=b\n', 'latin1')
    writeFileSync(path('b.env'), latin1)
    const lasting = writeToken({ ...said, expires: 4_000_000_000 }, one.signer)
    const { code, stderr } = await lattice('join', lasting, '--no-answer', '--config', path('b.env'))
    expect([code, stderr]).toEqual([78, expect.stringContaining('not UTF-8')])
    expect(readFileSync(path('b.env'))).toEqual(latin1)
  })

  it('--dry-run shows the plan and writes nothing', async () => {
    file('b.env', ...fresh('b', 8002))
    const text = readFileSync(path('b.env'), 'utf8')
    const lasting = writeToken({ ...said, expires: 4_000_000_000 }, one.signer)
    const { stdout } = await lattice('join', lasting, '--dry-run', '--config', path('b.env'))
    expect(stdout).toContain(`would change\n  LATTICE_TRUSTED_KEYS=${one.peerId}`)
    expect(readFileSync(path('b.env'), 'utf8')).toBe(text)
    expect(readdirSync(path('b'))).toEqual([])
  })

  it('the answer is on the topic that was taken over, and an HTTP-only node may be on any', async () => {
    file('a.env', ...fresh('a', 8001), 'LATTICE_P2P_TOPIC=ours/v1')
    const invited = await invite('a.env')
    for (const more of [[], ['LATTICE_P2P_ENABLED=false', 'LATTICE_P2P_TOPIC=other/v1']]) {
      file('b.env', ...fresh('b', 8002), ...more)
      const { stdout } = await lattice('join', invited.token, '--config', path('b.env'), '--json')
      const { answer } = JSON.parse(stdout) as { answer: string }
      const back = await lattice('join', answer, '--no-answer', '--config', path('a.env'))
      expect([back.code, back.stderr]).toEqual([0, ''])
    }
  })

  it('takes over a topic that a file would read as a comment', async () => {
    file('b.env', ...fresh('b', 8002))
    const odd = writeToken({ ...said, topic: '#ours', expires: 4_000_000_000 }, one.signer)
    expect((await lattice('join', odd, '--no-answer', '--config', path('b.env'))).code).toBe(0)
    const loaded = loadConfig({ env: {}, file: path('b.env'), cwd: directory })
    expect(loaded.config).toMatchObject({ p2pTopic: '#ours', trustedKeys: [one.nodeId] })
  })

  it('a node that nobody could reach is told so before its file is changed', async () => {
    const everywhere = ['LATTICE_P2P_LISTEN=/ip4/0.0.0.0/tcp/9000', 'LATTICE_HTTP_HOST=0.0.0.0']
    file('b.env', `LATTICE_STATE_DIR=${path('b')}`, ...everywhere)
    const text = readFileSync(path('b.env'), 'utf8')
    const lasting = writeToken({ ...said, expires: 4_000_000_000 }, one.signer)
    for (const more of [[], ['--dry-run']]) {
      const { code, stderr } = await lattice('join', lasting, '--config', path('b.env'), ...more)
      expect([code, stderr]).toEqual([78, expect.stringContaining('--public-url')])
    }
    expect(readFileSync(path('b.env'), 'utf8')).toBe(text)
  })

  it('invite wants an address others can use, and derives one from the public URL', async () => {
    file('a.env', `LATTICE_STATE_DIR=${path('a')}`, 'LATTICE_P2P_LISTEN=/ip4/0.0.0.0/tcp/9000')
    const alone = await lattice('invite', '--config', path('a.env'))
    expect([alone.code, alone.stderr]).toEqual([78, expect.stringContaining('--public-url')])
    const { token: made } = await invite('a.env', '--public-url', 'https://a.example.org')
    expect(readToken(made, Date.now())).toMatchObject({
      addresses: ['/dns/a.example.org/tcp/9000'],
      urls: ['https://a.example.org'],
    })
  })
})
