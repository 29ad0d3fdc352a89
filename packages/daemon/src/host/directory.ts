/** Directories made with all that is missing above them. */
import * as fs from 'node:fs'
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
