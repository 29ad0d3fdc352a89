/**
 * Changes single values in an env file and leaves everything else as it stands: comments, order, other keys,
 * owner and mode. The old file is replaced in one step, so a crash leaves the old one or the new one.
 */
import * as fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'

import { parseEnvFile, writeEnvValue } from './env-file.ts'
import { findPlaceholder, prefix } from './legacy.ts'
import type { SettingName } from './schema.ts'

/** A new value of a setting. `name` is how the file spells it now, where it does. */
export interface Edit {
  readonly setting: SettingName
  readonly name?: string
  readonly value: string
}

/**
 * The text with the edits made: in the last line that sets the name, else after its commented example, else
 * at the end.
 */
export function editEnvText(text: string, edits: readonly Edit[]): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  for (const { setting, name = prefix + setting, value } of edits) {
    const assignment = parseEnvFile(lines.join('\n')).assignments.findLast(each => each.name === name)
    const example = lines.findIndex(line => new RegExp(`^\\s*#\\s*${name}\\s*=`).test(line))
    const written = `${name}=${writeEnvValue(value)}`
    if (assignment !== undefined) lines[assignment.line - 1] = written
    else if (example >= 0) lines.splice(example + 1, 0, written)
    else lines.push(written)
  }
  return lines.map(line => `${line}\n`).join('')
}

/** What a list in the file holds now, without the placeholders of a template. */
export function listedItems(text: string, name: string): readonly string[] {
  const assignment = parseEnvFile(text).assignments.findLast(each => each.name === name)
  const items = assignment?.value.split(/[,\s]+/) ?? []
  return items.filter(item => item !== '' && findPlaceholder(item) === undefined)
}

/**
 * Puts `text` in the place of the file, once `check` has looked at it where it waits. Throws what `check`
 * throws or the system's error; then the file is as it was.
 */
export function replaceFile(path: string, text: string, check: (waiting: string) => void): void {
  const target = fs.realpathSync(path)
  const { mode, uid, gid } = fs.statSync(target)
  const aside = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}`)
  const file = fs.openSync(aside, 'wx', mode & 0o777)
  try {
    fs.fchmodSync(file, mode & 0o777)
    if (process.geteuid?.() === 0) fs.fchownSync(file, uid, gid)
    fs.writeFileSync(file, text)
    fs.fsyncSync(file)
    check(aside)
    fs.renameSync(aside, target)
  } catch (error) {
    fs.rmSync(aside, { force: true })
    throw error
  } finally {
    fs.closeSync(file)
  }
}
