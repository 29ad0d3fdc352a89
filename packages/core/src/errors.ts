/**
 * Errors of the outside world, from one closed list.
 *
 * Three kinds of error exist: our bug (assert, crash, restart), what a peer sends (a value, never a throw),
 * and the world: `LatticeError`. Logs, REST, health, CLI and docs share these codes; each says cause and next
 * step.
 */

/** Code → what happened and what to do next. The docs page of errors is generated from this table. */
export const errorCatalog = {
  KEY_INVALID: [
    'the key is empty, too long, or has control characters',
    'use 1 to 512 bytes of UTF-8 without control characters',
  ],
  VALUE_INVALID: [
    'the value is not JSON that every node can hold exactly',
    'send finite numbers, integers within ±(2^53 − 1) and well-formed strings',
  ],
  VALUE_TOO_LARGE: ['the value is larger than 128 KiB as canonical CBOR', 'split it over several keys'],
  VALUE_TOO_DEEP: ['the value nests deeper than 64 levels', 'flatten it, or store it as a string'],
  TRANSACTION_INVALID: [
    'the transaction is malformed',
    'send {"operations":[…]} with 1 to 1000 put, delete, increment, add or remove operations',
  ],
  TYPE_CONFLICT: ['the key already holds another type', 'delete the key first, or use another key'],
  COUNTER_OVERFLOW: [
    'the sum would leave the range of exact integers (±2^53)',
    'use a smaller step, or split the counter',
  ],
  VERSION_MISMATCH: [
    'the key has changed since the version you named',
    'read it again and retry with the new version',
  ],
  KEY_NOT_FOUND: ['no such key', 'check the spelling; keys are case-sensitive'],
  IDEMPOTENCY_CONFLICT: [
    'this Idempotency-Key was used for another request',
    'use a fresh Idempotency-Key for each distinct request',
  ],
  OVERLOADED: ['too many writes are waiting for the disk', 'retry after the time in Retry-After'],
  STORE_UNAVAILABLE: [
    'the store refuses writes',
    'free disk space or repair the disk; reads go on meanwhile',
  ],
  STORE_FULL: [
    'the disk is full: reads and deletes go on, other writes are refused',
    'free disk space; the node takes writes again by itself once a tenth of the disk is free',
  ],
  STORE_SUSPECT: [
    'the disk failed to keep a write, or to give back what it holds; a write under way may be kept or not',
    'the node checks its store and starts it anew by itself; then read what you wrote, or repeat it with its ' +
      'Idempotency-Key. If this comes again, replace the disk',
  ],
  ENTRY_DAMAGED: [
    'what this node holds under this key was damaged on its disk and is being fetched from the other nodes',
    'retry, ask another node, or DELETE the key to start it anew; `lattice status` shows how far it is',
  ],
  NODE_CLONED: [
    'another process writes with the key of this node: its data directory was copied, and the copy runs',
    'stop one of the two, give it a data directory and a key of its own, and restart the other',
  ],
  STORE_LOCKED: [
    'another daemon uses this data directory',
    'stop it, or set LATTICE_STATE_DIR to a directory of its own',
  ],
  STORE_FOREIGN: [
    'the data directory holds something that is not a Lattice store',
    'set LATTICE_STATE_DIR to an empty directory, or move the foreign file away',
  ],
  STORE_CORRUPT: [
    'the store is damaged',
    'start the node again: it moves the database aside and rebuilds itself (docs/storage.md)',
  ],
  STORE_NEWER: [
    'the store was written by a newer version',
    'run that version, or restore the backup made before the upgrade',
  ],
  STATE_DIR_UNUSABLE: [
    'the data directory cannot be used',
    'check that it exists, is writable and belongs to this user',
  ],
  IDENTITY_INVALID: [
    'the identity key cannot be used',
    'restore the key from a backup; it is never regenerated silently',
  ],
  CONFIG_INVALID: [
    'the configuration has problems',
    'mend the keys listed; `lattice config` shows every value with its origin',
  ],
  PORT_IN_USE: ['the address is already in use', 'stop the other program, or set another port'],
  UNAUTHORIZED: [
    'a valid admin token is needed',
    'send Authorization: Bearer <token> or X-Lattice-Token; the token is in STATE_DIR/admin.token',
  ],
  MODE_INVALID: ['no such sync mode', "use 'p2p', 'http', or 'auto'"],
  MODE_IMPOSSIBLE: ['P2P is switched off in the configuration', 'set LATTICE_P2P_ENABLED=true and restart'],
  REQUEST_INVALID: ['the request is malformed', 'compare it with /docs'],
  NOT_FOUND: ['no such resource', 'see /docs for the routes'],
  METHOD_NOT_ALLOWED: ['this resource does not take that method', 'see /docs for the routes'],
  BODY_TOO_LARGE: ['the body is larger than 1 MiB', 'send less at once'],
  MEDIA_TYPE_UNSUPPORTED: [
    'the content type or encoding is not accepted',
    'send the content type that the detail names, without Content-Encoding',
  ],
  RATE_LIMITED: ['too many requests', 'retry after the time in Retry-After'],
  NOT_READY: ['the node is starting or stopping', 'retry in a few seconds'],
  NOT_TRUSTED: [
    'the caller is not a member of this federation',
    'add its public key to LATTICE_TRUSTED_KEYS on this node',
  ],
  SIGNATURE_INVALID: [
    'the signature does not match',
    'check for a proxy that rewrites bodies, and the keys on both sides',
  ],
  REPLAYED: ['this signed request was seen before', 'sign each request anew'],
  CLOCK_SKEWED: [
    'the clocks of the two nodes differ too much',
    'synchronise the clock (NTP); the nodes go on with a challenge meanwhile',
  ],
  PEER_UNKNOWN: ['no address is known for this peer', 'set LATTICE_NODES or LATTICE_P2P_BOOTSTRAP'],
  PEER_UNREACHABLE: [
    'the peer cannot be reached',
    'check that it runs and that the address and port are right',
  ],
  PEER_ASLEEP: [
    'the host answers for the peer that it is asleep or starting (503)',
    'wait: it is asked again about every 30 s; opening its page wakes a sleeping Space at once',
  ],
  PEER_TIMEOUT: ['the peer did not answer in time', 'check the network and the load of the peer'],
  PEER_MISMATCH: [
    'another node answers at this address',
    'check the address, or trust the new key if the node was reinstalled',
  ],
  PEER_REFUSED: ['the peer refused the request', 'check that it trusts the public key of this node'],
  PEER_MALFORMED: [
    'the peer sent what this version does not understand',
    'compare the versions of both nodes',
  ],
  P2P_UNAVAILABLE: ['P2P could not start', 'read the cause; HTTP carries the state meanwhile'],
} as const satisfies Record<string, readonly [cause: string, nextStep: string]>

/** One of the closed list of error codes. */
export type ErrorCode = keyof typeof errorCatalog

/** An error of the outside world: a code, and metadata that says where. Its message is for people. */
export class LatticeError extends Error {
  override readonly name = 'LatticeError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(detail ?? errorCatalog[code][0], options)
    this.code = code
  }

  /** What the reader can do about it. */
  get hint(): string {
    return errorCatalog[this.code][1]
  }
}

/** Whether `value` is a `LatticeError`, whichever realm or copy of this module made it. */
export function isLatticeError(value: unknown): value is LatticeError {
  return (
    value instanceof LatticeError ||
    (typeof value === 'object' &&
      value !== null &&
      'code' in value &&
      typeof value.code === 'string' &&
      value.code in errorCatalog)
  )
}

/** Our own bug: stops the process rather than risk the data. Never reachable from what a peer sends. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
