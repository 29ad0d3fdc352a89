/**
 * `lattice import`: makes keys read as an export says, or takes in a snapshot of the earlier system.
 *
 * Nothing is written before the whole file has been found good. What is written are ordinary transactions, so
 * an import that was cut off is simply run again: keys that read as wanted are left alone.
 */
import type { Command } from 'commander'

import { counted } from '../counted.ts'
import { CliError, exitCodes } from './exit.ts'
import { keysOf, parseExport, problemsMax, readExportedKey, type ExportedKey } from './exported-keys.ts'
import { planImport, type ImportPlan } from './import-plan.ts'
import { readInput } from './input.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import { readLegacySnapshot } from './legacy-snapshot.ts'
import { stepper } from './progress.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote, type Session } from './session.ts'

interface Options {
  readonly legacy?: boolean
  readonly acceptRootMismatch?: boolean
  readonly replace?: boolean
  readonly dryRun?: boolean
}

/** Adds the command. */
export const registerImport: Register = (program, { io, run }) => {
  const command = withRemote(program.command('import <file>'), 'import')
    .description('make keys read as in an export (JSON Lines); - reads it from standard input')
    .option('--legacy', 'the file is a snapshot of the earlier system: {"state":{…},"merkle_root":…}')
    .option('--accept-root-mismatch', 'take a legacy snapshot whose root is not that of its state')
    .option('--replace', 'delete keys that hold another type, instead of refusing')
    .option('--dry-run', 'say what would be written, and write nothing')
    .addHelpText(
      'after',
      '\nExample:\n  $ lattice import ledger.jsonl\n  $ lattice import --legacy state.json',
    )
  command.action(
    run(async (file: string, options: Options, self: Command) => {
      if (options.acceptRootMismatch === true && options.legacy !== true)
        throw new CliError(exitCodes.usage, '--accept-root-mismatch is for snapshots: add --legacy')
      const session = openSession(self, io, 0)
      const text = await readInput(io, file)
      const source = options.legacy === true ? fromLegacy(text, options) : fromExport(text)
      if (!session.json && source.notes.length > 0) print(io, ...source.notes)
      const present = await presentKeys(session, source.keys)
      const plan = planImport(source.keys, present, options.replace === true)
      refuseUnfit(plan)
      const isRehearsed = options.dryRun === true
      const root = isRehearsed ? null : await apply(plan, session, io)
      tell(io, session, { plan, root, source, isRehearsed })
      return exitCodes.ok
    }),
  )
}

interface Source {
  readonly keys: readonly ExportedKey[]
  /** For people, before anything is written. */
  readonly notes: readonly string[]
  /** For machines, beside the outcome. */
  readonly facts: Readonly<Record<string, unknown>>
}

function fromExport(text: string): Source {
  const { keys, problems } = parseExport(text)
  if (problems.length > 0)
    throw new CliError(exitCodes.failed, problems.join('\n'), {
      hint: 'nothing was written; mend these lines',
    })
  return { keys, notes: [], facts: {} }
}

/** Both roots are always told: in snapshots known to us they differ, and nobody should learn that later. */
function fromLegacy(text: string, options: Options): Source {
  const snapshot = readLegacySnapshot(text)
  if ('problem' in snapshot)
    throw new CliError(exitCodes.failed, `this is no snapshot of the earlier system: ${snapshot.problem}`, {
      hint: 'nothing was written; mend the file',
    })
  const { items, rootInFile, rootRecomputed } = snapshot
  const equal = rootInFile === rootRecomputed
  const roots = [
    `legacy root in the file:   ${rootInFile ?? 'none'}`,
    `legacy root of its state:  ${rootRecomputed}${equal ? '  (equal)' : '  (they differ)'}`,
  ]
  if (!equal && options.acceptRootMismatch !== true) {
    const hint = 'nothing was written; --accept-root-mismatch takes the state as it stands in the file'
    throw new CliError(exitCodes.failed, ['the snapshot does not match its root', ...roots].join('\n'), {
      hint,
    })
  }
  const read = items.map(({ key, value }) => ({
    key,
    found: readExportedKey({ key, type: 'register', value }),
  }))
  const keys = read.flatMap(({ found }) => (typeof found === 'string' ? [] : [found]))
  const problems = read.flatMap(({ key, found }) =>
    typeof found === 'string' ? [`${JSON.stringify(key)}: ${found}`] : [],
  )
  if (problems.length > 0)
    throw new CliError(exitCodes.failed, problems.slice(0, problemsMax).join('\n'), {
      hint: 'nothing was written; mend these keys of the file',
    })
  const facts = { legacy_root_in_file: rootInFile ?? null, legacy_root_recomputed: rootRecomputed }
  return { keys, notes: roots, facts }
}

/** What cannot be made to read as wanted, before anything is written. */
function refuseUnfit({ conflicts, overflows }: ImportPlan): void {
  const problems = [...conflicts, ...overflows]
  if (problems.length === 0) return
  const advice = [
    ...(conflicts.length > 0 ? ['--replace deletes keys of another type first'] : []),
    ...(overflows.length > 0 ? ['`lattice delete` counters that are too far off, and import again'] : []),
  ]
  throw new CliError(exitCodes.failed, problems.slice(0, problemsMax).join('\n'), {
    code: conflicts.length > 0 ? 'TYPE_CONFLICT' : 'COUNTER_OVERFLOW',
    hint: ['nothing was written', ...advice].join('; '),
  })
}

async function presentKeys(
  session: Session,
  wanted: readonly ExportedKey[],
): Promise<ReadonlyMap<string, ExportedKey>> {
  const names = new Set(wanted.map(({ key }) => key))
  return calling(session, client => keysOf(client.exportLines(), names))
}

async function apply(plan: ImportPlan, session: Session, io: CliIo): Promise<string | null> {
  const step = stepper(io, session.json)
  return step('write', async progress => {
    let root: string | null = null
    for (const [index, operations] of plan.transactions.entries()) {
      progress(`transaction ${index + 1} of ${plan.transactions.length}`)
      try {
        const receipt = await calling(session, client =>
          client.transact({ body: { operations: [...operations] } }),
        )
        root = receipt.merkle_root
      } catch (error) {
        tellHowFar(io, index, plan.transactions.length)
        throw error
      }
    }
    return root
  })
}

/** What has been written stays. */
function tellHowFar(io: CliIo, done: number, all: number): void {
  if (done === 0) return
  const told = `${done} of ${all} transactions were written; the same import goes on from there once it is run again`
  io.stderr.write(`${told}\n`)
}

interface Outcome {
  readonly plan: ImportPlan
  readonly root: string | null
  readonly source: Source
  /** Nothing was written. */
  readonly isRehearsed: boolean
}

function tell(io: CliIo, session: Session, { plan, root, source, isRehearsed }: Outcome): void {
  const { writtenKeys, unchangedKeys, transactions } = plan
  const counts = { written: writtenKeys, unchanged: unchangedKeys, transactions: transactions.length }
  const facts = { dry_run: isRehearsed, ...counts, merkle_root: root, ...source.facts }
  if (session.json) printJson(io, { schema: 'lattice.import/v1', ...facts })
  else {
    const done = isRehearsed ? 'would be written' : 'written'
    print(io, `${counted(writtenKeys, 'key')} ${done}, ${unchangedKeys} as wanted already`)
  }
}
