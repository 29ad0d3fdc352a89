/**
 * `lattice support-bundle`: what somebody who helps needs to see, in one archive without a secret in it.
 *
 * Every text is searched for the secrets of this node before it is packed, whatever wrote it.
 */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'

import type { Client } from '@lattice/api'
import type { Command } from 'commander'

import { tarOf, type TarSource } from '../backup/tar.ts'
import { configJson, Secret, secretMask } from '../config/index.ts'
import { examine, type Patient } from '../doctor/index.ts'
import { adminTokenFile } from '../host/admin-token.ts'
import { identityFile } from '../host/identity.ts'
import { codeOf, readPrivateFile } from '../host/private-file.ts'
import { patientOf } from './doctor.ts'
import { CliError, exitCodes } from './exit.ts'
import { print, printJson } from './io.ts'
import type { CliIo } from './io.ts'
import type { Register } from './register.ts'
import { withRemote } from './session.ts'
import { withSettingFlags } from './settings.ts'
import { programVersion } from './version.ts'

interface Options {
  readonly log?: string
  readonly offline?: boolean
  readonly json?: boolean
}

/** Lines of the log that are taken; some hours of a busy node. */
const logLinesMax = 5_000
/** What is read from the end of a log file at most. */
const logBytesMax = 8 * 1024 * 1024
/** journalctl on a slow disk. */
const journalMsMax = 20_000

/** Adds the command. */
export const registerSupportBundle: Register = (program, { io, run }) => {
  const base = withRemote(program.command('support-bundle [file]'), 'support-bundle')
  const command = withSettingFlags(base, ['STATE_DIR'])
    .description('pack status, settings, findings and log for somebody who helps; no secret is inside')
    .option('--log <file>', 'take the log from this file instead of the journal of lattice.service')
    .option('--offline', 'ask no other machine')
    .addHelpText(
      'after',
      '\nThe daemon may be down. A file that exists is never replaced; without a name the file is called after ' +
        'the time.\n\nExample:\n  $ lattice support-bundle /tmp/lattice.tar.gz',
    )
  command.action(
    run(async (file: string | undefined, options: Options, self: Command) => {
      const path = resolve(io.cwd, file ?? `lattice-support-${timeInName(new Date())}.tar.gz`)
      if (fs.existsSync(path)) throw alreadyThere(path)
      const patient = await patientOf(self, io, options.offline !== true)
      const texts = await gather(patient, options, io)
      const secrets = secretsOf(patient)
      const members = Object.entries(texts).map(([name, text]): TarSource => {
        return { name: `lattice-support/${name}`, from: Buffer.from(masked(text, secrets)) }
      })
      await pack(path, members)
      const names = members.map(member => member.name)
      if (options.json === true)
        printJson(io, { schema: 'lattice.support-bundle/v1', file: path, members: names })
      else
        print(io, `wrote ${path}`, ...names.map(name => `  ${name}`), 'Look through it before you send it.')
      return exitCodes.ok
    }),
  )
}

async function gather(
  patient: Patient,
  options: Options,
  io: CliIo,
): Promise<Readonly<Record<string, string>>> {
  const { daemon, loaded, stateDir } = patient
  const versions = {
    lattice: programVersion(),
    node: process.versions,
    system: { type: type(), release: release(), arch: arch(), cpus: cpus().length, memory: totalmem() },
    at: new Date().toISOString(),
  }
  return {
    'versions.json': json(versions),
    'settings.json': json(configJson(loaded)),
    'doctor.json': json(await examine(patient)),
    'state-dir.txt': listing(stateDir),
    'log.txt': await log(options.log === undefined ? undefined : resolve(io.cwd, options.log)),
    ...(daemon === undefined ? { 'daemon.txt': 'no daemon answered\n' } : await answers(daemon)),
  }
}

/** What the daemon says of itself. Values of keys are the users' affair and stay out. */
async function answers(daemon: Client): Promise<Readonly<Record<string, string>>> {
  const questions = {
    'health.json': () => daemon.getHealthReport(),
    'sync-status.json': () => daemon.getP2pStatus(),
    'peers.json': () => daemon.getPeers(),
    'links.json': () => daemon.getLinks(),
    'transitions.json': () => daemon.getTransitions(),
    'integrity.json': () => daemon.getIntegrity(),
    'status.json': () => daemon.getStatus(),
    'metrics.txt': () => daemon.getMetrics(),
  }
  const told = Object.entries(questions).map(async ([name, ask]) => {
    const answer = await ask().catch((error: unknown) => ({ failed: String(error) }))
    return [name, typeof answer === 'string' ? answer : json(answer)] as const
  })
  return Object.fromEntries(await Promise.all(told))
}

