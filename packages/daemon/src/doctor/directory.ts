/** What lies in STATE_DIR, looked at without changing anything. */
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'

import { isLatticeError } from '@lattice/core'

import { adminTokenFile, tokenIn } from '../host/admin-token.ts'
import { identityFile, seedIn } from '../host/identity.ts'
import { codeOf, readPrivateFile } from '../host/private-file.ts'
import { readSentinel } from '../incarnation-file.ts'
import { inspectStore, readHeader, refuseHeader } from '../sqlite-inspect.ts'
import { historyFile, storeFiles } from '../sqlite-schema.ts'
import { fail, pass, skip, warn, type Check, type Diagnosis, type Patient } from './diagnosis.ts'

/** `f_type` of file systems where SQLite's locks or flushes are not those of a local disk (statfs(2)). */
const remoteTypes: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x65735546: 'FUSE',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x01021997: '9P',
}
/** `f_type` of file systems that a restart empties. */
const memoryTypes: readonly number[] = [0x01021994, 0x858458f6]
/** As health has it: below, an operator should act; below, writes are about to fail. */
const [lowRatio, fullRatio] = [0.05, 0.01]

/** Checks of the state directory. */
export const directoryChecks: readonly Check[] = [
  { name: 'state-dir', look: stateDir },
  { name: 'file-system', look: fileSystem },
  { name: 'disk-space', look: diskSpace },
  { name: 'identity', look: identity },
  { name: 'admin-token', look: adminToken },
  { name: 'store', look: store },
  { name: 'store-life', look: life },
  {
    name: 'history',
    look: ({ loaded, stateDir: directory }) => {
      const path = join(directory, historyFile)
      const bytes = fs.statSync(path, { throwIfNoEntry: false })?.size
      if (bytes === undefined) return skip('no history yet')
      const cap = (loaded.lookup('HISTORY_MIB') ?? 64) * 1_048_576
      const text = `${(bytes / 1_048_576).toFixed(1)} of ${cap / 1_048_576} MiB`
      return bytes <= cap
        ? pass(text)
        : warn(text, 'it is above its cap until the daemon cuts it', 'lattice start')
    },
  },
  {
    name: 'leftovers',
    look: ({ stateDir: directory }) => {
      const found = listed(directory).filter(name =>
        /^(replaced-|\.restore-|store\.db\.damaged-|store\.db-wal\.lost-|store\.db\.format-)/.test(name),
      )
      if (found.length === 0) return pass('nothing of earlier lives')
      const cause = 'a restore, a lost or damaged database or an upgrade left them; a running node reads none'
      return warn(`${found.join(', ')} in ${directory}`, cause, 'remove them once all nodes agree')
    },
  },
]

function stateDir({ stateDir: directory }: Patient): Diagnosis {
  const stats = fs.statSync(directory, { throwIfNoEntry: false })
  const closed = obstacle(directory)
  if (stats === undefined) return closed ?? pass(`${directory} is not there; a first start makes it`)
  if (!stats.isDirectory()) return fail(`${directory} is a file`, 'a directory is needed', `rm ${directory}`)
  const user = process.geteuid?.()
  if (user !== undefined && user !== 0 && stats.uid !== user)
    return fail(
      `${directory} belongs to user ${stats.uid}`,
      `this is user ${user}`,
      `chown -R ${user} ${directory}`,
    )
  const [command, mend] = [`chmod 700 ${directory}`, madePrivate(directory, 0o700)]
  if ((stats.mode & 0o022) !== 0)
    return { ...fail(`others may write to ${directory}`, 'they could replace the key', command), ...mend }
  if ((stats.mode & 0o055) !== 0)
    return { ...warn(`others may look into ${directory}`, 'it should be private', command), ...mend }
  return closed ?? pass(directory)
}

/** What keeps a start from writing to a directory, or from making it where it is not there yet. */
function obstacle(directory: string): Diagnosis | undefined {
  let place = directory
  while (!fs.existsSync(place) && dirname(place) !== place) place = dirname(place)
  if (!fs.statSync(place).isDirectory())
    return fail(`${directory} cannot be made`, `${place} is a file`, 'name another LATTICE_STATE_DIR')
  try {
    fs.accessSync(place, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    return undefined
  } catch (error) {
    const what = place === directory ? 'written' : 'made'
    return fail(`${directory} cannot be ${what}`, `${place}: ${codeOf(error)}`, `ls -ld ${place}`)
  }
}

/** Takes the rights of others away; only where it is what it should be, and not a link to somewhere else. */
function madePrivate(path: string, mode: 0o600 | 0o700): Pick<Diagnosis, 'mend'> {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false })
  const fits = mode === 0o700 ? stats?.isDirectory() : stats?.isFile()
  return fits === true ? { mend: () => fs.chmodSync(path, mode) } : {}
}

