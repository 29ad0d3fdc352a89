/** Faults at the border between a running daemon and its kernel, by strace. Needs to be allowed to trace. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Daemon } from './daemons.ts'

/** Why there can be none here; undefined where there can. */
export function syscallFaultsMissing(): string | undefined {
  const tried = spawnSync('strace', ['-qq', '-e', 'trace=none', 'true'], { encoding: 'utf8' })
  if (tried.status === 0) return undefined
  return `system calls cannot be traced: ${tried.stderr?.trim() || String(tried.error)}`
}

/** What happens to every flush to the disk. */
export type FlushFault = { readonly error: 'EIO' } | { readonly delayMs: number }

/** Lets it happen from now on to a daemon that runs; resolves the end of it. */
export function faultFlushes(node: Daemon, fault: FlushFault): Promise<() => Promise<void>> {
  const how = 'error' in fault ? `error=${fault.error}` : `delay_enter=${fault.delayMs * 1000}`
  return inject(node, 'fsync,fdatasync', how, [])
}

/** Lets every read of the database and its log fail from now on; resolves the end of it. */
export function faultReads(node: Daemon): Promise<() => Promise<void>> {
  const files = ['store.db', 'store.db-wal'].map(name => join(node.plan.stateDir, name))
  return inject(node, 'pread64', 'error=EIO', files)
}

async function inject(
  node: Daemon,
  calls: string,
  how: string,
  files: readonly string[],
): Promise<() => Promise<void>> {
  const where = files.flatMap(file => ['-P', file])
  const what = ['-e', `trace=${calls}`, '-e', `inject=${calls}:${how}`]
  const args = ['-f', ...where, ...what, '-p', String(node.pid)]
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  await attached(tracer)
  return async () => {
    if (tracer.exitCode !== null) return
    const gone = once(tracer, 'exit')
    tracer.kill('SIGINT')
    await gone
  }
}

async function attached(tracer: ChildProcess): Promise<void> {
  let said = ''
  tracer.stderr?.setEncoding('utf8')
  const ready = new Promise<void>((resolve, reject) => {
    tracer.stderr?.on('data', (text: string) => {
      said += text
      if (said.includes('attached')) resolve()
    })
    tracer.once('exit', () => reject(new Error(`strace ended: ${said}`)))
  })
  await ready
}
