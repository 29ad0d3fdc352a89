/** One daemon per directory, by a lock that dies with its holder. */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { openStateDir, type StateDir } from '../src/state-dir.ts'
import { startChild, type Child } from './fixtures/child.ts'

let root = ''
let path = ''
const held: StateDir[] = []
const children: Child[] = []
const open = (at = path): StateDir => {
  const directory = openStateDir(at)
  held.push(directory)
  return directory
}
const holder = async (): Promise<Child> => {
  const child = startChild('hold-state-dir.ts', [path])
  children.push(child)
  await child.line(line => line === 'held')
  return child
}
const refused = (at: string): unknown => {
  try {
    open(at)
  } catch (error) {
    return error
  }
  return undefined
}

/** Only root can give a directory away; for everybody else the root directory is another user's. */
const directoryOfAnotherUser = (): string => {
  if (process.geteuid?.() !== 0) return '/'
  fs.mkdirSync(path, { recursive: true, mode: 0o700 })
  fs.chownSync(path, 12_345, 12_345)
  return path
}

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'lattice-dir-'))
  path = join(root, 'deep', 'state')
})
afterEach(async () => {
  held.splice(0).forEach(directory => directory.release())
  await Promise.all(children.splice(0).map(child => child.kill()))
  fs.rmSync(root, { recursive: true, force: true })
})

describe('state directory', () => {
  it('is created for this user alone', () => {
    const directory = open()
    expect(directory.path).toBe(fs.realpathSync(path))
    expect(fs.statSync(path).mode & 0o777).toBe(0o700)
    for (const name of fs.readdirSync(path)) expect(fs.statSync(join(path, name)).mode & 0o077).toBe(0)
  })

  it('refuses a second hold in this process, also by a symbolic link, until the first is released', () => {
    const first = open()
    fs.symlinkSync(path, join(root, 'link'))
    expect(refused(path)).toMatchObject({ code: 'STORE_LOCKED' })
    expect(refused(join(root, 'link'))).toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`${process.pid}`),
    })
    first.release()
    first.release()
    expect(open().path).toBe(first.path)
  })

  it('refuses while another process holds it, and names that process', async () => {
    const other = await holder()
    expect(refused(path)).toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`process ${other.pid}`),
    })
  })

  it('keeps another process off while this one holds it, also after a refused second hold', async () => {
    open()
    expect(refused(path)).toMatchObject({ code: 'STORE_LOCKED' })
    const other = startChild('hold-state-dir.ts', [path])
    children.push(other)
    expect(await other.line(line => line.startsWith('refused'))).toBe('refused STORE_LOCKED')
  })

  it('is free again the moment its holder was killed', async () => {
    const other = await holder()
    await other.kill()
    expect(fs.existsSync(join(path, 'daemon.pid'))).toBe(true)
    expect(open().path).toBe(fs.realpathSync(path))
  })

  it('is refused when others could write in it, and is not changed', () => {
    fs.mkdirSync(path, { recursive: true })
    fs.chmodSync(path, 0o777)
    expect(refused(path)).toMatchObject({
      code: 'STATE_DIR_UNUSABLE',
      message: expect.stringMatching(/0777.*chmod 700/),
    })
    expect(fs.statSync(path).mode & 0o777).toBe(0o777)
    expect(fs.readdirSync(path)).toEqual([])
  })

  it('is refused when it cannot be created, is a file, or takes no files', () => {
    fs.writeFileSync(join(root, 'file'), '')
    for (const at of [join(root, 'file'), join(root, 'file', 'below'), '/proc/lattice', '/proc/self']) {
      expect(refused(at)).toMatchObject({
        code: 'STATE_DIR_UNUSABLE',
        message: expect.stringContaining(at.slice(0, 5)),
      })
    }
    expect(refused(join(root, 'file'))).toMatchObject({ message: `${join(root, 'file')} is not a directory` })
  })

  it('is refused when it belongs to another user', () => {
    const at = directoryOfAnotherUser()
    expect(refused(at)).toMatchObject({
      code: 'STATE_DIR_UNUSABLE',
      message: expect.stringContaining(`belongs to user ${fs.statSync(at).uid}, `),
    })
  })
})
