/**
 * The life of one daemon: what is opened in which order, and closed in the reverse one. Knows ports, no
 * libraries.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Hash, NodeId, Random, StoreRemedy, Transport, Verifier } from '@lattice/core'
import { LatticeError } from '@lattice/core'
import { banner } from './banner.ts'
import { configSources, formatProblem, type Secret, type Config, type Loaded } from './config/index.ts'
import { programVersion } from './cli/version.ts'
import { openAdminToken } from './host/admin-token.ts'
import { openIdentity, type Identity } from './host/identity.ts'
import { engineParams, type Tunable } from './engine-params.ts'
import { createCounts, figuresOf } from './history/figures.ts'
import { keepHistory, type History } from './history/history.ts'
import { createLog, type Log } from './host/log.ts'
import { createPulse, type Pulse, type PulseReading } from './host/pulse.ts'
import { watchEventLoop } from './host/probes.ts'
import { proxyHops } from './host/space.ts'
import {
  createDashboard,
  createHttpApp,
  createHttpServer,
  createWarnings,
  judge,
  type HttpAppOptions,
  type HttpServer,
  type SyncHandler,
  type UpgradeHandler,
} from './http/index.ts'
import { reloaderOf, type Reloader } from './reload.ts'
import { Runtime } from './runtime.ts'
import { historyFile, storeFiles } from './sqlite-schema.ts'
import { Salvaging } from './salvaging.ts'
import { openSqliteStore, type SqliteStore } from './sqlite-store.ts'
import { supervise } from './supervise.ts'
import { watchStore } from './store-watch.ts'
import { freezeState, keepSnapshots, restoreAtStart, type AtStart } from './snapshot/index.ts'
import { openStateDir } from './state-dir.ts'

/** The lungs as the daemon needs them. */
export interface Lungs {
  readonly p2p?: Transport & {
    listenAddrs(): readonly string[]
    restart(): Promise<void>
    readonly upgrade: UpgradeHandler
  }
  readonly http: Transport & { readonly handler: SyncHandler; urlOf(peer: NodeId): string | undefined }
}

/** What the composition root supplies. */
export interface DaemonParts {
  readonly clock: Clock
  readonly hash: Hash
  readonly random: Random
  readonly verifier: Verifier
  readonly libp2pVersion: string
  readonly peerIdOf: (nodeId: NodeId) => string
  readonly createLungs: (identity: Identity, log: Log) => Lungs
}

/** What a start is given. */
export interface StartInput {
  readonly config: Config
  readonly loaded: Loaded
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: NodeJS.WriteStream
  /** What the store needs before it is used, as the daemon before this one has found out. */
  readonly remedy?: StoreRemedy
}

/** A running daemon. */
export interface Daemon extends Reloader {
  readonly log: Log
  /** Resolves when the store cannot be trusted any more: this daemon is to be replaced. */
  readonly distrusted: Promise<StoreRemedy>
  /** Drains, says goodbye, closes everything. `isReplaced`: another daemon follows in this process. */
  stop(isReplaced?: boolean): Promise<void>
}

