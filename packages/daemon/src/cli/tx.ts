/** `lattice tx`: several operations, applied all or none. */
import { randomUUID } from 'node:crypto'

import { fieldName, inWords, transactionSchema } from '@lattice/api'
import type { Command } from 'commander'

import { CliError, exitCodes } from './exit.ts'
import { readInput } from './input.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import { parseJson } from './keys.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote } from './session.ts'

const example = `
OPERATIONS is a JSON array, @FILE or - for standard input. Each operation is one of
  {"op":"put","key":K,"value":V}  {"op":"delete","key":K}  {"op":"increment","key":K,"by":N}
  {"op":"add","key":K,"element":V}  {"op":"remove","key":K,"element":V}

Example:
  $ lattice tx '[{"op":"increment","key":"alice","by":-5},{"op":"increment","key":"bob","by":5}]'`

const hint = '`lattice help tx` shows the operations'

/** Adds the command. */
export const registerTx: Register = (program, { io, run }) => {
  const command = withRemote(program.command('tx <operations>'), 'tx')
    .description('apply several operations, all or none')
    .option('--idempotency-key <key>', 'a retry with the same key answers the same and applies once')
    .addHelpText('after', example)
  command.action(
    run(async (given: string, options: { idempotencyKey?: string }, self: Command) => {
      const session = openSession(self, io)
      const document = parseJson(await textOf(given, io), 'the operations are not JSON', hint)
      const parsed = transactionSchema.safeParse(
        Array.isArray(document) ? { operations: document } : document,
        inWords,
      )
      if (!parsed.success) {
        const faults = parsed.error.issues.map(
          ({ path, message }) => `${fieldName(path) || 'transaction'}: ${message}`,
        )
        throw new CliError(exitCodes.usage, faults.join('\n'), { hint })
      }
      const idempotencyKey = options.idempotencyKey ?? randomUUID()
      const { success: _, ...receipt } = await calling(session, client =>
        client.transact({ body: parsed.data, idempotencyKey }),
      )
      const operations = parsed.data.operations.length
      if (session.json) printJson(io, { schema: 'lattice.tx/v1', operations, ...receipt })
      else print(io, `applied ${operations}  version ${receipt.version}  root ${receipt.merkle_root}`)
      return exitCodes.ok
    }),
  )
}

async function textOf(given: string, io: CliIo): Promise<string> {
  if (given === '-') return readInput(io, given)
  return given.startsWith('@') ? readInput(io, given.slice(1)) : given
}
