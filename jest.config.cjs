'use strict';

// Swc strips the types (tsc checks them in `npm run check`). What a project may not set for itself stands at the top.
const common = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'commonjs' },
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      },
    ],
  },
};

/** @type {import('jest').Config} */
module.exports = {
  // A test that needs longer than this is stuck: nothing in the suite waits for wall-clock time.
  testTimeout: 30_000,
  maxWorkers: '75%',
  projects: [
    {
      ...common,
      displayName: 'unit',
      rootDir: __dirname,
      roots: ['<rootDir>/lib', '<rootDir>/test'],
      testMatch: ['<rootDir>/test/unit/**/*.test.ts'],
    },
    {
      ...common,
      displayName: 'integration',
      rootDir: __dirname,
      roots: ['<rootDir>/lib', '<rootDir>/test'],
      testMatch: ['<rootDir>/test/{integration,parity,lifecycle}/**/*.test.ts'],
    },
    {
      ...common,
      displayName: 'platform',
      rootDir: __dirname,
      roots: ['<rootDir>/platform/src', '<rootDir>/platform/test'],
      testMatch: ['<rootDir>/platform/test/**/*.test.ts'],
    },
  ],
};
