/** Where a target starts that has no kept inputs yet: the vectors of the protocol, in the form it takes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const vectors = join(import.meta.dirname, '../vectors')

interface Vectors {
  readonly frames: { valid: { frame: string }[] }
  readonly entries: { valid: { bytes: string }[] }
  readonly values: { valid: { cbor: string }[] }
  readonly proofs: Record<'held' | 'absent', { proof: object }[]>
}

function read<N extends keyof Vectors>(name: N): Vectors[N] {
  return JSON.parse(readFileSync(join(vectors, `${name}.json`), 'utf8')) as Vectors[N]
}

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

/** One event of the engine's script: time passes, kind, peer, path, key, and a frame. */
function scripted(kind: number, frame: Uint8Array): Uint8Array {
  return Uint8Array.from([1, kind, 0, 0, 0, frame.length >> 8, frame.length & 0xff, ...frame])
}

/** A request whose headers are of the profile; its signature is zeros. */
function signedRequest(frame: Uint8Array): Uint8Array {
  const parameters =
    '("@method" "@path" "@query" "content-digest" "content-type" "x-node-dest");created=1700000000' +
    `;expires=1700000060;nonce="${'a'.repeat(30)}";keyid="${'2'.padStart(64, '0')}";alg="ed25519";tag="lattice/1"`
  const head = [
    'POST /sync/v1 ',
    'content-type: application/x-lattice-frame',
    `content-digest: sha-256=:${'A'.repeat(43)}=:`,
    `x-node-dest: ${'1'.padStart(64, '0')}`,
    `signature-input: s=${parameters}`,
    `signature: s=:${'A'.repeat(86)}==:`,
  ]
  return Uint8Array.from([...utf8(`${head.join('\n')}\n\n`), ...frame])
}

/** First inputs of every target. */
export function seedsOf(target: string): Uint8Array[] {
  const frames = read('frames').valid.map(each => hex(each.frame))
  switch (target) {
    case 'frame':
      return frames
    case 'entry':
      return read('entries').valid.map(each => hex(each.bytes))
    case 'value':
      return read('values').valid.map(each => hex(each.cbor))
    case 'proof':
      return [...read('proofs').held, ...read('proofs').absent].map(each => utf8(JSON.stringify(each.proof)))
    case 'rest-body':
      return [utf8('{"operations":[{"op":"increment","key":"k","by":1}]}'), utf8('"30m"')]
    case 'server-events':
      return [utf8(' id: 1\nevent: change\ndata: {"key":"k"}\n\n: ping\n\n')]
    case 'sync-request':
      return frames.slice(0, 3).map(signedRequest)
    case 'engine':
      return frames.flatMap(frame => [4, 5, 6].map(kind => scripted(kind, frame)))
    default:
      return [new Uint8Array(0)]
  }
}
