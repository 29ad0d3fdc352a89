/**
 * What is fuzzed: every decoder and every mind that bytes from outside reach, one function each. A target
 * throws when a promise is broken; refusing an input is no fault.
 */
import {
  checkProof,
  decodeMessage,
  decodeValue,
  encodeMessage,
  encodeValue,
  equalBytes,
  horizonKey,
  isMalformed,
  isUnsound,
  keyProblem,
  parseEntry,
  type KeyProof,
} from '@lattice/core'
import { keyProofOf, keyProofSchema, parseDuration, readServerEvents, transactionSchema } from '@lattice/api'
import { fuzzEngine } from './engine-target.ts'
import { fuzzSyncRequest } from './sync-request-target.ts'
import { sha256 } from './crypto.ts'

/** Takes one input; throws where a promise is broken. */
export type Target = (input: Uint8Array) => void | Promise<void>

function promise(condition: boolean, what: string): void {
  if (!condition) throw new Error(`broken promise: ${what}`)
}

/** A frame that is read can be written, and says the same again. */
function frame(input: Uint8Array): void {
  const message = decodeMessage(input)
  if (isMalformed(message)) return
  const again = decodeMessage(encodeMessage(message))
  promise(!isMalformed(again), 'what was read can be written and read')
  if (!isMalformed(again))
    promise(equalBytes(encodeMessage(again), encodeMessage(message)), 'a frame says the same again')
}

/** An entry that is read has a usable key, and bytes that are kept as they came. */
function entry(input: Uint8Array): void {
  const parsed = parseEntry(input, sha256)
  if (parsed === undefined) return
  promise(equalBytes(parsed.bytes, input), 'the bytes are those that came')
  const usable = parsed.key === horizonKey || keyProblem(parsed.key) === undefined
  promise(usable, 'the key is one that clients or the horizon may use')
}

/** A value has one encoding. */
function value(input: Uint8Array): void {
  const decoded = decodeValue(input)
  if (decoded !== undefined) promise(equalBytes(encodeValue(decoded), input), 'a value has one encoding')
}

/** Whatever passes the schema is checked without a throw, by whoever asks first. */
function proof(input: Uint8Array): void {
  const document = jsonOf(input)
  const parsed = keyProofSchema.safeParse(document)
  const result = parsed.success ? checkProof(keyProofOf(parsed.data), sha256) : undefined
  if (result !== undefined && !isUnsound(result))
    promise(/^[0-9a-f]{64}$/.test(result.root), 'it leads to a root')
  if (looksLikeProof(document)) checkProof(document, sha256)
}

function looksLikeProof(document: unknown): document is KeyProof {
  return keyProofSchema
    .pick({ key: true, entries: true, branches: true, neighbour: true })
    .safeParse(document).success
}

/** The schemas of REST bodies answer anything. */
function restBody(input: Uint8Array): void {
  const document = jsonOf(input)
  transactionSchema.safeParse(document)
  if (typeof document === 'string') parseDuration(document)
}

/** A stream of events ends whenever its bytes end. */
async function serverEvents(input: Uint8Array): Promise<void> {
  const cut = (input[0] ?? 0) % (input.length + 1)
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of [input.subarray(0, cut), input.subarray(cut)])
        if (part.length > 0) controller.enqueue(part)
      controller.close()
    },
  })
  let count = 0
  for await (const event of readServerEvents(stream)) count += Number(event.data.length >= 0)
  promise(count <= input.length, 'no more events than bytes')
}

function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(input))
  } catch {
    return undefined
  }
}

/** All targets by name; each has a folder of kept inputs in fuzz/corpus. */
export const targets: Readonly<Record<string, Target>> = {
  frame,
  entry,
  value,
  proof,
  'rest-body': restBody,
  'server-events': serverEvents,
  'sync-request': fuzzSyncRequest,
  engine: fuzzEngine,
}