/** Opens everything and starts serving. What has been opened is closed again when a later step fails. */
export async function startDaemon(input: StartInput, parts: DaemonParts): Promise<Daemon> {
  const { config } = input
  await using opened = new AsyncDisposableStack()
  const stateDir = openStateDir(config.stateDir)
  opened.defer(() => stateDir.release())
  const storeExists = Object.values(storeFiles).some(name => existsSync(join(stateDir.path, name)))
  const identity = openIdentity({ stateDir: stateDir.path, configured: config.nodePrivkeyHex, storeExists })
  opened.defer(() => identity.release())
  const token = openAdminToken(stateDir.path, config.adminToken)
  let mode = (): string | undefined => undefined
  const log = openLog(input, token, () => mode())
  for (const warning of input.loaded.warnings) log.warn(formatProblem(warning))
  const store = await openStore(stateDir.path, input, log)
  opened.defer(() => store.close())
  const lungs = parts.createLungs(identity, log)
  const params = engineParams(config)
  const members = new Set(config.trustedKeys.filter(id => id !== identity.nodeId))
  if (members.size === 0) log.warn('no trusted keys: this node serves its own clients and refuses all sync')
  const former = new Set(config.formerKeys)
  const restored = await restoreAtStart(config.snapshotDir, {
    ...parts,
    signer: identity.signer,
    store,
    log,
    members: new Set([...members, ...former]),
  })
  const now = (): number => parts.clock.now().mono
  const pulse = createPulse(now)
  const salvaging = new Salvaging(stateDir.path)
  const made = { identity, store, lungs, log, members, former, params, pulse, salvaging }
  const { runtime, distrusted } = createRuntime(config, parts, made)
  mode = () => modeOf(runtime)
  // The last lines of the log come after the store has been closed, and a status reads it.
  opened.defer(() => void (mode = always(mode())))
  // It has an alarm from its first event on, and the disk is measured before it starts.
  opened.defer(() => runtime.stop())
  const own = { ...input, parts, identity, log, store, runtime, salvaging }
  const serving = await serve({ ...own, token: token.reveal(), lungs })
  opened.defer(() => serving.stop())
  await runtime.start()
  void salvaging.start(runtime, log)
  opened.defer(() => salvaging.stop())
  greet(input, identity, serving.url, lungs, log)
  const closing = opened.move()
  const running = { ...own, pulse, now, params, distrusted }
  return operate(running, { restored, server: serving.server, close: () => closing.disposeAsync() })
}

function openStore(directory: string, { remedy }: StartInput, log: Log): Promise<SqliteStore> {
  const tell = (level: 'info' | 'warn', text: string): void => log[level](text, { code: 'STORE' })
  return openSqliteStore(directory, { log: tell, ...(remedy === undefined ? {} : { remedy }) })
}

interface RuntimeInput {
  readonly identity: Identity
  readonly store: SqliteStore
  readonly lungs: Lungs
  readonly log: Log
  readonly members: ReadonlySet<NodeId>
  readonly former: ReadonlySet<NodeId>
  readonly params: Tunable
  readonly pulse: Pulse
  readonly salvaging: Salvaging
}

/** Engine and transports over an open store, and the promise that resolves when that is not to be trusted. */
function createRuntime(
  { nodeName: name, nodeRole: role }: Config,
  parts: DaemonParts,
  { identity, store, lungs, log, members, former, params, pulse, salvaging }: RuntimeInput,
): { runtime: Runtime; distrusted: Promise<StoreRemedy> } {
  const { promise: distrusted, resolve } = Promise.withResolvers<StoreRemedy>()
  const { http, p2p } = lungs
  const runtime = new Runtime({
    ...parts,
    pulse,
    info: { name, role, software: `lattice/${programVersion()}` },
    store,
    signer: identity.signer,
    params,
    members,
    former,
    isSalvaging: () => salvaging.isUnderWay,
    transports: [http, ...(p2p === undefined ? [] : [p2p])],
    ...(p2p === undefined ? {} : { restartP2p: () => p2p.restart() }),
    onDistrust: (reason, remedy) => {
      resolve(remedy)
      log.error(`${reason}: the store is closed, and opened anew (${remedy})`, { code: 'STORE_SUSPECT' })
    },
    log: (level, message, fields) => log[level](message, fields),
  })
  return { runtime, distrusted }
}

interface Running extends StartInput {
  readonly parts: DaemonParts
  readonly identity: Identity
  readonly log: Log
  readonly store: SqliteStore
  readonly runtime: Runtime
  readonly salvaging: Salvaging
  readonly pulse: PulseReading
  readonly now: () => number
  readonly params: Tunable
  readonly distrusted: Promise<StoreRemedy>
}

/** For log lines, which must come through also where a status cannot be read off a failing disk. */
function modeOf(runtime: Runtime): string | undefined {
  try {
    return runtime.status().syncMode
  } catch {
    return undefined
  }
}

