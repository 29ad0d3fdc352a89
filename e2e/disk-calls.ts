/**
 * What a process does to the files of one folder, call by call, as strace(1) sees it: the material that power
 * losses are made of (power-loss.ts).
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { basename, dirname } from 'node:path'

/** One call that has succeeded. Names are those within the folder; the folder's own is `''`. */
export type DiskCall =
  | { readonly call: 'create'; readonly name: string }
  | { readonly call: 'sync'; readonly name: string }
  | { readonly call: 'unlink'; readonly name: string }
  | { readonly call: 'write'; readonly name: string; readonly at: number; readonly bytes: Buffer }
  | { readonly call: 'append'; readonly name: string; readonly bytes: Buffer }
  | { readonly call: 'truncate'; readonly name: string; readonly size: number }
  | { readonly call: 'rename'; readonly name: string; readonly to: string }
  /** A line on standard output: what the world has been told. */
  | { readonly call: 'say'; readonly line: string }

const traced = 'openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,unlink,unlinkat,fallocate,pwritev'

/** Longest write that is recorded whole; the store writes pages. */
const bytesMax = 200_000

/** How to start a program such that its calls are written to `path`: put before its command line. */
export function tracing(path: string): readonly string[] {
  return ['strace', '-f', '-qq', '-xx', '-y', '-s', `${bytesMax}`, '-e', `trace=${traced}`, '-o', path]
}

const text = String.raw`((?:\\x[0-9a-f]{2})*)`
const file = String.raw`(\d+)<${text}>`
const patterns = {
  open: new RegExp(String.raw`^openat\(.*?, "${text}", (\S+?)(?:, 0\d+)?\) += \d`),
  pwrite: new RegExp(String.raw`^pwrite64\(${file}, "${text}", \d+, (\d+)\) += \d`),
  write: new RegExp(String.raw`^write\(${file}, "${text}", \d+`),
  truncate: new RegExp(String.raw`^ftruncate\(${file}, (\d+)\) += 0`),
  sync: new RegExp(String.raw`^f(?:data)?sync\(${file}\) += 0`),
  rename: new RegExp(String.raw`^rename\("${text}", "${text}"\) += 0`),
  unlink: new RegExp(String.raw`^unlink(?:at)?\((?:.*?, )?"${text}"(?:, 0)?\) += 0`),
} as const

/** Reads what `tracing` has recorded of the files in `directory`, in the order in which calls have ended. */
export async function readCalls(path: string, directory: string): Promise<DiskCall[]> {
  const calls: DiskCall[] = []
  const known = new Set<string>()
  const begun = new Map<string, string>()
  for await (const line of createInterface({ input: createReadStream(path, 'latin1') })) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const unfinished = /^(.*?)\s*<unfinished \.\.\.>$/.exec(rest)
    if (unfinished) {
      begun.set(thread, unfinished[1] as string)
      // What is said counts from when it is begun.
      const said = lineOf(unfinished[1] as string)
      if (said !== undefined) calls.push({ call: 'say', line: said })
      continue
    }
    const whole = resumed ? `${begun.get(thread) ?? ''}${resumed[1]}` : rest
    const said = lineOf(whole)
    if (said === undefined) calls.push(...callsOf(whole, directory, known))
    else if (!resumed) calls.push({ call: 'say', line: said })
  }
  return calls
}

function lineOf(call: string): string | undefined {
  const [, fd, , bytes] = patterns.write.exec(call) ?? []
  return fd === '1'
    ? decode(bytes ?? '')
        .toString()
        .trimEnd()
    : undefined
}

/** What one call did, if it was to a file of the folder. `known`: the names there are. */
function callsOf(call: string, directory: string, known: Set<string>): DiskCall[] {
  const nameOf = (path: string | undefined): string | undefined => {
    const whole = decode(path ?? '').toString()
    if (whole === directory) return ''
    // The index of the log is memory that processes share; nothing of it outlives them.
    return dirname(whole) === directory && !whole.endsWith('-shm') ? basename(whole) : undefined
  }
  const opened = patterns.open.exec(call)
  if (opened) {
    const [name, flags = ''] = [nameOf(opened[1]), opened[2]]
    if (name === undefined || name === '') return []
    const isNew = flags.includes('O_CREAT') && !known.has(name)
    known.add(name)
    if (isNew) return [{ call: 'create', name }]
    return flags.includes('O_TRUNC') ? [{ call: 'truncate', name, size: 0 }] : []
  }
  const renamed = patterns.rename.exec(call)
  if (renamed) {
    const [name, to] = [nameOf(renamed[1]), nameOf(renamed[2])]
    if (name === undefined || to === undefined) return []
    known.delete(name)
    known.add(to)
    return [{ call: 'rename', name, to }]
  }
  const unlinked = patterns.unlink.exec(call)
  if (unlinked) {
    const name = nameOf(unlinked[1])
    return name !== undefined && known.delete(name) ? [{ call: 'unlink', name }] : []
  }
  return fileCallsOf(call, nameOf)
}

function fileCallsOf(call: string, nameOf: (path: string | undefined) => string | undefined): DiskCall[] {
  const [, , path] = /^\w+\((\d+)<((?:\\x[0-9a-f]{2})*)>/.exec(call) ?? []
  const name = nameOf(path)
  if (name === undefined || path === undefined) return []
  const [written, truncated] = [patterns.pwrite.exec(call), patterns.truncate.exec(call)]
  if (written) return [{ call: 'write', name, at: Number(written[4]), bytes: decode(written[3] as string) }]
  if (truncated) return [{ call: 'truncate', name, size: Number(truncated[3]) }]
  if (patterns.sync.test(call)) return [{ call: 'sync', name }]
  const appended = patterns.write.exec(call)
  if (appended) return [{ call: 'append', name, bytes: decode(appended[3] as string) }]
  throw new Error(`not understood: ${call.slice(0, 200)}`)
}

function decode(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(String.raw`\x`, ''), 'hex')
}
