/** `lattice wait`: blocks until all nodes agree, or a key has come. */
import { setTimeout as delay } from 'node:timers/promises'

import type { Client } from '@lattice/api'
import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { print, printJson, span } from './io.ts'
import type { CliIo } from './io.ts'
import { isPassing, noAnswer, Patience } from './patience.ts'
import { peerName } from './peer-rows.ts'
import type { Register } from './register.ts'
import { clientFailure, isApiError, openSession, withRemote } from './session.ts'
import type { Session } from './session.ts'

// Short enough to feel at once, long enough not to count as load.
const pollMs = 200

interface Goal {
  readonly inSync: boolean
  readonly key: string | undefined
}

/** Adds the command. */
export const registerWait: Register = (program, { io, run }) => {
  const command = withRemote(program.command('wait'), 'wait')
    .description('block until all nodes hold the same state (exit 0), or the time is up (exit 124)')
    .option('--in-sync', 'until every peer has the same root (the default)')
    .option('--key <key>', 'until this node holds the key')
    .option('--timeout <duration>', 'how long at most', '60s')
    .addHelpText(
      'after',
      '\nExample:\n  $ lattice wait --in-sync --key account:alice --timeout 60s && echo done',
    )
  command.action(
    run(async (options: { inSync?: boolean; key?: string; timeout: string }, self: Command) => {
      const patience = new Patience(options.timeout)
      const session = openSession(self, io, () => patience.lookMs)
      return waitFor(session, io, patience, {
        inSync: options.inSync ?? options.key === undefined,
        key: options.key,
      })
    }),
  )
}

async function waitFor(session: Session, io: CliIo, patience: Patience, goal: Goal): Promise<number> {
  let told = ''
  let reached = false
  let last: Sight | undefined
  for (;;) {
    const found = await look(session, goal, reached)
    const { waitedMs } = patience
    // A look that the end of the time has cut short tells less than the one before.
    const isCut = !found.answered && waitedMs >= patience.timeoutMs
    last = isCut ? (last ?? found) : found
    const { missing, answered } = last
    reached ||= answered
    if (missing.length === 0) {
      const seconds = Math.round(waitedMs) / 1000
      const done = {
        schema: 'lattice.wait/v1',
        done: true,
        in_sync: goal.inSync,
        key: goal.key ?? null,
        seconds,
      }
      if (session.json) printJson(io, done)
      else print(io, `${goal.inSync ? 'In sync' : 'The key is here'} after ${span(waitedMs)}.`)
      return exitCodes.ok
    }
    const line = missing.join('; ')
    if (waitedMs >= patience.timeoutMs) {
      const hint = answered ? '`lattice peers` shows why' : '`lattice doctor` looks for the reason'
      const message = `gave up waiting for ${nameOf(goal)} after ${span(waitedMs)}: ${line}`
      throw new CliError(exitCodes.timeout, message, { hint })
    }
    if (line !== told && !session.json) io.stderr.write(`waiting: ${line}\n`)
    told = line
    await delay(Math.min(pollMs, patience.timeoutMs - waitedMs), undefined, { signal: io.signal })
  }
}

function nameOf({ inSync, key }: Goal): string {
  const goals = [inSync ? 'equal states' : [], key === undefined ? [] : `key ${JSON.stringify(key)}`]
  return goals.flat().join(' and ')
}

/** What a look told. */
interface Sight {
  /** What is still missing, as phrases. */
  readonly missing: readonly string[]
  /** Whether the daemon said so itself. */
  readonly answered: boolean
}

/** Looks once. A daemon that was there once may restart meanwhile. */
async function look(session: Session, goal: Goal, reached: boolean): Promise<Sight> {
  try {
    const [keys, peers] = await Promise.all([
      goal.key === undefined ? [] : missingKey(session.client, goal.key),
      goal.inSync ? laggards(session.client) : [],
    ])
    return { missing: [...keys, ...peers], answered: true }
  } catch (error) {
    if (isPassing(error, reached)) return { missing: [noAnswer(session.url, error)], answered: false }
    throw clientFailure(error, session.url)
  }
}

async function missingKey(client: Client, key: string): Promise<readonly string[]> {
  try {
    await client.getKey({ params: { key } })
    return []
  } catch (error) {
    if (isApiError(error) && error.code === 'KEY_NOT_FOUND') return [`key ${JSON.stringify(key)} is not here`]
    throw error
  }
}

async function laggards(client: Client): Promise<readonly string[]> {
  const { peers } = await client.getPeers()
  if (peers.length === 0) {
    const hint = 'name the other nodes in LATTICE_TRUSTED_KEYS; `lattice id` prints a key'
    throw new CliError(exitCodes.failed, 'there is no other node to be in sync with', { hint })
  }
  return peers.flatMap(peer => {
    if (peer.asleep === true) return [`${peerName(peer)} is asleep`]
    if (peer.path === 'none') return [`${peerName(peer)} is not reached`]
    if (peer.in_sync === true) return []
    const counts = [peer.behind ?? 0, peer.ahead ?? 0]
    return [`${peerName(peer)} differs (${counts[0]} to come, ${counts[1]} unacknowledged)`]
  })
}
