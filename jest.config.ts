/**
 * Unit, property and adapter tests (npm run unit) and the e2e ring (npm run e2e), all on real ESM under Node
 * 24.
 */
import type { Config } from 'jest'

const shared: Config = {
  testEnvironment: 'node',
  // What the build lays out are copies of the packages.
  modulePathIgnorePatterns: ['<rootDir>/artefacts/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/scripts/strip-types.js' },
  moduleNameMapper: {
    '^@lattice/core/testing$': '<rootDir>/packages/core/src/testing/index.ts',
    '^@lattice/daemon/runtime$': '<rootDir>/packages/daemon/src/runtime.ts',
    '^@lattice/([a-z0-9-]+)$': '<rootDir>/packages/$1/src/index.ts',
  },
}

/** What every change must pass: part of `npm test`. */
const smoke = ['<rootDir>/e2e/*.test.ts']

/** The long and the many: only in `npm run e2e:full`. */
const full = ['<rootDir>/e2e/full/**/*.test.ts']

const isFull = process.env['E2E_FULL'] === '1'

const config: Config = {
  reporters: isFull ? ['default', '<rootDir>/scripts/e2e-reporter.ts'] : ['default'],
  maxWorkers: 2,
  workerIdleMemoryLimit: '1GB',
  coverageProvider: 'v8',
  testTimeout: 30_000,
  projects: [
    {
      ...shared,
      displayName: 'unit',
      setupFiles: ['<rootDir>/scripts/property-size.ts'],
      testMatch: [
        '<rootDir>/packages/*/test/**/*.test.ts',
        '<rootDir>/sim/**/*.test.ts',
        '<rootDir>/fuzz/**/*.test.ts',
        '<rootDir>/scripts/**/*.test.ts',
      ],
    },
    {
      ...shared,
      displayName: 'e2e',
      testMatch: isFull ? [...smoke, ...full] : smoke,
    },
    { ...shared, displayName: 'deploy', testMatch: ['<rootDir>/e2e/deploy/**/*.test.ts'] },
  ],
}

export default config
