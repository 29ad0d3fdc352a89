/** Unit, property and adapter tests (npm test), and the e2e ring (npm run e2e). All on real ESM under Node 24. */
import type { Config } from 'jest'

const shared: Config = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/scripts/strip-types.js' },
  moduleNameMapper: {
    '^@lattice/core/testing$': '<rootDir>/packages/core/src/testing/index.ts',
    '^@lattice/daemon/runtime$': '<rootDir>/packages/daemon/src/runtime.ts',
    '^@lattice/([a-z0-9-]+)$': '<rootDir>/packages/$1/src/index.ts',
  },
}

const config: Config = {
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
  coverageProvider: 'v8',
  testTimeout: 30_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/packages/*/test/**/*.test.ts', '<rootDir>/sim/**/*.test.ts', '<rootDir>/scripts/**/*.test.ts'],
    },
    { ...shared, displayName: 'e2e', testMatch: ['<rootDir>/e2e/**/*.test.ts'] },
  ],
}

export default config
