/**
 * The composition root: the only file that names the libraries behind the ports, and the only one that ends
 * the process.
 */
import type { Transport } from '@lattice/core'
import { createHttpSyncTransport } from '@lattice/http-sync'
import { createP2pTransport, libp2pVersion } from '@lattice/p2p'
import { chaosVariable, isChaosOrder, withChaos } from './chaos-transport.ts'
import type { StartContext } from './cli/register.ts'
import type { Config } from './config/index.ts'
import { startDaemon, type Daemon, type DaemonParts, type Lungs } from './daemon.ts'
import { systemClock } from './host/clock.ts'
import { createVerifier, sha256, systemRandom, type SystemVerifier } from './host/crypto.ts'
import type { Identity } from './host/identity.ts'
import type { Log } from './host/log.ts'
import { peerIdFromNodeId } from './host/peer-id.ts'
import { proxyHops } from './host/space.ts'
import { extendStart } from './host/systemd.ts'
import { isClosedTerminal } from './host/terminal.ts'
import { Reloads } from './reload.ts'
import { callerAddress } from './http/index.ts'
import { serveWithSuccessors } from './successors.ts'

/** A drain of 3 s and a last commit fit; systemd and Docker wait 10 s and more before they kill. */
const stopWithinMs = 8_000

/** By now a shell that ends has closed its terminal. */
const shellEndsMs = 2_000

/** Serves until a signal, or until the parent that started us over IPC is gone. */
export async function runDaemon(
  config: Config,
  context: StartContext,
  stop: AbortController,
): Promise<number> {
  const { env, stdout } = process
  const verifier = createVerifier()
  const parts: DaemonParts = {
    clock: systemClock,
    hash: sha256,
    random: systemRandom,
    verifier,
    libp2pVersion,
    peerIdOf: peerIdFromNodeId,
    createLungs: (identity, log) => createLungs(config, identity, verifier, log),
  }
  if (process.send !== undefined) {
    process.once('disconnect', () => stop.abort())
    // Listening holds the channel open, and that would keep a process alive whose start failed.
    process.channel?.unref()
  }
  let current: Daemon | undefined
  // A terminal that closes ends what runs in it; anybody else means "read your configuration again".
  const reloads = new Reloads({ config, loaded: context.loaded }, context.reload)
  const leaveWithTerminal = (): void => void (isClosedTerminal(stdout) && stop.abort())
  process.on('SIGHUP', () => {
    leaveWithTerminal()
    if (stop.signal.aborted) return
    reloads.ask()
    // Some shells tell their jobs first, and close the terminal then.
    setTimeout(leaveWithTerminal, shellEndsMs).unref()
  })
  // However far a start has come: what it opens is made for sudden ends.
  const endLate = (): void => void setTimeout(() => end(1), stopWithinMs).unref()
  if (stop.signal.aborted) endLate()
  else stop.signal.addEventListener('abort', endLate)
  const daemon = await serveWithSuccessors({
    start: async remedy => {
      // Of a successor systemd has heard already that it is ready, and expects its signs of life.
      using _moreTime = extendStart({ env, isAwaited: current === undefined })
      const settings = reloads.starts()
      return await startDaemon({ ...settings, env, stdout, ...(remedy && { remedy }) }, parts)
    },
    onDaemon: next => {
      const isFirst = current === undefined
      current = next
      reloads.serves(next)
      if (!isFirst) return
      process.on('unhandledRejection', reason => crash(current ?? next, reason))
      process.on('uncaughtException', error => crash(current ?? next, error))
    },
    now: () => systemClock.now().mono,
    stop: stop.signal,
  })
  await daemon.stop()
  endSoon()
  return 0
}

/** Looks at what is still done, this long apart, before a good end. */
const lookAgain = { everyMs: 50, times: 20 }

/** Ends the process well: libp2p leaves timers behind that would keep it for another second. */
function endSoon(times = lookAgain.times): void {
  setTimeout(() => (isWaited() && times > 0 ? endSoon(times - 1) : end(0)), lookAgain.everyMs).unref()
}

/**
 * Ends the process. An exit waits for files and names that were asked for, and a directory that hangs never
 * answers; a signal waits for nothing. To systemd SIGTERM is a good end, and SIGKILL is none.
 */
function end(code: 0 | 1): void {
  const signal = code === 0 ? 'SIGTERM' : 'SIGKILL'
  if (isWaited()) {
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  process.exit(code)
}

function isWaited(): boolean {
  return process.getActiveResourcesInfo().some(name => /^(FSReq|GetAddrInfo|GetNameInfo)/.test(name))
}

function createLungs(config: Config, identity: Identity, verifier: SystemVerifier, log: Log): Lungs {
  const { clock, random, hash } = { clock: systemClock, random: systemRandom, hash: sha256 }
  const trusted = new Set(config.trustedKeys)
  const tell: (
    level: 'debug' | 'info' | 'warn',
    message: string,
    fields?: Readonly<Record<string, unknown>>,
  ) => void = (level, message, fields) => log[level](message, fields)
  const http = createHttpSyncTransport({
    signer: identity.signer,
    verify: (author, message, signature) => verifier.verifyOne(author, message, signature),
    hash,
    trusted,
    urls: config.nodes,
    clock,
    random,
    log: tell,
  })
  if (!config.p2pEnabled) return { http }
  const p2p = createP2pTransport({
    privateKeySeed: identity.seed,
    trusted,
    listen: [...config.p2pListen],
    announce: [...config.p2pAnnounce],
    bootstrap: config.p2pBootstrap.map(each => each.address),
    topic: config.p2pTopic,
    callerOf: request => callerAddress(request, proxyHops(config.space)),
    log: tell,
  })
  const extras = {
    listenAddrs: p2p.listenAddrs.bind(p2p),
    restart: p2p.restart.bind(p2p),
    upgrade: p2p.upgrade.bind(p2p),
  }
  return { http, p2p: Object.assign(obedient(p2p, log), extras) }
}

/** `lattice up --chaos` may cut P2P over IPC; nobody else can. */
function obedient(p2p: Transport, log: Log): Transport {
  if (process.send === undefined || process.env[chaosVariable] === undefined) return p2p
  const chaos = withChaos(p2p)
  process.on('message', message => {
    if (!isChaosOrder(message)) return
    log.warn(`chaos: ${message.chaos === 'cut' ? 'P2P frames vanish from now on' : 'P2P frames pass again'}`)
    chaos[message.chaos]()
  })
  process.channel?.unref()
  return chaos.transport
}

/** Our own bug: say so and end, so that the supervisor starts a healthy process. */
function crash({ log }: Daemon, reason: unknown): void {
  const stack = Error.isError(reason) ? (reason.stack ?? reason.message) : String(reason)
  log.error(`unexpected error: ${stack}`)
  void log.flush().finally(() => end(1))
}
