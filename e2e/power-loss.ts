/**
 * What a power loss may leave of files: everything that was flushed, and of what came after it any part.
 *
 * The disk is one that keeps what it has confirmed and promises nothing else. Each sector that was written
 * since the last flush of its file has whatever it had at some moment since; so has the length. Names that
 * were made, moved or removed since the last flush of the folder came to the disk in their order, up to some
 * one; a flush of a file brings its own name along, as on ext4, XFS and Btrfs. In a quarter of the losses
 * everything is on the disk up to some byte, in another nothing that was not flushed. (Pillai et al., *All
 * File Systems Are Not Created Equal*, OSDI 2014, tried applications in this way.)
 */
import type { Random } from '@lattice/core'
import type { DiskCall } from './disk-calls.ts'

/** Bytes that a disk writes as one. */
const sectorBytes = 512

type Change = Extract<DiskCall, { call: 'write' | 'append' | 'truncate' }>
type Naming = Extract<DiskCall, { call: 'create' | 'rename' | 'unlink' }>

/** A file: what is safe, and what has happened to it since. */
interface File {
  bytes: Buffer
  size: number
  pending: Change[]
  /** Its name is safe, or will be wherever its content is. */
  isNamed: boolean
}

/** How much of what was not flushed is there. */
type Manner = 'nothing' | 'up to a byte' | 'any part'

/** The files of a folder, call by call, as a disk has them. */
export class LossyDisk {
  readonly #random: Random
  /** Under the names that are safe. */
  #safe = new Map<string, File>()
  /** Under the names that programs see. */
  readonly #seen = new Map<string, File>()
  #namings: (readonly [naming: Naming, file: File])[] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** Does what a program did. */
  take(call: DiskCall): void {
    switch (call.call) {
      case 'say':
        return
      case 'create':
        return this.#name(call, { bytes: Buffer.alloc(0), size: 0, pending: [], isNamed: false })
      case 'rename':
      case 'unlink':
        return this.#name(call, this.#file(call.name))
      case 'sync':
        return call.name === '' ? this.#syncNames() : sync(this.#file(call.name))
      case 'write':
      case 'append':
      case 'truncate':
        this.#file(call.name).pending.push(call)
    }
  }

  /** The power goes: what is found afterwards. */
  lose(): Map<string, Buffer> {
    const unit = this.#random.unit()
    const manner = unit < 0.25 ? 'nothing' : unit < 0.5 ? 'up to a byte' : 'any part'
    const namings = manner === 'nothing' ? 0 : Math.floor(this.#random.unit() * (this.#namings.length + 1))
    const names = new Map(this.#safe)
    this.#namings.forEach(([naming, file], at) => {
      if (at < namings || (naming.call === 'create' && file.isNamed)) rename(names, naming, file)
    })
    return new Map([...names].map(([name, file]) => [name, this.#remains(file, manner)]))
  }

  #name(naming: Naming, file: File): void {
    this.#namings.push([naming, file])
    rename(this.#seen, naming, file)
  }

  #syncNames(): void {
    for (const [naming, file] of this.#namings) rename(this.#safe, naming, file)
    this.#namings = []
  }

  #file(name: string): File {
    const file = this.#seen.get(name)
    if (file === undefined) throw new Error(`nothing has made ${name}`)
    return file
  }

  #remains(file: File, manner: Manner): Buffer {
    const { pending } = file
    const copy = { ...file, bytes: Buffer.from(file.bytes.subarray(0, file.size)) }
    const moment = (): number => Math.floor(this.#random.unit() * (pending.length + 1))
    if (manner === 'any part') return anyPart(copy, moment)
    const end = manner === 'nothing' ? 0 : moment()
    for (const change of pending.slice(0, end)) apply(copy, change)
    const cut = manner === 'nothing' ? undefined : pending[end]
    if (cut?.call === 'write') {
      const bytes = cut.bytes.subarray(0, Math.floor(this.#random.unit() * cut.bytes.length))
      apply(copy, { ...cut, bytes })
    }
    return copy.bytes.subarray(0, copy.size)
  }
}

/** Each sector as it was after one of the changes, and the length after another. */
function anyPart(file: File, moment: () => number): Buffer {
  const moments = new Map<number, number>()
  const isThere = (sector: number, at: number): boolean => {
    const kept = moments.get(sector) ?? moment()
    moments.set(sector, kept)
    return at < kept
  }
  const whole = { ...file, bytes: Buffer.from(file.bytes) }
  const sizeAt = moment()
  let size = file.size
  file.pending.forEach((change, at) => {
    const [start, bytes] = written(whole, change)
    grow(whole, start + bytes.length)
    for (let from = start; from < start + bytes.length;) {
      const sector = Math.floor(from / sectorBytes)
      const end = Math.min((sector + 1) * sectorBytes, start + bytes.length)
      if (isThere(sector, at)) bytes.copy(whole.bytes, from, from - start, end - start)
      from = end
    }
    if (change.call === 'truncate') whole.size = change.size
    if (at < sizeAt) size = whole.size
  })
  grow(whole, size)
  return whole.bytes.subarray(0, size)
}

/** Where a change writes what; what is cut off reads as zeros if it ever comes back. */
function written(file: File, change: Change): readonly [start: number, bytes: Buffer] {
  if (change.call === 'truncate') return [change.size, Buffer.alloc(Math.max(0, file.size - change.size))]
  return [change.call === 'append' ? file.size : change.at, change.bytes]
}

function sync(file: File): void {
  for (const change of file.pending) apply(file, change)
  file.pending = []
  file.isNamed = true
}

function apply(file: File, change: Change): void {
  const [start, bytes] = written(file, change)
  grow(file, start + bytes.length)
  bytes.copy(file.bytes, start)
  if (change.call === 'truncate') file.size = change.size
}

function grow(file: File, size: number): void {
  if (size > file.bytes.length) {
    const bytes = Buffer.alloc(Math.max(size, 2 * file.bytes.length))
    file.bytes.copy(bytes)
    file.bytes = bytes
  }
  file.size = Math.max(file.size, size)
}

function rename(names: Map<string, File>, naming: Naming, file: File): void {
  if (naming.call === 'create') names.set(naming.name, file)
  else names.delete(naming.name)
  if (naming.call === 'rename') names.set(naming.to, file)
}
