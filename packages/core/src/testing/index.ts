/** Test doubles and suites for whoever implements or uses the ports of the core. */
export * from './memory-transport.ts'
export * from './transport-suite.ts'
