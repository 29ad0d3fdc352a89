/**
 * Writes docs/e2e-report.md after a run of the whole e2e ring: which rows, how they ended, how long they
 * took. A run of some of it leaves the report alone.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, relative } from 'node:path'
import { format, resolveConfig } from 'prettier'

interface TestResult {
  readonly fullName: string
  readonly status: string
  readonly duration?: number | null
}

interface FileResult {
  readonly testFilePath: string
  readonly testResults: readonly TestResult[]
  readonly testExecError?: unknown
}

interface RunResult {
  readonly startTime: number
  readonly testResults: readonly FileResult[]
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
}

/** The part of jest's global configuration that says whether everything was run. */
interface Choice {
  readonly rootDir: string
  readonly nonFlagArgs: readonly string[]
  readonly testNamePattern?: string
}

/** A jest reporter. */
export default class E2eReporter {
  readonly #choice: Choice

  constructor(choice: Choice) {
    this.#choice = choice
  }

  async onRunComplete(_contexts: unknown, run: RunResult): Promise<void> {
    const { nonFlagArgs, testNamePattern, rootDir } = this.#choice
    if (nonFlagArgs.length > 0 || (testNamePattern ?? '') !== '') return
    const file = join(rootDir, 'docs/e2e-report.md')
    const options = await resolveConfig(file)
    writeFileSync(file, await format(reportOf(run, rootDir), { ...options, parser: 'markdown' }))
  }
}

function reportOf(run: RunResult, rootDir: string): string {
  const minutes = (Date.now() - run.startTime) / 60_000
  const date = new Date(run.startTime).toISOString().slice(0, 10)
  const files = [...run.testResults].sort((a, b) => (a.testFilePath < b.testFilePath ? -1 : 1))
  const counts = [
    `${run.numPassedTests} passed`,
    `${run.numFailedTests} failed`,
    `${run.numPendingTests} skipped`,
  ]
  const where = `${date}, commit ${commitOf(rootDir)}, ${cpus().length} cores, Node ${process.versions.node}`
  return `<!-- Written by \`npm run e2e:full\`. -->

# The whole e2e ring

${where}: ${counts.join(', ')}, ${minutes.toFixed(1)} minutes.

${files.map(each => sectionOf(each, rootDir)).join('\n')}`
}

/** The commit that was run, marked where files differ from it. */
function commitOf(cwd: string): string {
  const done = spawnSync('git', ['describe', '--always', '--dirty'], { cwd, encoding: 'utf8' })
  return done.status === 0 ? done.stdout.trim() : 'unknown'
}

function sectionOf({ testFilePath, testResults, testExecError }: FileResult, rootDir: string): string {
  const rows = testResults.map(
    ({ fullName, status, duration }) =>
      `| ${fullName.replaceAll('|', '\\|')} | ${status} | ${((duration ?? 0) / 1000).toFixed(1)} |`,
  )
  const broken = testExecError === undefined ? [] : ['The file could not be run.', '']
  const table = rows.length === 0 ? [] : ['| promise | outcome | s |', '| --- | --- | ---: |', ...rows]
  return [`## ${relative(rootDir, testFilePath)}`, '', ...broken, ...table, ''].join('\n')
}