function listing(directory: string): string {
  try {
    const names = fs.readdirSync(directory).sort()
    const lines = names.map(name => {
      const { mode, size, uid, mtime } = fs.lstatSync(join(directory, name))
      return `${(mode & 0o7777).toString(8).padStart(4, '0')} ${uid} ${size} ${mtime.toISOString()} ${name}\n`
    })
    return lines.join('')
  } catch (error) {
    return `${directory}: ${codeOf(error)}\n`
  }
}

async function log(file: string | undefined): Promise<string> {
  if (file !== undefined) return tail(file)
  try {
    const args = ['-u', 'lattice', '-n', String(logLinesMax), '--no-pager', '-o', 'short-iso']
    const limits = { timeout: journalMsMax, maxBuffer: 2 * logBytesMax }
    return (await promisify(execFile)('journalctl', args, limits)).stdout
  } catch (error) {
    return `the journal cannot be read (${codeOf(error)}); --log names a file\n`
  }
}

function tail(path: string): string {
  let descriptor: number | undefined
  try {
    descriptor = fs.openSync(path, 'r')
    const { size } = fs.fstatSync(descriptor)
    const bytes = Buffer.alloc(Math.min(size, logBytesMax))
    const read = fs.readSync(descriptor, bytes, 0, bytes.length, size - bytes.length)
    return bytes
      .toString('utf8', 0, read)
      .split('\n')
      .slice(-logLinesMax - 1)
      .join('\n')
  } catch (error) {
    throw new CliError(exitCodes.usage, `${path} cannot be read (${codeOf(error)})`)
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/** Every secret this node has, in each form a text could hold it. */
function secretsOf({ loaded, stateDir }: Patient): readonly string[] {
  const configured = [...loaded.values.values()]
    .filter(value => value instanceof Secret)
    .map(value => value.reveal())
  const kept = [identityFile, adminTokenFile].flatMap(name => {
    const file = readPrivateFile(join(stateDir, name))
    return file.state === 'present' ? [file.text.trim()] : []
  })
  return [...configured, ...kept].filter(secret => secret !== '').flatMap(formsOf)
}

function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const seed = /^[0-9a-fA-F]{64}$/.test(secret) ? Buffer.from(secret, 'hex') : undefined
  const forms = [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('base64'),
  ]
  if (seed === undefined) return [...new Set(forms)]
  return [
    ...new Set([
      ...forms,
      secret.toLowerCase(),
      secret.toUpperCase(),
      seed.toString('base64'),
      seed.toString('base64url'),
    ]),
  ]
}

function masked(text: string, secrets: readonly string[]): string {
  const clean = secrets.reduce((all, secret) => all.replaceAll(secret, secretMask), text)
  // What others may have logged on their own: headers, and keys by their names.
  return clean
    .replaceAll(/(authorization["']?\s*[:=]\s*["']?(?:bearer\s+)?)[^\s"',]+/gi, `$1${secretMask}`)
    .replaceAll(
      /((?:x-lattice-token|admin_token|privkey_hex)["']?\s*[:=]\s*["']?)[^\s"',{[]+/gi,
      `$1${secretMask}`,
    )
}

/** Writes a file that was not there before; what it could not finish it removes, and nothing else. */
async function pack(path: string, members: readonly TarSource[]): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw codeOf(error) === 'EEXIST' ? alreadyThere(path) : unwritable(path, error)
  })
  try {
    const blocks = Readable.from(tarOf(members, Math.floor(Date.now() / 1000)))
    await pipeline(blocks, createGzip(), file.createWriteStream())
  } catch (error) {
    await rm(path, { force: true })
    throw unwritable(path, error)
  }
}

function alreadyThere(path: string): CliError {
  const hint = 'name another file, leave the name out, or remove that one first'
  return new CliError(exitCodes.failed, `${path} is already there and is not replaced`, { hint })
}

function unwritable(path: string, error: unknown): CliError {
  return new CliError(exitCodes.failed, `${path} cannot be written (${codeOf(error)})`)
}

/** Like 20260131T235959Z: sorts by time, and is a file name everywhere. */
function timeInName(at: Date): string {
  return at.toISOString().replaceAll(/[-:]|\.\d+/g, '')
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 1)}\n`
}