function fileSystem({ stateDir: directory }: Patient): Diagnosis {
  if (!fs.existsSync(directory)) return skip('no directory yet')
  const { type } = fs.statfsSync(directory)
  const remote = remoteTypes[type >>> 0]
  const command = 'put LATTICE_STATE_DIR on a local disk; LATTICE_SNAPSHOT_DIR may lie there'
  if (remote !== undefined)
    return fail(`${directory} lies on ${remote}`, 'its locks and flushes do not protect the store', command)
  if (memoryTypes.includes(type >>> 0))
    return warn(`${directory} lies in memory`, 'a restart of the machine empties it', command)
  return pass('a local file system')
}

function diskSpace({ stateDir: directory }: Patient): Diagnosis {
  if (!fs.existsSync(directory)) return skip('no directory yet')
  const { bavail, blocks, bsize } = fs.statfsSync(directory)
  const ratio = blocks === 0 ? 1 : bavail / blocks
  const text = `${(ratio * 100).toFixed(1)} % free, ${Math.round((bavail * bsize) / 1_048_576)} MiB`
  if (ratio < fullRatio) return fail(text, 'writes are about to fail', `df -h ${directory}`)
  if (ratio < lowRatio) return warn(text, 'writes fail when it is full', `df -h ${directory}`)
  return pass(text)
}

function identity({ loaded, stateDir: directory }: Patient): Diagnosis {
  const configured = loaded.lookup('NODE_PRIVKEY_HEX')?.reveal().toLowerCase()
  const path = join(directory, identityFile)
  const file = readPrivateFile(path)
  if (file.state === 'unusable')
    return { ...fail('the key cannot be used', file.why, `chmod 600 ${path}`), ...madePrivate(path, 0o600) }
  if (file.state === 'missing') {
    if (configured !== undefined) return pass('the key is configured')
    if (!fs.existsSync(join(directory, storeFiles.database))) return pass('a first start makes one')
    const cause = 'there is a store, and the key that signed it is gone'
    return fail(`${path} is missing`, cause, 'lattice restore FILE --with-identity PASSPHRASE_FILE')
  }
  const kept = seedIn(file.text)
  if (kept === undefined)
    return fail(`${path} is torn`, 'it does not hold 64 hex digits', 'put it back from a backup')
  if (configured === undefined) return pass(`the key is in ${path}`)
  if (configured === kept) return pass('the key is configured')
  const cause = 'a start is refused: entries are signed with one of them'
  return fail(`LATTICE_NODE_PRIVKEY_HEX and ${path} differ`, cause, 'remove the one that is not this node')
}

function adminToken({ loaded, stateDir: directory }: Patient): Diagnosis {
  if (loaded.lookup('ADMIN_TOKEN') !== undefined) return pass('the token is configured')
  const path = join(directory, adminTokenFile)
  const file = readPrivateFile(path)
  if (file.state === 'missing') return pass('a first start makes one')
  if (file.state === 'unusable')
    return { ...fail('the token cannot be used', file.why, `chmod 600 ${path}`), ...madePrivate(path, 0o600) }
  if (tokenIn(file.text) !== undefined) return pass(`the token is in ${path}`)
  return fail(`${path} is torn`, 'it does not hold 16 to 512 visible characters', `rm ${path}`)
}

function store({ stateDir: directory }: Patient): Diagnosis {
  const path = join(directory, storeFiles.database)
  try {
    const header = fs.existsSync(path) ? readHeader(path) : undefined
    if (header === undefined) return pass('no store yet')
    refuseHeader(header, path, readSentinel(directory).state !== 'missing')
    inspectStore(path)
    return pass(`${path} is sound where it was looked at`)
  } catch (error) {
    if (!isLatticeError(error)) return fail(`${path} cannot be read`, codeOf(error), `ls -l ${path}`)
    const command =
      error.code === 'STORE_NEWER' ? 'run the version that wrote it' : 'lattice restore FILE --force'
    return fail('the store cannot be used', `${error.message} [${error.code}]`, command)
  }
}

function life({ stateDir: directory }: Patient): Diagnosis {
  const path = join(directory, storeFiles.database)
  try {
    const sentinel = readSentinel(directory)
    const held = fs.existsSync(path) ? inspectStore(path) : undefined
    if (sentinel.state === 'missing') return pass(held === undefined ? 'no life yet' : 'one life')
    if (held === undefined)
      return fail(
        'the store is gone',
        'there was one here before',
        'lattice restore FILE, or start and fetch it anew',
      )
    if (sentinel.state === 'unreadable')
      return warn('the sentinel is damaged', 'a start mends it', 'lattice start')
    if (sentinel.incarnation === held) return pass(`incarnation ${held}`)
    const cause = 'the database is not the one last used here'
    return warn(
      'the store was exchanged',
      cause,
      'a start begins a new incarnation; use lattice restore instead',
    )
  } catch {
    return skip('the store cannot be read')
  }
}

function listed(directory: string): readonly string[] {
  try {
    return fs.readdirSync(directory)
  } catch {
    return []
  }
}
