/**
 * Talks to systemd: ready, status, stopping, and the process watchdog (sd_notify(3)). Nothing happens where
 * NOTIFY_SOCKET is not set.
 *
 * Node has no datagram sockets for AF_UNIX, so the words go through the `systemd-notify` program, one child at a
 * time. The network watchdog of the core is another thing and knows nothing of this one.
 */
import { execFile } from 'node:child_process'

/** What a supervisor is told. */
export interface Supervisor {
  /** Everything is open and serving. Starts the watchdog, if the supervisor has one. */
  ready(): void
  /** The line that `systemctl status` shows. Repetition costs nothing. */
  status(text: string): void
  /** The watchdog is no longer told that all is well; `ready` of another one follows soon. */
  pause(): void
  /** Resolves once it is said: the process may end right after. */
  stopping(): Promise<void>
}

/** What the supervisor's voice needs. */
export interface SupervisorOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Why this process must not be vouched for; undefined while all is well. */
  readonly trouble: () => string | undefined
  readonly warn: (text: string) => void
  /** The program; for tests that have their own. */
  readonly program?: string
}

/** A call takes about 10 ms; a socket that nobody reads must not keep children for ever. */
const callMsMax = 5_000

/** More lag than this between two looks and the loop was stuck: that look does not count as alive. */
const lagMsMax = 5_000

/** Without a watchdog. Status texts change rarely enough to be sent as they come. */
const usecPerMs = 1000

/** The voice towards systemd, or one that says nothing. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { env } = options
  if (env['NOTIFY_SOCKET'] === undefined || env['NOTIFY_SOCKET'] === '') return mute
  const say = createSpeech(options)
  let told: string | undefined
  let timer: NodeJS.Timeout | undefined
  return {
    ready: () => {
      void say('READY=1')
      const periodMs = watchdogMs(env)
      if (periodMs !== undefined) timer = startWatchdog(periodMs / 2, options, () => void say('WATCHDOG=1'))
    },
    status: text => {
      if (text === told) return
      told = text
      void say(`STATUS=${text.replaceAll('\n', ' ')}`)
    },
    pause: () => clearInterval(timer),
    stopping: async () => {
      clearInterval(timer)
      await say('STOPPING=1')
    },
  }
}

const mute: Supervisor = Object.freeze({
  ready: () => undefined,
  status: () => undefined,
  pause: () => undefined,
  stopping: () => Promise.resolve(),
})

/** A start that is under way asks for more time this often: well within the shortest time units give one. */
const askEveryMs = 30_000

/** What is asked for each time; as long as a start is given at first. */
const askedMs = 90_000

/** By now a start is stuck, whatever it does: backups and restores get no more either. */
const startMsMax = 1_800_000

/**
 * Asks systemd for more time until it is disposed. A start may have to bring a store to a new format or to
 * fill it from a snapshot; killed in the midst of that it begins anew, and is killed again.
 */
export function extendStart(options: {
  readonly env: SupervisorOptions['env']
  readonly everyMs?: number
  readonly program?: string
}): Disposable {
  const { env, everyMs = askEveryMs } = options
  if (env['NOTIFY_SOCKET'] === undefined || env['NOTIFY_SOCKET'] === '')
    return { [Symbol.dispose]: () => undefined }
  // READY=1 comes the same way, and tells where it does not work.
  const say = createSpeech({ ...options, trouble: () => undefined, warn: () => undefined })
  let left = startMsMax / askEveryMs
  const timer = setInterval(() => {
    if (left-- > 0) void say(`EXTEND_TIMEOUT_USEC=${askedMs * usecPerMs}`)
  }, everyMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** How often systemd wants to hear from this process, in ms; undefined where it does not care. */
export function watchdogMs(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const usec = Number(env['WATCHDOG_USEC'])
  const meant = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(process.pid)
  return meant && Number.isSafeInteger(usec) && usec > 0 ? usec / usecPerMs : undefined
}

function startWatchdog(everyMs: number, options: SupervisorOptions, ping: () => void): NodeJS.Timeout {
  let expected = performance.now() + everyMs
  const look = (): void => {
    const late = performance.now() - expected
    expected = performance.now() + everyMs
    const trouble =
      late > lagMsMax ? `the event loop was stuck for ${Math.round(late)} ms` : options.trouble()
    if (trouble === undefined) ping()
    else options.warn(`the process watchdog is not told that all is well: ${trouble}`)
  }
  look()
  const timer = setInterval(look, everyMs)
  timer.unref()
  return timer
}

/** Words in their order, one child at a time. */
function createSpeech({
  env,
  warn,
  program = 'systemd-notify',
}: SupervisorOptions): (word: string) => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  let failed = false
  const call = (word: string): Promise<void> =>
    new Promise(resolve => {
      const { NOTIFY_SOCKET, PATH } = env
      execFile(program, [word], { env: { NOTIFY_SOCKET, PATH }, timeout: callMsMax }, error => {
        if (error !== null && !failed) warn(`systemd could not be told ${word}: ${error.message}`)
        failed = error !== null
        resolve()
      })
    })
  return word => {
    last = last.then(() => call(word))
    return last
  }
}
