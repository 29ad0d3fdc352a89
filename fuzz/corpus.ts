/**
 * Kept inputs: one text file a target, one input a line in base64, so that reviews and merges stay simple.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, 'corpus')

/** The inputs kept for a target. */
export function readCorpus(target: string): Uint8Array[] {
  const path = join(folder, `${target}.txt`)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter(line => line !== '').map(line => new Uint8Array(Buffer.from(line, 'base64')))
}

/** Keeps these inputs and no others, shortest first. */
export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(folder, { recursive: true })
  const lines = new Set(inputs.map(input => Buffer.from(input).toString('base64')))
  const sorted = [...lines].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
  writeFileSync(join(folder, `${target}.txt`), sorted.map(line => `${line}\n`).join(''))
}
