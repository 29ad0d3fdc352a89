/**
 * `lattice import`: makes keys read as an export says, or takes in a snapshot of the earlier system.
 *
 * Nothing is written before the whole file has been found good: it is read once and set aside until then, so
 * that it does not matter what becomes of it meanwhile. What is written are ordinary transactions, so an
 * import that was cut off is simply run again: keys that read as wanted are left alone.
 */
import type { Command } from 'commander'

import { counted } from '../counted.ts'
import { CliError, exitCodes } from './exit.ts'
import { problemsMax, readExportedKey } from './exported-keys.ts'
import { planImport, type ImportPlan } from './import-plan.ts'
import { readInput, readInputLines } from './input.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import { readLegacySnapshot } from './legacy-snapshot.ts'
import { stepper, type Step } from './progress.ts'
import type { Register } from './register.ts'
import { calling, openSession, withRemote, type Session } from './session.ts'
import { WantedKeys } from './wanted-keys.ts'

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
      using wanted = new WantedKeys()
      const step = stepper(io, session.json)
      const add = options.legacy === true ? addLegacy : addExport
      const source = await step('read the file', () => add(io, file, wanted, options))
      if (!session.json && source.notes.length > 0) print(io, ...source.notes)
      const plan = await step('compare it with the node', async () => {
        await calling(session, client => wanted.addPresent(client.exportLines()))
        return planImport(() => wanted.all(io.signal), options.replace === true)
      })
      refuseUnfit(plan)
      const isRehearsed = options.dryRun === true
      const root = isRehearsed ? null : await apply(plan, session, io, step)
      tell(io, session, { plan, root, source, isRehearsed })
      return exitCodes.ok
    }),
  )
}

interface Source {
  /** For people, before anything is written. */
  readonly notes: readonly string[]
  /** For machines, beside the outcome. */
  readonly facts: Readonly<Record<string, unknown>>
}

async function addExport(io: CliIo, file: string, wanted: WantedKeys): Promise<Source> {
  const problems = await wanted.addExport(readInputLines(io, file))
  if (problems.length > 0)
    throw new CliError(exitCodes.failed, problems.join('\n'), {
      hint: 'nothing was written; mend these lines',
    })
  return { notes: [], facts: {} }
}

/** Both roots are always told: in snapshots known to us they differ, and nobody should learn that later. */
async function addLegacy(io: CliIo, file: string, wanted: WantedKeys, options: Options): Promise<Source> {
  const snapshot = readLegacySnapshot(await readInput(io, file))
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
  const problems: string[] = []
  for (const { key, value } of items) {
    const found = readExportedKey({ key, type: 'register', value })
    if (typeof found === 'string') problems.push(`${JSON.stringify(key)}: ${found}`)
    else wanted.add(found)
  }
  if (problems.length > 0)
    throw new CliError(exitCodes.failed, problems.slice(0, problemsMax).join('\n'), {
      hint: 'nothing was written; mend these keys of the file',
    })
  const facts = { legacy_root_in_file: rootInFile ?? null, legacy_root_recomputed: rootRecomputed }
  return { notes: roots, facts }
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

async function apply(plan: ImportPlan, session: Session, io: CliIo, step: Step): Promise<string | null> {
  return step('write', async progress => {
    let root: string | null = null
    let done = 0
    try {
      for await (const operations of plan.transactions()) {
        progress(`transaction ${done + 1} of ${plan.transactionCount}`)
        const receipt = await calling(session, client =>
          client.transact({ body: { operations: [...operations] } }),
        )
        root = receipt.merkle_root
        done += 1
      }
    } catch (error) {
      tellHowFar(io, done, plan.transactionCount)
      throw error
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
  const { writtenKeys, unchangedKeys, transactionCount } = plan
  const counts = { written: writtenKeys, unchanged: unchangedKeys, transactions: transactionCount }
  const facts = { dry_run: isRehearsed, ...counts, merkle_root: root, ...source.facts }
  if (session.json) printJson(io, { schema: 'lattice.import/v1', ...facts })
  else {
    const done = isRehearsed ? 'would be written' : 'written'
    print(io, `${counted(writtenKeys, 'key')} ${done}, ${unchangedKeys} as wanted already`)
  }
}
