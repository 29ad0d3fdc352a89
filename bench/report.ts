/**
 * How every benchmark speaks: one table for people, or with `--json` one object for programs.
 *
 * Times on a shared machine mean little by themselves, so tables lead with ratios between things measured in
 * the same run, and with exact counts.
 */
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/** A cell: text, a number, or nothing where it does not apply. */
export type Cell = string | number | undefined

/** One table. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  /** What to know when reading it, one sentence each. */
  readonly notes?: readonly string[]
}

/** What a benchmark file prints. */
export interface Report {
  readonly bench: string
  readonly tables: readonly Table[]
}

/** Where and when it ran. */
export function machineNotes(): Readonly<Record<string, string | number>> {
  const [first] = cpus()
  return {
    node: process.versions.node,
    system: `${type()} ${release()}`,
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    load1m: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    at: new Date().toISOString(),
  }
}

/** Prints a report in the form asked for. */
export function print(report: Report, json: boolean): void {
  const machine = machineNotes()
  if (json) {
    console.log(JSON.stringify({ schema: 'lattice-bench/1', ...report, machine }))
    return
  }
  for (const table of report.tables) console.log(`${render(table)}\n`)
  const { node, system, cores, cpu, load1m } = machine
  console.log(`${report.bench}: Node ${node}, ${system}, ${cores} × ${cpu}, load ${load1m}`)
}

/** A number as people read it: three digits that count. */
export function round(value: number, digits = 3): number {
  if (value === 0 || !Number.isFinite(value)) return value
  if (Math.abs(value) >= 10 ** (digits - 1)) return Math.round(value)
  return Number(value.toPrecision(digits))
}

/** Yes, or by how much a goal is missed. */
export function verdict(value: number, goal: { atMost?: number; atLeast?: number }): string {
  if (goal.atMost !== undefined)
    return value <= goal.atMost ? `≤ ${goal.atMost}: met` : `≤ ${goal.atMost}: MISSED`
  return value >= (goal.atLeast ?? 0) ? `≥ ${goal.atLeast}: met` : `≥ ${goal.atLeast}: MISSED`
}

/** The options of a benchmark file, `--json` among them. */
export function readOptions<T extends ParseArgsOptionsConfig>(options: T) {
  const all = { ...options, json: { type: 'boolean', default: false } } as const
  return parseArgs({ options: all, allowPositionals: false }).values
}

/** Comma-separated whole numbers; `k` and `M` as in 10k, 1M. */
export function readNumbers(text: string): number[] {
  return text.split(',').map(each => {
    const [, digits, unit = ''] = /^(\d+)([kM]?)$/.exec(each.trim()) ?? []
    if (digits === undefined) throw new Error(`"${each}" is not a whole number; write 10000, 10k or 1M`)
    return Number(digits) * { '': 1, k: 1_000, M: 1_000_000 }[unit as '' | 'k' | 'M']
  })
}

/** Progress, on standard error and only where somebody watches. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function render({ title, columns, rows, notes = [] }: Table): string {
  const text = [columns, ...rows].map(row => row.map(cell => (cell === undefined ? '–' : String(cell))))
  const widths = columns.map((_, at) => Math.max(...text.map(row => row[at]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
  const rule = widths.map(width => '─'.repeat(width)).join('  ')
  const [head = [], ...body] = text
  return [title, line(head), rule, ...body.map(line), ...notes.map(note => `  ${note}`)].join('\n')
}
