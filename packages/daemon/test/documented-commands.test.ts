/**
 * Every code block of the documents, by its language: shell is parsed by a shell, and each `lattice` command
 * in it by the command's own table; JSON and units are read; npm scripts and named files exist (O8).
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import type { Command } from 'commander'

import { buildProgram } from '../src/cli/program.ts'

const root = join(import.meta.dirname, '../../..')
const known = new Set(['sh', 'json', 'ini', 'text', 'tsx', 'ts', 'console', 'env', 'nginx', ''])

interface Block {
  readonly at: string
  readonly language: string
  readonly text: string
}

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(name => `docs/${name}`),
]
const blocks = documents
  .filter(name => name.endsWith('.md'))
  .flatMap(name => {
    const found = [...readFileSync(join(root, name), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    return found.map(([, language = '', text = ''], index): Block => ({
      at: `${name} block ${index + 1}`,
      language,
      text,
    }))
  })

const silent = { write: () => undefined }
const { program } = buildProgram(
  {
    stdout: silent,
    stderr: silent,
    stdin: (async function* () {
      yield ''
    })(),
    env: {},
    cwd: root,
    signal: new AbortController().signal,
  },
  { startDaemon: () => Promise.reject(new Error('nothing is started here')) },
)
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

/** What is wrong with one line of a shell block. */
function problemOf(line: string): string | undefined {
  const words: readonly string[] = line.match(/"[^"]*"|'[^']*'|[^\s'"()|;&]+/g) ?? []
  const at = words.findIndex(word => word === 'lattice' || word === '$(npx')
  const script = /\bnpm run (?:-s )?([\w:]+)/.exec(line)?.[1]
  if (script !== undefined && scripts[script] === undefined) return `npm run ${script} is no script`
  const file = /\bnode ([\w/.-]+\.ts)\b/.exec(line)?.[1]
  if (file !== undefined && !existsSync(join(root, file))) return `${file} is not there`
  if (at < 0 || words[at] !== 'lattice') return undefined
  // There it is the name of the service.
  if (words.includes('systemctl') || words[at - 1] === '-u') return undefined
  let command: Command = program
  const rest = words.slice(at + 1)
  for (const word of rest) {
    const next: Command | undefined = command.commands.find(each => each.name() === word)
    if (next === undefined) break
    command = next
  }
  if (command === program)
    return rest[0]?.startsWith('-') === true || rest[0] === 'help' ? undefined : `no command ${rest[0] ?? ''}`
  const flags = rest.filter(word => /^--[a-z]/.test(word)).map(word => word.split('=')[0])
  const options = [command, ...command.commands.filter(each => each.name() === 'show')].flatMap(
    each => each.options,
  )
  const stray = flags.find(flag => flag !== '--json' && !options.some(option => option.long === flag))
  return stray === undefined ? undefined : `${command.name()} takes no ${stray}`
}

describe('the code blocks of the documents', () => {
  it('are there, in languages this test knows', () => {
    expect(blocks.length).toBeGreaterThan(20)
    expect(blocks.filter(({ language }) => !known.has(language))).toEqual([])
  })

  it.each(blocks.filter(({ language }) => language === 'sh'))(
    '$at is shell, and its commands exist',
    ({ text }) => {
      execFileSync('sh', ['-n'], { input: text })
      const lines = text.replaceAll('\\\n', ' ').split('\n')
      expect(lines.flatMap(line => problemOf(line.replace(/(^|\s)#.*/, '')) ?? [])).toEqual([])
    },
  )

  it.each(blocks.filter(({ language }) => language === 'json'))('$at is JSON', ({ text }) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
  })

  it.each(blocks.filter(({ language }) => language === 'ini' || language === 'env'))(
    '$at reads line by line',
    ({ text }) => {
      for (const line of text.split('\n')) expect(line).toMatch(/^(\[\w+\]|[A-Z]\w*=.*|#.*|)$/i)
    },
  )

  it('a command that does not exist would be found', () => {
    expect(problemOf('npx lattice frobnicate')).toBe('no command frobnicate')
    expect(problemOf('lattice backup x --no-such-flag')).toBe('backup takes no --no-such-flag')
    expect(problemOf('npm run no-such')).toBe('npm run no is no script')
  })
})
