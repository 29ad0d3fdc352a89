/** The daemon as a library: the runtime that turns the engine's wishes into deeds. */
export { Runtime, type RuntimeParts } from './runtime.ts'
export type { LatticeNode, StatePage, WriteOptions, WriteReceipt } from './node.ts'
