/** Runs programs of this machine, and commands on another over ssh; nothing but Node and ssh is needed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** How a program ended. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Where and how a program runs. */
export interface Surroundings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Becomes its standard input. */
  readonly input?: Readable
}

/** Runs a program to its end; rejects only when it cannot be started. */
export async function run(program: string, args: readonly string[], at: Surroundings = {}): Promise<Outcome> {
  const child = spawn(program, args, {
    stdio: [at.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...at.env },
    ...(at.cwd === undefined ? {} : { cwd: at.cwd }),
  })
  const output = collect(child)
  const ended = once(child, 'close') as Promise<[number | null]>
  // A program that ends early closes its input; its exit code says why.
  if (at.input !== undefined && child.stdin !== null)
    await pipeline(at.input, child.stdin).catch(() => undefined)
  const [code] = await ended
  return { code: code ?? 1, ...output }
}

/** As `run`, and rejects with what it said when it fails. */
export async function must(program: string, args: readonly string[], at: Surroundings = {}): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, at)
  if (code === 0) return stdout
  throw new Error(`${program} ended with ${code}: ${(stderr || stdout).trim().slice(-2000)}`)
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  return output
}

/** One word of a POSIX shell, whatever is in it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
