/**
 * A release onto a server, over ssh alone: backup, upload beside what runs, one atomic switch, restart; and
 * the same switch back. Every step can be run again: what is there already is left alone.
 */
import { spawn } from 'node:child_process'

import { releasesKept, type ServerNode } from './plan.ts'
import type { Release } from './release.ts'
import { quote, run } from './shell.ts'
import type { Target, Tell } from './target.ts'

/** A server as something a release can be put on. */
export function serverTarget(node: ServerNode, tell: Tell): Target {
  const server = serverAt(node, tell)
  const { inForce, current, place, remote } = server
  const { restore } = node
  const switchTo = async (id: string): Promise<void> => {
    await server.pointAt(id)
    tell(`switched to ${id}`)
    await server.restart()
  }
  return {
    inForce,
    backup: async () => {
      if ((await inForce()) === undefined) return tell('no release yet, so no backup')
      await server.backup()
    },
    upload: async release => {
      if ((await inForce()) === release.id) return false
      const isThere = (await remote(`test -d ${quote(place(release.id))} && echo there || true`)) !== ''
      if (!isThere) await server.send(release)
      tell(`${isThere ? 'has' : 'uploaded'} ${release.id}`)
      return true
    },
    activate: release => switchTo(release.id),
    back: switchTo,
    recover: restore === undefined ? undefined : release => recover(server, release, restore, tell),
    tidy: async () => {
      // By time, and never the one in force.
      const listed = `ls -1t ${quote(`${node.directory}/releases`)} | grep -v -e '\\.part$'`
      const old = (await remote(`${listed} | tail -n +${releasesKept + 1}`))
        .split('\n')
        .filter(id => id !== '')
      const now = await inForce()
      for (const id of old.filter(each => each !== now)) await remote(`rm -rf ${quote(place(id))}`)
    },
    plan: release => [
      `backup: ${fill(node.backup, current)}`,
      `upload ${release.id} to ${place(release.id)}`,
      `point ${current} at it`,
      `restart: ${fill(node.restart, current)}`,
    ],
  }
}

/** The single deeds on a server. */
type Server = ReturnType<typeof serverAt>

function serverAt(node: ServerNode, tell: Tell) {
  const [program = 'ssh', ...options] = node.ssh
  const current = `${node.directory}/current`
  const place = (id: string): string => `${node.directory}/releases/${id}`
  const remote = async (command: string): Promise<string> => {
    const { code, stdout, stderr } = await run(program, [...options, command])
    if (code === 0) return stdout.trim()
    throw new Error(`${command}\n    ended with ${code}: ${stderr.trim().slice(-1000)}`)
  }
  return {
    current,
    place,
    remote,
    inForce: async (): Promise<string | undefined> => {
      const link = await remote(`readlink ${quote(current)} || true`)
      return link === '' ? undefined : link.slice(link.lastIndexOf('/') + 1)
    },
    pointAt: async (id: string): Promise<void> => {
      const aside = quote(`${current}.new`)
      await remote(`ln -sfn ${quote(`releases/${id}`)} ${aside} && mv -T ${aside} ${quote(current)}`)
    },
    restart: async (): Promise<void> => {
      await remote(fill(node.restart, current))
      tell('restarted')
    },
    backup: async (): Promise<void> => {
      tell(`backup: ${told(await remote(fill(node.backup, current)))}`)
    },
    send: (release: Release) => stream(release, program, [...options, unpackInto(place(release.id))]),
  }
}

/**
 * A backup holds signed entries and no format of a store: what the newer release has written, its own backup
 * brings over. Where that fails, there is the one from before.
 */
async function recover(server: Server, release: Release, restore: string, tell: Tell): Promise<void> {
  const id = await server.inForce()
  if (id === undefined) return
  try {
    await server.pointAt(release.id)
    await server.backup()
  } catch (error) {
    tell(`${release.id} makes no backup: ${Error.isError(error) ? error.message : String(error)}`)
    tell('the one from before is taken; what this node alone has written since is in replaced-… there')
  } finally {
    await server.pointAt(id)
  }
  tell(`restore: ${told(await server.remote(fill(restore, server.current)))}`)
  await server.restart()
}

/** Unpacks standard input; the directory is whole or absent. A tar of Windows knows no executable files. */
function unpackInto(directory: string): string {
  const [part, whole] = [quote(`${directory}.part`), quote(directory)]
  const unpacked = `rm -rf ${part} && mkdir -p ${part} && tar -xzf - -C ${part} && chmod +x ${part}/bin/*`
  return `${unpacked} && mv -T ${part} ${whole} && touch ${whole}`
}

/** What a command of ours said at its end: the first line is the progress, the second what it did. */
function told(output: string): string {
  const [first = '', second] = output.split('\n')
  return second ?? first
}

function fill(command: string, current: string): string {
  return command.replaceAll('{current}', quote(current))
}

/** tar here, tar there, ssh between: nothing is written to a disk twice. */
async function stream(release: Release, program: string, args: readonly string[]): Promise<void> {
  const pack = spawn('tar', ['-czf', '-', '-C', release.path, '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const packed = new Promise<number | null>(resolve => void pack.once('close', resolve))
  const { code, stderr } = await run(program, args, { input: pack.stdout })
  if ((await packed) !== 0 || code !== 0) throw new Error(`the upload failed: ${stderr.trim().slice(-1000)}`)
}