function always<T>(value: T): () => T {
  return () => value
}

/** Snapshots, the supervisor's view, reload and stop of a daemon that serves. */
function operate(
  running: Running,
  at: {
    readonly restored: AtStart
    readonly server: HttpServer
    readonly close: () => Promise<void>
  },
): Daemon {
  const { config, loaded, identity, log, store, runtime, salvaging, parts, params } = running
  const { snapshotDir: directory, snapshotIntervalMs: intervalMs } = config
  const root = (): string => runtime.status().root
  const freeze = () => freezeState(runtime, store)
  const isWhole = (): boolean => salvaging.progress === undefined
  const kept = { intervalMs, node: identity.nodeId, store, root, isWhole, freeze, clock: parts.clock, log }
  const snapshots = directory === undefined ? undefined : keepSnapshots({ directory, ...kept }, at.restored)
  const supervisor = supervise(running)
  const stop = async (isReplaced = false): Promise<void> => {
    log.info(isReplaced ? 'starting anew' : 'stopping')
    const told = isReplaced ? supervisor.pause() : supervisor.stopping()
    // At the same time: the farewell answers the long polls that the server would otherwise wait for.
    await Promise.all([at.server.close(), runtime.stop()])
    await snapshots?.stop()
    await at.close()
    if (!isReplaced) log.info('stopped')
    await Promise.all([told, log.flush()])
  }
  const reloader = reloaderOf({ started: { config, loaded }, log, params })
  return { log, distrusted: running.distrusted, ...reloader, stop }
}

function openLog({ config, env, stdout }: StartInput, token: Secret, mode: () => string | undefined): Log {
  const secrets = [token, ...(config.nodePrivkeyHex === undefined ? [] : [config.nodePrivkeyHex])]
  const { logLevel: level, logFormat: format, nodeName: node } = config
  return createLog({ stream: stdout, level, format, node, mode, env, secrets })
}

interface ServeInput extends StartInput {
  readonly parts: DaemonParts
  readonly identity: Identity
  readonly token: string
  readonly log: Log
  readonly store: SqliteStore
  readonly runtime: Runtime
  readonly salvaging: Salvaging
  readonly lungs: Lungs
}

async function serve(
  input: ServeInput,
): Promise<{ server: HttpServer; url: string; stop: () => Promise<void> }> {
  const { config, lungs, log, runtime, salvaging, parts } = input
  const lag = watchEventLoop()
  const watch = await watchStore({ store: input.store, runtime, salvaging, clock: parts.clock, log })
  const { integrity, disk, persistence } = watch
  const probes = { eventLoop: lag.probe, disk, persistence }
  const counts = createCounts()
  const salvage = (): string | undefined => salvaging.progress
  const base = { ...appOptions(input), salvage, probes, integrity, onAnswered: counts.onAnswered }
  const options = { ...base, warnings: createWarnings(base) }
  const history = startHistory(input, counts, () => {
    options.warnings()
    return judge(options).overall !== 'unhealthy'
  })
  const app = createHttpApp({ ...options, history })
  const upgrade = lungs.p2p?.upgrade
  const server = createHttpServer(app, {
    ...(upgrade === undefined ? {} : { onUpgrade: upgrade }),
    ...(proxyHops(config.space) > 0 && { isProxy: () => true }),
  })
  const unwatch = async (): Promise<void> => {
    await history.stop()
    lag[Symbol.dispose]()
    watch[Symbol.dispose]()
  }
  const { port } = await server
    .listen(config.httpPort, config.httpHost)
    .catch(async (error: NodeJS.ErrnoException) => {
      // A check that waits for its time would keep the process alive.
      await unwatch()
      const address = `${config.httpHost}:${config.httpPort}`
      const advice = 'stop the other program, or set LATTICE_HTTP_PORT'
      if (error.code === 'EADDRINUSE')
        throw new LatticeError('PORT_IN_USE', `${address} is already in use; ${advice}`)
      throw new LatticeError('PORT_IN_USE', `cannot listen on ${address}: ${error.message}`, { cause: error })
    })
  const host = config.httpHost.includes(':') ? `[${config.httpHost}]` : config.httpHost
  const stop = async (): Promise<void> => {
    await server.close()
    await unwatch()
  }
  return { server, url: `http://${host}:${port}`, stop }
}

