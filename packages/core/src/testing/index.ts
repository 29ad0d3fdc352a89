/** Test doubles and suites for whoever implements or uses the ports of the core. */
export * from './arbitraries.ts'
export * from './memory-transport.ts'
export * from './seeded-random.ts'
export * from './transport-suite.ts'
export * from './memory-store.ts'
export {
  contentOf,
  hostileKeys,
  plain,
  plainLeaf,
  plainLeaves,
  testBatch,
  testRow,
} from './store-fixtures.ts'
export * from './store-suite.ts'
export * from './utf8-order.ts'
export * from './virtual-clock.ts'
export { piecesToHex } from './vector-bounds.ts'
export * from './vector-files.ts'
