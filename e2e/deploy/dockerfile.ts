/**
 * Executes a Dockerfile without a container engine: every instruction for real, in a Debian root. The base
 * image is stood in for by what matters of it: Debian 12, this Node with its npm, and the user node with uid
 * 1000.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { debianRoot, type DebianRoot } from '../debian-root.ts'

/** What an image says about how it is run. */
export interface Image {
  readonly root: DebianRoot
  readonly user: number
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
  /** ENTRYPOINT and CMD. */
  readonly command: readonly string[]
  readonly healthCheck: readonly string[]
  readonly ports: readonly string[]
}

interface Stage extends Image {
  readonly name: string
}

/** Builds the image of a directory that holds a Dockerfile; the roots of earlier stages are removed. */
export async function buildImage(context: string, ignored: (path: string) => boolean): Promise<Image> {
  const stages: Stage[] = []
  try {
    for (const [word, rest] of instructions(readFileSync(join(context, 'Dockerfile'), 'utf8'))) {
      const stage = stages.at(-1)
      if (word === 'FROM') stages.push(baseStage(rest))
      else if (stage === undefined) throw new Error(`${word} before FROM`)
      else stages[stages.length - 1] = await execute(word, rest, stage, { context, ignored, stages })
    }
    const image = stages.pop()
    if (image === undefined) throw new Error('the Dockerfile has no stage')
    return image
  } catch (error) {
    stages.pop()?.root.remove()
    throw error
  } finally {
    for (const stage of stages) stage.root.remove()
  }
}

function instructions(text: string): readonly (readonly [word: string, rest: string])[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
  return lines
    .map(line => /^\s*([A-Z]+)\s+(.*?)\s*$/.exec(line))
    .flatMap(found => (found === null ? [] : [[found[1] ?? '', found[2] ?? ''] as const]))
}

function baseStage(rest: string): Stage {
  const [image = '', , name = ''] = rest.split(/\s+/)
  if (!/^node:24-bookworm-slim$/.test(image)) throw new Error(`no stand-in for the image ${image}`)
  const root = debianRoot()
  const at = (path: string): string => join(root.path, path)
  cpSync(realpathSync(process.execPath), at('usr/local/bin/node'))
  chmodSync(at('usr/local/bin/node'), 0o755)
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())))
  mkdirSync(at('usr/local/lib/node_modules'), { recursive: true })
  execFileSync('cp', ['-a', npm, at('usr/local/lib/node_modules/npm')])
  for (const bin of ['npm', 'npx'])
    symlinkSync(`../lib/node_modules/npm/bin/${bin}-cli.js`, at(`usr/local/bin/${bin}`))
  execFileSync('chroot', [root.path, 'groupadd', '--gid', '1000', 'node'])
  const user = ['--uid', '1000', '--gid', 'node', '--shell', '/bin/bash', '--create-home', 'node']
  execFileSync('chroot', [root.path, 'useradd', ...user])
  return { name, root, user: 0, directory: '/', env: {}, command: [], healthCheck: [], ports: [] }
}

interface Surroundings {
  readonly context: string
  readonly ignored: (path: string) => boolean
  readonly stages: readonly Stage[]
}

async function execute(word: string, rest: string, stage: Stage, around: Surroundings): Promise<Stage> {
  const { root, user, directory, env } = stage
  switch (word) {
    case 'WORKDIR':
      mkdirSync(join(root.path, rest), { recursive: true })
      return { ...stage, directory: resolve(directory, rest) }
    case 'COPY':
      copy(rest, stage, around)
      return stage
    case 'RUN':
      await root.shell(rest, { user, directory, env })
      return stage
    case 'USER':
      return { ...stage, user: Number(rest) }
    case 'ENV':
      return { ...stage, env: { ...env, ...assignments(rest) } }
    case 'EXPOSE':
      return { ...stage, ports: [...stage.ports, rest] }
    case 'ENTRYPOINT':
    case 'CMD':
      return { ...stage, command: [...stage.command, ...(JSON.parse(rest) as string[])] }
    case 'HEALTHCHECK':
      return { ...stage, healthCheck: JSON.parse(rest.replace(/^.*?CMD\s+/, '')) as string[] }
    case 'STOPSIGNAL':
      if (rest !== 'SIGTERM') throw new Error(`the stop signal ${rest} is not sent here`)
      return stage
    default:
      throw new Error(`the instruction ${word} is not understood`)
  }
}

function assignments(rest: string): Readonly<Record<string, string>> {
  return Object.fromEntries(rest.split(/\s+/).map(pair => pair.split('=', 2) as [string, string]))
}

function copy(rest: string, stage: Stage, { context, ignored, stages }: Surroundings): void {
  const words = rest.split(/\s+/)
  const option = (name: string): string | undefined =>
    words.find(word => word.startsWith(`--${name}=`))?.slice(name.length + 3)
  const [source = '', target = ''] = words.filter(word => !word.startsWith('--'))
  const origin = option('from')
  const from = origin === undefined ? context : stages.find(({ name }) => name === origin)?.root.path
  if (from === undefined) throw new Error(`COPY from the unknown stage ${origin ?? ''}`)
  const to = join(stage.root.path, resolve(stage.directory, target))
  const kept = (path: string): boolean => origin !== undefined || !ignored(path.slice(context.length + 1))
  if (!existsSync(join(from, source)) || !kept(join(from, source))) throw new Error(`COPY finds no ${source}`)
  cpSync(join(from, source), to, { recursive: true, verbatimSymlinks: true, filter: kept })
  const owner = option('chown')
  if (owner !== undefined)
    execFileSync('chroot', [stage.root.path, 'chown', '-R', owner, resolve(stage.directory, target)])
}