function startHistory(
  { config, runtime, parts, log }: ServeInput,
  counts: ReturnType<typeof createCounts>,
  serves: () => boolean,
): History {
  const uncount = runtime.subscribe(counts.onEvent)
  const history = keepHistory({
    path: join(config.stateDir, historyFile),
    bytesMax: config.historyBytesMax,
    clock: parts.clock,
    sample: seconds => figuresOf(runtime.status(), counts.take(), seconds, serves()),
    onFailure: message => log.warn(`the history cannot be written, charts will have a gap: ${message}`),
  })
  const stop = async (): Promise<void> => {
    uncount()
    await history.stop()
  }
  return { ...history, stop }
}

function appOptions(input: ServeInput): HttpAppOptions {
  const { config, identity, loaded, runtime, lungs, log, parts, token } = input
  const { p2p } = lungs
  const dashboard = createDashboard()
  const embedders = config.space === undefined ? [] : ['https://huggingface.co', 'https://*.hf.space']
  return {
    node: runtime,
    identity: { nodeId: identity.nodeId, peerId: identity.peerId },
    config: {
      host: config.httpHost,
      adminToken: token,
      corsOrigins: config.corsOrigins,
      frameAncestors: ["'self'", ...embedders],
      trustedProxyHops: proxyHops(config.space),
      nodes: config.nodes,
      statusPage: config.statusPage,
      topic: config.p2pTopic,
      bootstrap: config.p2pBootstrap.map(each => each.address),
    },
    info: {
      name: config.nodeName,
      role: config.nodeRole,
      version: programVersion(),
      libp2pVersion: parts.libp2pVersion,
      production: config.environment === 'production',
      safeMode: config.trustedKeys.length === 0,
      violations: loaded.insecure.map(problem => problem.text),
      started: parts.clock.now(),
    },
    clock: parts.clock,
    p2p: () => ({
      enabled: config.p2pEnabled,
      started: runtime.startFailure('p2p') === undefined && p2p !== undefined,
      available: true,
      ...(runtime.startFailure('p2p') === undefined ? {} : { error: runtime.startFailure('p2p') ?? '' }),
      listenAddresses: p2p?.listenAddrs() ?? [],
    }),
    peer: nodeId => {
      const url = lungs.http.urlOf(nodeId)
      return {
        peerId: parts.peerIdOf(nodeId),
        ...(url === undefined ? {} : { url }),
        addresses: runtime.addresses(nodeId),
      }
    },
    syncHandler: lungs.http.handler,
    ...(dashboard === undefined ? {} : { dashboard }),
    log,
  }
}

function greet(input: StartInput, identity: Identity, url: string, lungs: Lungs, log: Log): void {
  const { config, loaded, stdout } = input
  const facts = {
    version: programVersion(),
    nodeName: config.nodeName,
    nodeRole: config.nodeRole,
    peerId: identity.peerId,
    mode: config.p2pEnabled ? 'AUTO, looking for peers' : 'HTTP only',
    urls: [url],
    p2pAddresses: lungs.p2p?.listenAddrs() ?? [],
    stateDir: config.stateDir,
    sources: configSources(loaded),
    warnings: loaded.warnings.map(warning => warning.text),
  }
  if (config.logFormat === 'human' || (config.logFormat === 'auto' && stdout.isTTY)) {
    stdout.write(`${banner(facts, stdout.isTTY)}\n`)
  }
  log.info('ready', { code: 'READY', url, peerId: identity.peerId })
}
