/** `lattice up`: a local federation of real daemons that proves itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { createClient } from '@lattice/api'

import { counted } from '../counted.ts'
import { findAdminToken } from '../host/admin-token.ts'
import { CliError, exitCodes } from './exit.ts'
import { brief, print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import { stepper } from './progress.ts'
import type { Step, Tell } from './progress.ts'
import type { Register } from './register.ts'
import { clientFailure, isApiError } from './session.ts'
import { chaosDefaults, proveChaos } from './up-chaos.ts'
import type { ChaosProof } from './up-chaos.ts'
import { createFleet } from './up-fleet.ts'
import type { Fleet } from './up-fleet.ts'
import { planNodes } from './up-plan.ts'
import type { PlannedNode } from './up-plan.ts'
import { proveEqualRoots, provePath } from './up-proof.ts'
import type { LiveNode, Proof } from './up-proof.ts'
import { until } from './up-wait.ts'

interface Options {
  readonly count: string
  readonly data?: string
  readonly httpOnly?: boolean
  readonly chaos?: boolean
  readonly once?: boolean
  readonly json?: boolean
}

// The port of a single daemon: `lattice status` finds node 1 without --url.
const firstPort = 8000
const countMax = 9

/** Adds the command. */
export const registerUp: Register = (program, { io, run }) => {
  const command = program
    .command('up')
    .description('run a local federation of real daemons and prove that it works')
    .option('--count <n>', 'how many nodes, 2 to 9', '3')
    .option(
      '--data <dir>',
      'where the nodes keep their data (default: ./.lattice/up; with --once a fresh one)',
    )
    .option('--http-only', 'without P2P: the HTTP-Only Resilience Mode')
    .option('--chaos', 'cut P2P silently while it runs, and watch HTTP take over and P2P come back')
    .option('--once', 'prove P2P and HTTP, stop everything and exit')
    .option('--json', 'machine-readable answer (lattice.up/v1)')
    .addHelpText('after', '\nExample:\n  $ lattice up\n  $ lattice up --once --json')
  command.action(
    run((options: Options) => {
      if (options.chaos === true && options.httpOnly === true)
        throw new CliError(exitCodes.usage, '--chaos cuts P2P, and --http-only runs without it; choose one')
      const count = /^[2-9]$/.test(options.count) ? Number(options.count) : 0
      if (count > 0) return up(io, options, count)
      throw new CliError(exitCodes.usage, `--count takes 2 to ${countMax}, not "${options.count}"`)
    }),
  )
}

async function up(io: CliIo, options: Options, count: number): Promise<number> {
  const temporary = options.once === true && options.data === undefined
  const directory = temporary
    ? mkdtempSync(join(tmpdir(), 'lattice-up-'))
    : resolve(io.cwd, options.data ?? '.lattice/up')
  const fleet = createFleet(io.signal)
  let keep = !temporary
  const signal = AbortSignal.any([io.signal, fleet.broken])
  try {
    await demonstrate(io, options, { count, directory, fleet, signal })
    if (options.once !== true) await aborted(signal)
    throwIfBroken(fleet)
    return io.signal.aborted && options.once === true ? exitCodes.failed : exitCodes.ok
  } catch (error) {
    // The logs say what went wrong; a user who stopped it himself does not need them.
    keep ||= !io.signal.aborted
    throwIfBroken(fleet)
    if (io.signal.aborted) return options.once === true ? exitCodes.failed : exitCodes.ok
    throw isApiError(error) ? clientFailure(error, 'a node') : error
  } finally {
    if (options.json !== true && options.once !== true) print(io, 'Stopping …')
    await fleet.stop()
    if (!keep) rmSync(directory, { recursive: true, force: true })
  }
}

interface Run {
  readonly count: number
  readonly directory: string
  readonly fleet: Fleet
  readonly signal: AbortSignal
}

async function demonstrate(
  io: CliIo,
  options: Options,
  { count, directory, fleet, signal }: Run,
): Promise<void> {
  const step = stepper(io, options.json === true)
  const httpOnly = options.httpOnly === true
  const chaos = options.chaos === true
  const ports = { firstPort: options.once === true ? 0 : firstPort }
  const choice = { count, directory, httpOnly, ...ports, ...(chaos ? { defaults: chaosDefaults } : {}) }
  const planned = await step(`${count} identities and free ports`, () => planNodes(choice, io.env))
  const nodes = await step(`${count} daemons ready`, tell => startAll(planned, fleet, signal, tell))
  const path = httpOnly ? 'http' : 'p2p'
  await step(`Each node sees the others over ${path}`, tell => meet(nodes, path, signal, tell))
  const proofs = [...(await prove(step, nodes, path, signal))]
  const cut = chaos ? await proveChaos({ step, nodes, fleet, signal }) : undefined
  proofs.push(...(cut?.proofs ?? []))
  if (options.once === true && !httpOnly && !chaos)
    proofs.push(...(await proveForcedHttp(step, nodes, signal)))
  const root = await step('All roots equal', () => proveEqualRoots(nodes, signal))
  if (options.json === true) printJson(io, { ...document(nodes, fleet, proofs, root), ...chaosDocument(cut) })
  else print(io, ...(cut?.lines ?? []), ...summary(nodes, proofs, root, options.once === true))
}

