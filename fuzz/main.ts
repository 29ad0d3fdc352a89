/**
 * `npm run fuzz -- --minutes N [--target NAME] [--seed S]`: coverage-guided fuzzing of every target, the time
 * shared equally. Starts from the kept inputs and keeps those that reach new code. A broken promise ends with
 * exit code 1, and prints the input that breaks it, to be mended and kept.
 *
 * Each target runs in a process of its own with little memory, so that a leak is a finding as well.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { readCorpus, writeCorpus } from './corpus.ts'
import { hunt } from './hunt.ts'
import { seedsOf } from './seeds.ts'
import { targets } from './targets.ts'

/** Heap of one target, in MiB: a tenth of it is used where nothing leaks. */
const heapMiBMax = 512

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    target: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    alone: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed)
const chosen = Object.keys(targets).filter(name => values.target === undefined || values.target === name)

async function alone(name: string): Promise<number> {
  const target = targets[name]
  if (target === undefined) return 64
  const kept = readCorpus(name)
  const start = [...kept, ...seedsOf(name)]
  const { executions, blocks, corpus, finding } = await hunt(target, start, { seconds: minutes * 60, seed })
  const rss = Math.round(process.memoryUsage().rss / 1024 / 1024)
  console.log(
    `${name.padEnd(14)} ${executions} inputs, ${blocks} blocks, ${corpus.length} kept (${kept.length} before), ${rss} MiB`,
  )
  if (finding !== undefined) {
    console.log(`${finding.problem}\ninput (base64): ${Buffer.from(finding.input).toString('base64')}`)
    return 1
  }
  writeCorpus(name, corpus)
  return 0
}

function together(): number {
  const share = String(minutes / chosen.length)
  const broken = chosen.filter(name => {
    const flags = [`--max-old-space-size=${heapMiBMax}`, import.meta.filename, '--alone']
    const args = [...flags, '--target', name, '--minutes', share, '--seed', String(seed)]
    return spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0
  })
  console.log(broken.length === 0 ? 'no promise was broken' : `broken, seed ${seed}: ${broken.join(', ')}`)
  return broken.length === 0 ? 0 : 1
}

if (!(minutes > 0) || chosen.length === 0 || !Number.isInteger(seed)) {
  console.error(`usage: npm run fuzz -- --minutes N [--seed S] [--target ${Object.keys(targets).join('|')}]`)
  process.exitCode = 64
} else process.exitCode = values.alone ? await alone(chosen[0] as string) : together()
