/** `lattice get`, `put` and `delete`: one key. */
import type { Client } from '@lattice/api'
import type { JsonValue } from '@lattice/core'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'

import { repeatedName } from '../json-repetition.ts'
import { CliError, exitCodes } from './exit.ts'
import { readInput } from './input.ts'
import { print, printJson, visible } from './io.ts'
import type { CliIo } from './io.ts'
import type { CommandContext, Register } from './register.ts'
import { calling, isApiError, openSession, withRemote } from './session.ts'

/** Adds the three commands. */
export const registerKeys: Register = (program, context) => {
  registerGet(program, context)
  registerPut(program, context)
  registerDelete(program, context)
}

function registerGet(program: Command, { io, run }: CommandContext): void {
  const command = withRemote(program.command('get <key>'), 'key')
    .description('print the value of a key as JSON')
    .option('--raw', 'print a string without quotes')
    .option('--proof', 'print a document that lattice verify-proof can check without this node')
    .addHelpText('after', '\nExample:\n  $ lattice get account:alice')
  command.action(
    run(async (key: string, options: { raw?: boolean; proof?: boolean }, self: Command) => {
      const session = openSession(self, io)
      if (options.proof === true) {
        const { found, proof } = await calling(session, client => getProof(client, key))
        printJson(io, { schema: 'lattice.proof/v1', key, found, proof })
        return found ? exitCodes.ok : exitCodes.failed
      }
      const { success: _, ...reading } = await calling(session, client => client.getKey({ params: { key } }))
      if (session.json) printJson(io, { schema: 'lattice.key/v1', ...reading })
      else if (options.raw === true && typeof reading.value === 'string')
        io.stdout.write(`${reading.value}\n`)
      else printJson(io, reading.value)
      return exitCodes.ok
    }),
  )
}

/** A key that is not there is proven as well: its proof comes with the refusal. */
async function getProof(client: Client, key: string): Promise<{ found: boolean; proof: unknown }> {
  try {
    const { proof } = await client.getKey({ params: { key }, query: { proof: 'true' } })
    return { found: true, proof }
  } catch (error) {
    if (isApiError(error) && error.proof !== undefined) return { found: false, proof: error.proof }
    throw error
  }
}

interface Conditions {
  readonly ifVersion?: string
  readonly ifAbsent?: boolean
}

function registerPut(program: Command, { io, run }: CommandContext): void {
  const command = withRemote(program.command('put <key> <value>'), 'put')
    .description('write a JSON value; - reads it from standard input')
    .option('--string', 'the value is a plain text, not JSON')
    .addOption(ifVersion())
    .addOption(new Option('--if-absent', 'only if the key does not exist').conflicts('ifVersion'))
    .addHelpText(
      'after',
      '\nExample:\n  $ lattice put account:alice \'{"balance":1000}\'\n  $ lattice put motd --string hello',
    )
  command.action(
    run(async (key: string, given: string, options: Conditions & { string?: boolean }, self: Command) => {
      const session = openSession(self, io)
      const text = given === '-' ? await readInput(io, '-') : given
      const value = options.string === true ? text : parseValue(text)
      const receipt = await calling(session, client =>
        client.putKey({ params: { key }, body: value, ...conditions(options) }),
      )
      return tellReceipt(io, session.json, 'put', receipt)
    }),
  )
}

function registerDelete(program: Command, { io, run }: CommandContext): void {
  const command = withRemote(program.command('delete <key>'), 'delete')
    .description('delete a key')
    .addOption(ifVersion())
    .addHelpText('after', '\nExample:\n  $ lattice delete account:alice')
  command.action(
    run(async (key: string, options: Conditions, self: Command) => {
      const session = openSession(self, io)
      const receipt = await calling(session, client =>
        client.deleteKey({ params: { key }, ...conditions(options) }),
      )
      return tellReceipt(io, session.json, 'delete', receipt)
    }),
  )
}

/** A version, an entity tag or `*`: anything else would pass for a version that has changed. */
function ifVersion(): Option {
  return new Option('--if-version <version>', 'only if the key still has this version').argParser(text => {
    if (/^(?:\*|("?)[0-9a-f]{16}(?:-[0-9a-f]{16})?\1)$/.test(text)) return text
    throw new InvalidArgumentError(
      'A version has 16 lower-case hex digits; `lattice get KEY --json` tells it.',
    )
  })
}

function conditions(options: Conditions): { ifMatch?: string; ifNoneMatch?: string } {
  return {
    ...(options.ifVersion === undefined ? {} : { ifMatch: options.ifVersion }),
    ...(options.ifAbsent === true ? { ifNoneMatch: '*' } : {}),
  }
}

function tellReceipt(
  io: CliIo,
  json: boolean,
  verb: string,
  receipt: { key: string; version: string; merkle_root: string },
): number {
  const { key, version, merkle_root: root } = receipt
  if (json) printJson(io, { schema: `lattice.${verb}/v1`, key, version, merkle_root: root })
  else print(io, `${verb} ${visible(key)}  version ${version}  root ${root}`)
  return exitCodes.ok
}

function parseValue(text: string): JsonValue {
  const hint = 'quote strings (\'"hello"\'), or add --string for a plain text'
  return parseJson(text, 'the value is not JSON', hint)
}

/** A JSON text from a user; ends the command as a usage error, in the given words, when it is none. */
export function parseJson(text: string, message: string, hint: string): JsonValue {
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    throw new CliError(exitCodes.usage, message, { hint })
  }
  const name = repeatedName(text)
  if (name === undefined) return value
  throw new CliError(exitCodes.usage, `the name ${JSON.stringify(name)} stands twice in one object`)
}
