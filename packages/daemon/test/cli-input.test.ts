/** What a command reads is the text that was written, or an error that says where it is not. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readInput } from '../src/cli/input.ts'
import type { CliIo } from '../src/cli/io.ts'
import { runInProcess } from './run-cli.ts'

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'lattice-input-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

const write = (bytes: Uint8Array | string): void => writeFileSync(join(home, 'file'), bytes)
const read = (): Promise<string> => readInput({ cwd: home } as CliIo, 'file')

describe('text from a file', () => {
  it('is read as it is, without a byte order mark', async () => {
    for (const text of ['', 'Müller\n\u{1f600}\r\n', 'a\ufeffb', '\ufffd']) {
      write(`\ufeff${text}`)
      expect(await read()).toBe(text)
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
    await expect(read()).rejects.toMatchObject({
      message: `${join(home, 'file')}, line ${line}: not UTF-8`,
      hint: 'save the file as UTF-8',
      exitCode: 64,
    })
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
