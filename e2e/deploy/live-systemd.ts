/**
 * A Debian with systemd as its process 1, without a container engine: the root of debian-root.ts in
 * namespaces of its own, network included, with a cgroup of its own. It ends as a whole.
 *
 * The root is entered by pivot_root, since a process in a chroot may make no user namespace (clone(2)), and
 * the units want one (PrivateUsers).
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { debianRoot, type DebianRoot } from '../debian-root.ts'
import { eventually } from '../eventually.ts'

const run = promisify(execFile)

/** A machine that has booted. */
export interface LiveSystemd {
  readonly root: DebianRoot
  /** Runs a shell command on it; both outputs. Rejects with what it said. */
  shell(command: string): Promise<string>
  /** Copies a package there and installs it. */
  install(deb: string): Promise<string>
  /** One property of a unit, as `systemctl show` has it. */
  property(unit: string, name: string): Promise<string>
  stop(): Promise<void>
}

/** Boots one. Needs root, and the Debian registry for systemd itself. */
export async function bootSystemd(): Promise<LiveSystemd> {
  const root = debianRoot()
  const packages = 'apt-get update -q && apt-get install -q -y --no-install-recommends systemd'
  await root.shell(packages)
  const cgroups = hierarchies.map(each => join(each, basename(root.path)))
  for (const each of cgroups) mkdirSync(each)
  const joined = cgroups.map(each => `echo 0 >${each}/cgroup.procs`)
  const namespaces = '--pid --fork --kill-child --mount --uts --ipc --cgroup --net'
  const boot = [...joined, `exec unshare ${namespaces} sh -ec "$1" sh "$2"`].join('\n')
  const child = spawn('sh', ['-ec', boot, 'sh', entering, root.path], { stdio: 'ignore' })
  const gone = once(child, 'exit')
  const one = (): number =>
    Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim())
  const shell = async (command: string): Promise<string> => {
    const into = ['-t', String(one()), '-m', '-p', '-u', '-i', '-n', '-C', '-r', '-w']
    const clean = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'NO_COLOR=1', 'SYSTEMD_PAGER=']
    const { stdout, stderr } = await run('nsenter', [...into, ...clean, 'sh', '-ec', command])
    return stdout + stderr
  }
  await eventually(
    'systemd runs',
    async () => (await shell('systemctl is-system-running')) === 'running\n',
    60_000,
  )
  return {
    root,
    shell,
    install: deb => {
      copyFileSync(deb, join(root.path, 'srv/lattice.deb'))
      return shell('DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /srv/lattice.deb')
    },
    property: async (unit, name) => (await shell(`systemctl show ${unit} --property ${name} --value`)).trim(),
    stop: async () => {
      // Whoever started a PID namespace ends it, with all that is inside.
      child.kill('SIGKILL')
      await gone
      for (const each of cgroups) await eventually(`${each} is empty`, () => removeTree(each), 20_000)
      root.remove()
    },
  }
}

/** Where cgroups are made: one tree of version 2, or that beside the one of systemd. */
const hierarchies = existsSync('/sys/fs/cgroup/cgroup.procs')
  ? ['/sys/fs/cgroup']
  : ['/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']

const cgroupMounts =
  hierarchies.length === 1
    ? ['mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"']
    : [
        'mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"',
        'mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"',
        'mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"',
        'mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"',
      ]

/** What a container engine prepares; the settings of the kernel are for reading only. */
const entering = [
  'root=$1',
  'ip link set lo up',
  'mount --make-rprivate /',
  'mount --bind "$root" "$root"',
  'mount -t proc proc "$root/proc"',
  'mount --bind "$root/proc/sys" "$root/proc/sys"',
  'mount -o remount,bind,ro "$root/proc/sys"',
  'mount -t sysfs -o ro sysfs "$root/sys"',
  'mount -t tmpfs -o mode=755 tmpfs "$root/dev"',
  'for each in null zero full random urandom tty; do',
  '  touch "$root/dev/$each"; mount --bind "/dev/$each" "$root/dev/$each"',
  'done',
  'mkdir "$root/dev/pts" "$root/dev/shm"',
  'mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"',
  'ln -s pts/ptmx "$root/dev/ptmx"',
  'ln -s /proc/self/fd "$root/dev/fd"',
  'mount -t tmpfs -o mode=755 tmpfs "$root/run"',
  ...cgroupMounts,
  'cd "$root"',
  'pivot_root . .',
  'umount -l .',
  'exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd',
].join('\n')

/** Whether a cgroup could be removed with all below it: it can once its processes are gone. */
async function removeTree(path: string): Promise<boolean> {
  const below = await run('find', [path, '-depth', '-type', 'd'], { encoding: 'utf8' })
  for (const each of below.stdout.trim().split('\n')) rmdirSync(each)
  return true
}
