/** What a command reads is the text that was written, or an error that says where it is not. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readInput, readInputLines } from '../src/cli/input.ts'
import type { CliIo } from '../src/cli/io.ts'
import { runInProcess } from './run-cli.ts'

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'lattice-input-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const write = (bytes: Uint8Array | string): void => writeFileSync(join(home, 'file'), bytes)
const { signal } = new AbortController()
const read = (): Promise<string> => readInput({ cwd: home } as CliIo, 'file')

async function readLines(): Promise<string[]> {
  const lines: string[] = []
  for await (const line of readInputLines({ cwd: home, signal } as CliIo, 'file')) lines.push(line)
  return lines
}

describe('text from a file', () => {
  it('is read as it is, without a byte order mark', async () => {
    for (const text of ['', 'Müller\n\u{1f600}\r\n', 'a\ufeffb', '\ufffd', 'a\n\ufeffb', '\ufeff', '\n\n']) {
      write(`\ufeff${text}`)
      expect(await read()).toBe(text)
      expect(await readLines()).toEqual(text.split('\n'))
    }
  })

  it('is cut at its line feeds, wherever it is cut while it comes', async () => {
    const text = 'a\u{1f600}\n\nbc\n\u00fc'
    const bytes = Buffer.from(text)
    for (let size = 1; size <= bytes.length; size += 1) {
      const stdin = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.subarray(at * size, (at + 1) * size),
      )
      const lines: string[] = []
      const io = { stdin: Readable.from(stdin), cwd: home, signal } as unknown as CliIo
      for await (const line of readInputLines(io, '-')) lines.push(line)
      expect(lines).toEqual(text.split('\n'))
    }
  })

  it.each([
    ['latin 1', Buffer.from('{"key":"a"}\nM\u00fcller\n', 'latin1'), 2],
    ['cut within a character', Buffer.from('a\nb\n\u{1f600}').subarray(0, -1), 3],
    ['broken by a line feed', Buffer.from([0x61, 0xc3, 0x0a, 0xa9]), 1],
    ['UTF-16', Buffer.from('\ufeffa\n', 'utf16le'), 1],
    ['a surrogate', Buffer.from([0x0a, 0xed, 0xa0, 0x80]), 2],
  ])('that is no UTF-8 (%s) is refused with its line', async (_, bytes, line) => {
    write(bytes)
    const told = {
      message: `${join(home, 'file')}, line ${line}: not UTF-8`,
      hint: 'save the file as UTF-8',
      exitCode: 64,
    }
    await expect(read()).rejects.toMatchObject(told)
    await expect(readLines()).rejects.toMatchObject(told)
  })

  it('that is no UTF-8 far from its start is refused with its line', async () => {
    const good = 'x'.repeat(1_000)
    write(Buffer.concat([Buffer.from(`${good}\n`.repeat(3_000)), Buffer.from([0x61, 0x0a, 0xff])]))
    await expect(readLines()).rejects.toMatchObject({ message: expect.stringContaining(', line 3002: not') })
  })
})

describe('more than a text can hold', () => {
  const told = { message: expect.stringMatching(/holds more than 511 MiB$/), exitCode: 64 }

  it('is refused before it is read, where a file says so', async () => {
    write('')
    truncateSync(join(home, 'file'), 2 ** 40)
    await expect(read()).rejects.toMatchObject(told)
  })

  it('is not read on from what never ends', async () => {
    const piece = Buffer.alloc(2 ** 26, '\n')
    let read = 0
    const stdin = (async function* () {
      for (;;) {
        read += piece.length
        yield piece
      }
    })()
    await expect(readInput({ stdin, cwd: home } as unknown as CliIo, '-')).rejects.toMatchObject(told)
    expect(read).toBe(2 ** 29)
  })

  it('is read line by line, none before the one in front of it was taken', async () => {
    const piece = Buffer.from(`${' '.repeat(2 ** 20 - 1)}\n`)
    const pieces = 2 ** 9 + 1
    let read = 0
    const stdin = (async function* () {
      for (; read < pieces; read += 1) yield piece
    })()
    let lines = 0
    let ahead = 0
    for await (const _line of readInputLines({ stdin, cwd: home, signal } as unknown as CliIo, '-')) {
      lines += 1
      ahead = Math.max(ahead, read - lines)
    }
    expect([lines, ahead <= 1]).toEqual([pieces + 1, true])
  }, 60_000)

  it('is refused as one line, which is not read on', async () => {
    const piece = Buffer.alloc(2 ** 26, ' ')
    let read = 0
    const stdin = (async function* () {
      for (;;) {
        read += piece.length
        yield piece
      }
    })()
    const lines = readInputLines({ stdin, cwd: home, signal } as unknown as CliIo, '-')
    await expect(lines.next()).rejects.toMatchObject({
      message: 'a line of standard input holds more than 511 MiB',
      exitCode: 64,
    })
    expect(read).toBe(2 ** 29)
  })
})

describe('text that is no UTF-8', () => {
  const stdin = Buffer.from('"M\u00fcller"', 'latin1')

  it.each([
    ['import', '-'],
    ['put', 'k', '-'],
    ['put', 'k', '-', '--string'],
    ['tx', '-'],
    ['verify-proof', '-'],
  ])('ends lattice %s before anything is sent', async (...args) => {
    const { code, stderr } = await runInProcess(args, { cwd: home, stdin })
    expect([code, stderr]).toEqual([64, expect.stringContaining('standard input, line 1: not UTF-8')])
    expect(stderr).toContain('save the file as UTF-8')
  })
})
