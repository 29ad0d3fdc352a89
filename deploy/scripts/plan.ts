/** The plan of a roll-out: which nodes, in which order, and how each is reached and restarted. */
import { readFileSync } from 'node:fs'

/**
 * A server that keeps releases side by side: `<directory>/releases/<id>`, and `current` that points at one.
 */
export interface ServerNode {
  readonly kind: 'server'
  readonly name: string
  /** Base URL, as this machine reaches it. */
  readonly url: string
  /** The ssh command with all its options and the host, as words. */
  readonly ssh: readonly string[]
  readonly directory: string
  /** Commands on the server; `{current}` is the release in force. */
  readonly backup: string
  readonly restart: string
  /**
   * Makes the store anew from the newest backup where the release in force cannot read the one that is there.
   * Without it a release that has changed the store's format is not left by itself.
   */
  readonly restore?: string
}

/** A Hugging Face Space: its git repository is the release, and each push restarts it. */
export interface SpaceNode {
  readonly kind: 'space'
  readonly name: string
  readonly url: string
  readonly remote: string
  readonly branch: string
  /** The settings that become `lattice.env` there; a path in this checkout. */
  readonly settings: string
}

/** One node of the plan. */
export type PlannedNode = ServerNode | SpaceNode

/** The whole plan. Durations as the command line takes them. */
export interface Plan {
  /** In this order, one at a time: staging first. */
  readonly nodes: readonly PlannedNode[]
  /** Base URLs of nodes that this plan leaves as they are, and that must agree all the same. */
  readonly others: readonly string[]
  /** How long all must be well after each node. */
  readonly gate: string
  /** How long a node may take until it serves the new release, in seconds. */
  readonly startSeconds: number
}

/** Releases kept on a server: the one in force, and two to go back to. */
export const releasesKept = 3

/** Reads a plan; throws with every problem, by field. */
export function readPlan(file: string): Plan {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const problems: string[] = []
  const plan = record(parsed, 'the plan', problems)
  const nodes = Array.isArray(plan['nodes']) ? plan['nodes'] : []
  if (nodes.length === 0) problems.push('nodes: name at least one')
  const made: Plan = {
    nodes: nodes.map((node: unknown, index) => readNode(node, `nodes[${index}]`, problems)),
    others: optional(plan, 'others', '')
      .split(',')
      .flatMap(url => url.trim().replace(/\/+$/, '') || []),
    gate: optional(plan, 'gate', '60s'),
    startSeconds: typeof plan['startSeconds'] === 'number' ? plan['startSeconds'] : 120,
  }
  if (problems.length > 0) throw new Error(`${file}:\n  ${problems.join('\n  ')}`)
  return made
}

function readNode(value: unknown, at: string, problems: string[]): PlannedNode {
  const node = record(value, at, problems)
  const text = (name: string): string => {
    const found = node[name]
    if (typeof found === 'string' && found !== '') return found
    problems.push(`${at}.${name}: a text is needed`)
    return ''
  }
  const common = { name: text('name'), url: text('url').replace(/\/+$/, '') }
  if (node['kind'] === 'space') {
    const settings = optional(node, 'settings', 'configs/node1.huggingface.env')
    return {
      kind: 'space',
      ...common,
      remote: text('remote'),
      branch: optional(node, 'branch', 'main'),
      settings,
    }
  }
  if (node['kind'] !== 'server') problems.push(`${at}.kind: write "server" or "space"`)
  const { ssh } = node
  const words = Array.isArray(ssh) ? ssh.filter(word => typeof word === 'string') : []
  if (words.length < 2) problems.push(`${at}.ssh: the command as words, such as ["ssh", "deploy@host"]`)
  const directory = text('directory')
  if (!directory.startsWith('/')) problems.push(`${at}.directory: an absolute path is needed`)
  return {
    kind: 'server',
    ...common,
    ssh: words,
    directory,
    backup: text('backup'),
    restart: text('restart'),
    ...(node['restore'] === undefined ? {} : { restore: text('restore') }),
  }
}

function record(value: unknown, at: string, problems: string[]): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  problems.push(`${at}: an object is needed`)
  return {}
}

function optional(from: Readonly<Record<string, unknown>>, name: string, fallback: string): string {
  const found = from[name]
  return typeof found === 'string' && found !== '' ? found : fallback
}

/** All nodes that must be well and agree. */
export function urlsOf({ nodes, others }: Plan): readonly string[] {
  return [...nodes.map(node => node.url), ...others]
}
