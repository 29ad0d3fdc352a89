/**
 * `lattice join TOKEN`: takes the node of an invitation into this node's configuration file, and prints the
 * answer that makes the trust mutual.
 */
import { resolve } from 'node:path'
import { readFileSync } from 'node:fs'

import type { Command } from 'commander'

import { formatOrigin, formatProblem, loadConfig } from '../config/index.ts'
import type { Loaded, SettingName } from '../config/index.ts'
import { editEnvText, listedItems, replaceFile, type Edit } from '../config/edit-file.ts'
import { prefix } from '../config/legacy.ts'
import { fingerprint, readToken, type Invitation } from '../federation-token.ts'
import { sentence } from '../failure.ts'
import { peerIdFromNodeId } from '../host/peer-id.ts'
import { codeOf } from '../host/private-file.ts'
import { CliError, exitCodes } from './exit.ts'
import { invite, reachablePlaces, type Invited } from './invite.ts'
import { painter, print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { parseUrl } from './session.ts'
import { loadFrom, withConfigFile } from './settings.ts'

/** The answer is as valid as the question: a day. */
const answerMs = 24 * 3_600_000

/** Adds the command. */
export const registerJoin: Register = (program, { io, run }) => {
  const command = withConfigFile(program.command('join <token>'))
    .description('trust the node of an invitation: edits the file given with --config')
    .option('--public-url <url>', 'where this node answers over HTTP, as others see it (for the answer)')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--no-answer', 'print no invitation back')
    .option('--json', 'machine-readable answer (lattice.join/v1)')
    .addHelpText(
      'after',
      '\nExit code 78: the invitation is expired, damaged, or for another topic.' +
        '\n\nExample:\n  $ lattice join lattice1:eyJrIjoi… --config /etc/lattice/lattice.env',
    )
  command.action(
    run((token: string, options: JoinOptions, self: Command) => {
      const invitation = readToken(token, Date.now())
      if ('fault' in invitation) throw refused(invitation.fault)
      const loaded = loadFrom(self, io)
      const path = resolve(io.cwd, configPath(options, io))
      const before = readText(path)
      const edits = editsFor(invitation, loaded, editor(loaded, path, before))
      const text = editEnvText(before, edits)
      // Before anything is written: a node that nobody could reach cannot answer.
      const answer = options.answer ? answerTo(invitation, loaded, options, io) : undefined
      if (options.dryRun !== true && edits.length > 0) write(path, text, loaded, io)
      tell({ invitation, edits, path, answer, options }, io)
      return exitCodes.ok
    }),
  )
}

interface JoinOptions {
  readonly config?: string
  readonly publicUrl?: string
  readonly dryRun?: boolean
  readonly answer: boolean
  readonly json?: boolean
}

function refused(fault: string, hint?: string): CliError {
  return new CliError(exitCodes.config, fault, { code: 'CONFIG_INVALID', hint })
}

function configPath(options: JoinOptions, io: CliIo): string {
  const path = options.config ?? io.env['LATTICE_CONFIG']
  if (path !== undefined && path !== '') return path
  throw new CliError(exitCodes.usage, 'which configuration file? name it with --config FILE', {
    hint: '`lattice init --profile server` writes one',
  })
}

function readText(path: string): string {
  try {
    // Read as if it were UTF-8, other text would be written back as something else.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path))
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw refused(`${path} is not UTF-8, and is not changed`, 'save the file as UTF-8')
    throw refused(`${path}: ${sentence(error)}`)
  }
}

/** What must change so that this node trusts and finds the other. Empty where it does already. */
function editsFor(invitation: Invitation, loaded: Loaded, edit: EditOf): readonly Edit[] {
  const { nodeId, addresses, urls, topic } = invitation
  const peerId = peerIdFromNodeId(nodeId)
  const trusted = loaded.lookup('TRUSTED_KEYS') ?? []
  const known = loaded.lookup('NODES') ?? []
  const dialled = (loaded.lookup('P2P_BOOTSTRAP') ?? []).map(({ address }) => address)
  const p2p = loaded.lookup('P2P_ENABLED') !== false
  const [bootstrap, nodes] = [addresses.map(each => `${each}/p2p/${peerId}`), urls]
  const newAddresses = p2p ? bootstrap.filter(each => !dialled.includes(each)) : []
  const newUrls = nodes.filter(each => !known.includes(each))
  return [
    ...(p2p ? topicEdit(topic, loaded, edit) : []),
    ...(trusted.includes(nodeId) ? [] : [edit('TRUSTED_KEYS', [peerId])]),
    ...(newUrls.length > 0 ? [edit('NODES', newUrls)] : []),
    ...(newAddresses.length > 0 ? [edit('P2P_BOOTSTRAP', newAddresses)] : []),
  ]
}

type EditOf = (setting: SettingName, more: readonly string[]) => Edit

/**
 * Adds to a list where it stands. A value from elsewhere would win over the file, so it cannot be helped
 * here.
 */
function editor(loaded: Loaded, path: string, text: string): EditOf {
  return (setting, more) => {
    const origin = loaded.origins.get(setting) ?? { source: 'default' }
    const here = origin.source === 'file' && resolve(origin.file ?? '') === path
    if (!here && origin.source !== 'default') {
      const where = formatOrigin(origin)
      throw refused(
        `${prefix}${setting} is set by ${where}, which wins over ${path}`,
        `add ${more.join()} there`,
      )
    }
    const name = (here ? origin.name : undefined) ?? prefix + setting
    return { setting, name, value: [...listedItems(text, name), ...more].join() }
  }
}

/** A topic nobody chose here may follow; two chosen ones that differ are two federations. */
function topicEdit(topic: string, loaded: Loaded, edit: EditOf): readonly Edit[] {
  const own = loaded.lookup('P2P_TOPIC')
  if (own === topic) return []
  if (loaded.origins.get('P2P_TOPIC')?.source === 'default') return [edit('P2P_TOPIC', [topic])]
  throw refused(
    `the invitation is for the topic ${topic}, this node is on ${own ?? 'none'}`,
    'set one LATTICE_P2P_TOPIC on all nodes of the federation',
  )
}

/** Nothing is written that the daemon would refuse and that was not refused before. */
function write(path: string, text: string, before: Loaded, io: CliIo): void {
  const known = new Set(before.problems.map(problem => problem.text))
  const check = (waiting: string): void => {
    const after = loadConfig({ env: io.env, file: waiting, cwd: io.cwd })
    const fresh = after.problems.filter(problem => !known.has(problem.text))
    if (fresh.length > 0) throw refused(fresh.map(formatProblem).join('\n'))
  }
  try {
    replaceFile(path, text, check)
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError(exitCodes.failed, `${path} cannot be replaced: ${sentence(error)}`, {
      hint: `run this as a user who may write ${path}`,
    })
  }
}

/** The invitation back, on the topic of the node that it goes to. A dry run makes no key to sign it with. */
function answerTo(
  { topic }: Invitation,
  loaded: Loaded,
  options: JoinOptions,
  io: CliIo,
): (Invited & { words: string }) | undefined {
  const publicUrls = options.publicUrl === undefined ? [] : [parseUrl(options.publicUrl)]
  if (options.dryRun === true) return void reachablePlaces(loaded, publicUrls)
  const { identity, invited } = invite(loaded, { publicUrls, expiryMs: answerMs, topic }, io)
  return { ...invited, words: fingerprint(identity.nodeId) }
}

interface Told {
  readonly invitation: Invitation
  readonly edits: readonly Edit[]
  readonly path: string
  readonly answer: (Invited & { words: string }) | undefined
  readonly options: JoinOptions
}

function tell({ invitation, edits, path, answer, options }: Told, io: CliIo): void {
  const words = fingerprint(invitation.nodeId)
  const peerId = peerIdFromNodeId(invitation.nodeId)
  const changed = edits.map(({ setting, name }) => name ?? prefix + setting)
  if (options.json === true) {
    const { token = null, words: answerWords = null } = answer ?? {}
    printJson(io, {
      schema: 'lattice.join/v1',
      peer_id: peerId,
      name: invitation.name,
      fingerprint: words,
      file: path,
      changed,
      dry_run: options.dryRun === true,
      answer: token,
      answer_fingerprint: answerWords,
    })
    return
  }
  const paint = painter(io)
  const done = options.dryRun === true ? 'would change' : 'changed'
  print(
    io,
    `${paint('bold', words)} is the fingerprint of ${visible(invitation.name)} (${peerId}).`,
    'It must be the one shown there: compare it by another way than the invitation came.',
    '',
    ...(edits.length === 0 ? [`${path} names this node already.`] : [`${path}: ${done}`]),
    ...edits.map(({ setting, name, value }) => `  ${name ?? prefix + setting}=${value}`),
  )
  if (edits.length > 0 && options.dryRun !== true)
    print(io, '', 'Restart the daemon to let it in: systemctl restart lattice (or stop and start it).')
  if (answer === undefined) return
  print(io, '', `Now on ${visible(invitation.name)}, which must see the fingerprint ${answer.words}:`)
  print(io, `  lattice join ${answer.token} --no-answer --config FILE`)
}
