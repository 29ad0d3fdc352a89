/** What the machine gives a node: Node itself, memory, files, clock, addresses. */
import { readFileSync, statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'

import { outerFamilies } from '../host/addresses.ts'
import { storeFiles } from '../sqlite-schema.ts'
import { fail, pass, skip, warn, type Check } from './diagnosis.ts'

/** Below these, Node has a hole before authentication: CVE-2026-111497, Brotli (reliability.md §1). */
const nodeFloors: Readonly<Record<number, readonly [number, number]>> = { 24: [22, 1], 26: [12, 1] }
/** A node with 100,000 keys stays below half of it. */
const memoryBytesMin = 512 * 1024 * 1024
/** Connections, database and log of a busy node stay far below. */
const openFilesMin = 1024
/** Files from the future by more than this mean that the clock was set back. */
const clockSlackMs = 60_000

/** Checks of the machine. */
export const machineChecks: readonly Check[] = [
  {
    name: 'node-version',
    look: ({ nodeVersion }) => {
      const [major = 0, minor = 0, patch = 0] = nodeVersion.split('.').map(Number)
      const floor = nodeFloors[major]
      if (major < 24) return fail(`Node ${nodeVersion}`, 'Lattice needs Node 24', 'install Node 24')
      const below = floor !== undefined && (minor < floor[0] || (minor === floor[0] && patch < floor[1]))
      if (!below) return pass(`Node ${nodeVersion}`)
      const least = `${major}.${floor[0]}.${floor[1]}`
      const cause = `below ${least} it can be attacked before authentication (CVE-2026-111497)`
      return warn(`Node ${nodeVersion} is below the floor ${least}`, cause, `install Node ${least} or later`)
    },
  },
  {
    name: 'memory',
    look: () => {
      const bytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
      const text = `${Math.round(bytes / 1_048_576)} MiB for this process`
      if (bytes >= memoryBytesMin) return pass(text)
      return warn(text, 'a node of 100,000 keys wants 512 MiB', 'raise MemoryMax, or give the machine more')
    },
  },
  { name: 'open-files', look: () => openFiles() },
  {
    name: 'clock',
    look: ({ stateDir, now }) => {
      const stats = statSync(join(stateDir, storeFiles.database), { throwIfNoEntry: false })
      if (now < Date.UTC(2025, 0)) return fail(`it is ${iso(now)} here`, 'the clock is not set', ntp)
      const ahead = (stats?.mtimeMs ?? 0) - now
      if (ahead <= clockSlackMs) return pass(`it is ${iso(now)} here`)
      const cause = `the store was written at ${iso(now + ahead)}: the clock was set back`
      return fail(`it is ${iso(now)} here`, cause, ntp)
    },
  },
  {
    name: 'addresses',
    look: () => {
      const families = outerFamilies()
      if (families.length > 0) return pass(`this machine has ${families.join(' and ')}`)
      const cause = 'only this machine itself can be reached'
      return warn('no address beyond loopback', cause, 'ip address')
    },
  },
]

const ntp = 'timedatectl set-ntp true'

function openFiles(): ReturnType<typeof pass> {
  const limits = readText('/proc/self/limits')
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? '')?.[1]
  if (soft === undefined) return skip('this system does not tell its limit of open files')
  const text = `${soft} files may be open`
  if (soft === 'unlimited' || Number(soft) >= openFilesMin) return pass(text)
  return warn(text, 'many peers or clients at once would be refused', 'ulimit -n 65536, or LimitNOFILE=65536')
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function iso(wall: number): string {
  return new Date(wall).toISOString()
}
