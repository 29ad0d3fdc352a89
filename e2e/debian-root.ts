/**
 * A Debian of its own to install into and to run images in, without a container engine: debootstrapped once
 * and kept, copied for each test, entered by chroot in a mount namespace that takes its mounts along when it
 * ends.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Kept between runs: a bootstrap takes a minute and 80 MB of downloads. */
const kept = process.env['LATTICE_TEST_ROOT'] ?? join(tmpdir(), 'lattice-bookworm-root')

/** Where and as whom a command runs. */
export interface Inside {
  readonly user?: number
  readonly directory?: string
  readonly env?: Readonly<Record<string, string>>
  /** The root cannot be written, except in these fresh, empty directories of the user. */
  readonly scratch?: readonly string[]
  /** Directories of the host, by the path they are mounted at. */
  readonly mounts?: Readonly<Record<string, string>>
}

/** One copy of the root. */
export interface DebianRoot {
  readonly path: string
  /** Runs a shell command to its end; standard output. Rejects with what it said. */
  shell(command: string, inside?: Inside): Promise<string>
  /** Starts a program and leaves it running. */
  start(argv: readonly string[], inside: Inside, log: number): ChildProcess
  remove(): void
}

/** A fresh copy of a minimal Debian 12. Needs root, and the Debian registry the first time. */
export function debianRoot(): DebianRoot {
  if (!existsSync(kept)) {
    const unfinished = mkdtempSync(`${kept}-`)
    const include = '--include=ca-certificates'
    execFileSync('debootstrap', ['--variant=minbase', include, 'bookworm', unfinished], { stdio: 'ignore' })
    // Other users live in it.
    chmodSync(unfinished, 0o755)
    renameSync(unfinished, kept)
  }
  const path = mkdtempSync(join(tmpdir(), 'lattice-root-'))
  execFileSync('cp', ['-a', '--reflink=auto', `${kept}/.`, path])
  // What an engine takes from its host: name servers and trusted authorities.
  for (const shared of ['/etc/resolv.conf', '/etc/ssl/certs'])
    cpSync(shared, join(path, shared), { recursive: true, dereference: true, force: true })
  // Packages must not try to start anything.
  mkdirSync(join(path, 'usr/sbin'), { recursive: true })
  writeFileSync(join(path, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  return {
    path,
    shell: async (command, inside = {}) => {
      const [program, ...args] = entering(path, ['/bin/sh', '-ec', command], inside)
      const { stdout } = await run(program ?? '', args, {
        maxBuffer: 64 * 1024 * 1024,
        env: environment(inside),
      })
      return stdout
    },
    start: (argv, inside, log) => {
      const [program, ...args] = entering(path, argv, inside)
      return spawn(program ?? '', args, { stdio: ['ignore', log, log], env: environment(inside) })
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

function environment({ env = {}, user = 0 }: Inside): Record<string, string> {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return {
    PATH: path,
    HOME: user === 0 ? '/' : '/tmp',
    NO_COLOR: '1',
    DEBIAN_FRONTEND: 'noninteractive',
    // The registries may be behind an authority that only this host trusts.
    NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
    ...env,
  }
}

function entering(path: string, argv: readonly string[], inside: Inside): string[] {
  const { user = 0, directory = '/', scratch = [], mounts = {} } = inside
  const own = [
    'mount --bind "$root" "$root"',
    'mount -t proc proc "$root/proc"',
    'mount --rbind /dev "$root/dev"',
    ...Object.entries(mounts).map(
      ([at, from]) => `mkdir -p "$root${at}"; mount --bind "${from}" "$root${at}"`,
    ),
    ...scratch.map(at => `mount -t tmpfs -o uid=${user},gid=${user},mode=0700 tmpfs "$root${at}"`),
    ...(scratch.length > 0 ? ['mount -o remount,bind,ro "$root"'] : []),
  ]
  // The last step replaces the shell, so that a signal reaches the program itself.
  const last = `exec chroot --userspec="${user}:${user}" "$root" env -C "${directory}" "$@"`
  return ['unshare', '--mount', 'sh', '-ec', [`root=$1; shift`, ...own, last].join('\n'), 'sh', path, ...argv]
}
