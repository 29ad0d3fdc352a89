/** Directories made with all that is missing above them. */
import * as fs from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes `path`, an absolute one, unless something is there. Throws the system's error.
 *
 * Not `recursive`: that loops for ever where mkdir answers ENOENT below an existing directory, as in /proc.
 */
export function makeDirectory(path: string, mode: number): void {
  if (fs.existsSync(path)) return
  const parent = dirname(path)
  if (parent !== path) makeDirectory(parent, mode)
  try {
    fs.mkdirSync(path, { mode })
  } catch (error) {
    // Somebody else was faster.
    if (!fs.existsSync(path)) throw error
  }
}

/** The same without blocking: a mounted directory may hang. Rejects with the system's error. */
export async function makeDirectoryAside(path: string, mode: number): Promise<void> {
  if (await isThere(path)) return
  const parent = dirname(path)
  if (parent !== path) await makeDirectoryAside(parent, mode)
  try {
    await mkdir(path, { mode })
  } catch (error) {
    if (!(await isThere(path))) throw error
  }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
