/**
 * A small file system of its own for one node: a tmpfs in a mount namespace that the test holds open, so that
 * it outlives restarts of the daemon and vanishes with the test. Needs root.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Why there can be none here; undefined where there can. */
export function smallDiskMissing(): string | undefined {
  const tried = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
    encoding: 'utf8',
  })
  if (tried.status === 0) return undefined
  return `no tmpfs can be mounted in a namespace: ${tried.stderr.trim() || String(tried.error)}`
}

/** One small disk. */
export class SmallDisk {
  readonly #holder: ChildProcess
  readonly #directory: string

  private constructor(holder: ChildProcess, directory: string) {
    this.#holder = holder
    this.#directory = directory
  }

  /** Mounts `mib` MiB over `directory`, with what lay in there before. */
  static async open(directory: string, mib: number): Promise<SmallDisk> {
    const script = [
      'set -e',
      'kept=$(mktemp -d)',
      'cp -a "$0/." "$kept"',
      `mount -t tmpfs -o size=${mib}M,mode=700 tmpfs "$0"`,
      'cp -a "$kept/." "$0"',
      'rm -r "$kept"',
      'echo mounted',
      // Ends with the test: its standard input closes then.
      'exec cat',
    ].join('\n')
    const holder = spawn('unshare', ['--mount', 'sh', '-c', script, directory], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const first = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])
    if (String(first[0]).trim() !== 'mounted') throw new Error('the small disk could not be mounted')
    return new SmallDisk(holder, directory)
  }

  /** Put before a command, it runs where the disk is. */
  get within(): readonly string[] {
    return ['nsenter', '--target', String(this.#holder.pid), '--mount']
  }

  /** Fills the disk but for `kib` KiB. */
  fill(kib: number): void {
    const free = Number(this.#run('df', '--output=avail', '-k', this.#directory).split('\n')[1])
    this.#run('dd', 'if=/dev/zero', `of=${this.#ballast}`, 'bs=1k', `count=${Math.max(0, free - kib)}`)
  }

  /** Makes room again. */
  clear(): void {
    this.#run('rm', '-f', this.#ballast)
  }

  /** Makes it larger. */
  resize(mib: number): void {
    this.#run('mount', '-o', `remount,size=${mib}M`, this.#directory)
  }

  /** From now on nothing can be written to it, or it can again. */
  remount(how: 'ro' | 'rw'): void {
    this.#run('mount', '-o', `remount,${how}`, this.#directory)
  }

  /** Unmounts it, with everything that is on it. */
  async close(): Promise<void> {
    this.#holder.stdin?.end()
    if (this.#holder.exitCode === null) await once(this.#holder, 'exit')
  }

  get #ballast(): string {
    return `${this.#directory}/ballast`
  }

  #run(program: string, ...args: readonly string[]): string {
    const [enter = '', ...rest] = this.within
    const done = spawnSync(enter, [...rest, program, ...args], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`)
    return done.stdout
  }
}