async function startAll(
  planned: readonly PlannedNode[],
  fleet: Fleet,
  signal: AbortSignal,
  tell: Tell,
): Promise<readonly LiveNode[]> {
  for (const node of planned) fleet.start(node)
  const ready = new Set<string>()
  const open = planned.map(async (node): Promise<LiveNode> => {
    const probe = createClient({ baseUrl: node.url, timeoutMs: 2000 })
    await until(
      `${node.name} is ready`,
      signal,
      async () => (await probe.getHealth({ signal })).status !== 'unhealthy',
    )
    ready.add(node.name)
    tell(`${ready.size} of ${planned.length}: ${[...ready].join(', ')}`)
    const token = findAdminToken(node.stateDir)?.reveal()
    return { node, client: createClient({ baseUrl: node.url, ...(token === undefined ? {} : { token }) }) }
  })
  return Promise.all(open)
}

async function meet(
  nodes: readonly LiveNode[],
  path: 'p2p' | 'http',
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const others = nodes.length - 1
  await Promise.all(
    nodes.map(({ node, client }) =>
      until(`${node.name} sees ${counted(others, 'peer')} over ${path}`, signal, async () => {
        const seen =
          path === 'p2p'
            ? (await client.getP2pStatus({ signal })).peer_count
            : (await client.getPeers({ signal })).peers.filter(peer => peer.path === 'http').length
        tell(`${node.name} sees ${seen} of ${others}`)
        return seen === others
      }),
    ),
  )
}

function prove(
  step: Step,
  nodes: readonly LiveNode[],
  path: 'p2p' | 'http',
  signal: AbortSignal,
): Promise<readonly Proof[]> {
  const [first, ...others] = nodes
  if (first === undefined) throw new Error('a federation has nodes')
  const key = path === 'p2p' ? 'demo/hello' : 'demo/hello-http'
  const title = `${key} written on ${first.node.name}, read on the others by ${path}`
  return step(title, () => provePath(first, others, { key, path }, signal))
}

async function proveForcedHttp(
  step: Step,
  nodes: readonly LiveNode[],
  signal: AbortSignal,
): Promise<readonly Proof[]> {
  const [first] = nodes
  if (first === undefined) throw new Error('a federation has nodes')
  const reason = 'lattice up --once proves HTTP'
  await step(`${first.node.name} forced to HTTP`, () =>
    first.client.switchMode({ query: { mode: 'http', reason } }),
  )
  const proofs = await prove(step, nodes, 'http', signal)
  await step(`${first.node.name} back to AUTO`, () => first.client.switchMode({ query: { mode: 'auto' } }))
  return proofs
}

function chaosDocument(cut: ChaosProof | undefined): object {
  if (cut === undefined) return {}
  return { chaos: { http_declared_ms: cut.httpDeclaredMs, p2p_back_ms: cut.p2pBackMs } }
}

function document(nodes: readonly LiveNode[], fleet: Fleet, proofs: readonly Proof[], root: string): object {
  const described = nodes.map(({ node }) => ({
    name: node.name,
    url: node.url,
    peer_id: node.identity.peerId,
    public_key: node.identity.nodeId,
    state_dir: node.stateDir,
    pid: fleet.pidOf(node) ?? null,
  }))
  return { schema: 'lattice.up/v1', nodes: described, proofs, root }
}

function summary(
  nodes: readonly LiveNode[],
  proofs: readonly Proof[],
  root: string,
  once: boolean,
): readonly string[] {
  const [first] = nodes
  const url = first?.node.url ?? ''
  const go = [
    '',
    ...nodes.map(({ node }) => `  ${node.name}  ${node.url}/  (log: ${node.logFile})`),
    '',
    `Go on:  lattice status --url ${url}`,
    `        lattice put greeting '"hello"' --url ${url}`,
    `        lattice verify ${nodes.map(({ node }) => node.url).join(' ')}`,
    'Ctrl-C stops all nodes.',
  ]
  return [
    ...proofs.map(
      ({ key, from, to, path, ms }) => `wrote ${key} on ${from}, read on ${to} in ${ms} ms via ${path}`,
    ),
    `all ${nodes.length} nodes hold the same state, root ${brief(root)}`,
    ...(once ? [] : go),
  ]
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(done => signal.addEventListener('abort', () => done(), { once: true }))
}

function throwIfBroken(fleet: Fleet): void {
  if (fleet.broken.aborted) throw fleet.broken.reason
}
