/** Archives of backups: what every tar reads, and what a hostile one may not do (D9). */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, it } from '@jest/globals'

import { tarContent, tarIndex, tarOf } from '../src/backup/tar.ts'

let directory = ''
const at = (name: string): string => join(directory, name)

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'lattice-tar-'))
})
afterEach(() => fs.rmSync(directory, { recursive: true }))

/** Names and contents of an archive; undefined where it is refused. */
async function read(bytes: Uint8Array): Promise<readonly string[] | undefined> {
  fs.writeFileSync(at('read.tar'), bytes)
  const file = await open(at('read.tar'))
  try {
    const members = await tarIndex(file)
    if (members === undefined) return undefined
    const contents: string[] = []
    for (const member of members) {
      const pieces: Uint8Array[] = []
      for await (const piece of tarContent(file, member)) pieces.push(piece)
      contents.push(`${member.name}=${Buffer.concat(pieces).toString()}`)
    }
    return contents
  } finally {
    await file.close()
  }
}

async function written(): Promise<Buffer> {
  fs.writeFileSync(at('long'), 'x'.repeat(1_000_000))
  const sources = [
    { name: 'a', from: Buffer.from('first') },
    { name: 'b', from: { file: at('long') } },
    { name: 'c', from: Buffer.alloc(512) },
  ]
  const pieces: Uint8Array[] = []
  for await (const piece of tarOf(sources, 1_700_000_000)) pieces.push(piece)
  return Buffer.concat(pieces)
}

it('what it writes is read by tar and by itself, member by member', async () => {
  const bytes = await written()
  fs.writeFileSync(at('ours.tar'), bytes)
  const listed = execFileSync('tar', ['-tvf', at('ours.tar')], { encoding: 'utf8' })
  expect(listed).toMatch(
    /^-rw------- 0\/0 +5 .* a\n-rw------- 0\/0 +1000000 .* b\n-rw------- 0\/0 +512 .* c\n$/,
  )
  expect(await read(bytes)).toEqual(['a=first', `b=${'x'.repeat(1_000_000)}`, `c=${'\0'.repeat(512)}`])
})

it('a member that is too large for its header is refused, and not written as a smaller one', async () => {
  fs.writeFileSync(at('huge'), '')
  const first = async (bytes: number): Promise<Uint8Array | undefined> => {
    // Takes no room on the disk.
    fs.truncateSync(at('huge'), bytes)
    const pieces = tarOf([{ name: 'huge', from: { file: at('huge') } }], 0)
    const header = await pieces.next()
    await pieces.return(undefined)
    return header.value as Uint8Array | undefined
  }
  expect((await first(2 ** 36 - 1))?.length).toBe(512)
  await expect(first(2 ** 36)).rejects.toThrow('huge is larger than an archive can hold, which is 64 GiB')
})

it('a member cut short, a size that lies, a changed header or no end is refused as a whole', async () => {
  const bytes = await written()
  const sized = Buffer.from(bytes)
  sized.write('77777777777', 124)
  const renamed = Buffer.from(bytes)
  renamed.write('z', 0)
  for (const broken of [
    bytes.subarray(0, 700_000),
    sized,
    renamed,
    bytes.subarray(0, -1024),
    Buffer.alloc(100),
  ])
    expect(await read(broken)).toBeUndefined()
})

it('links, directories, devices and thousands of members are refused; paths are only names', async () => {
  fs.mkdirSync(at('in'))
  const pack = (...args: string[]): Buffer =>
    execFileSync('tar', ['--format=ustar', '-C', at('in'), '-cf', '-', ...args], { maxBuffer: 2 ** 26 })
  fs.symlinkSync('/etc/passwd', at('in/link'))
  fs.writeFileSync(at('in/file'), 'content')
  fs.linkSync(at('in/file'), at('in/second'))
  for (const name of ['link', '.', '/dev/null']) expect(await read(pack(name))).toBeUndefined()
  expect(await read(pack('file', 'second'))).toBeUndefined()
  expect(
    await read(pack(...Array.from({ length: 100 }, () => ['--hard-dereference', 'file']).flat())),
  ).toBeUndefined()
  const climbing = pack('--transform=s,^,../../,', '-P', 'file')
  expect(await read(climbing)).toEqual(['../../file=content'])
  expect(fs.readdirSync(directory).sort()).toEqual(['in', 'read.tar'])
})
