'use strict';

// Swc strips the types (tsc checks them in `npm run check`). What a project may not set for itself stands at the top.
const swc = [
  '@swc/jest',
  {
    swcrc: false,
    sourceMaps: 'inline',
    module: { type: 'commonjs' },
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  },
];

const common = {
  testEnvironment: 'node',
  // The platform's broker is published as ES modules alone, which jest loads only when compiled.
  transform: { '^.+\\.ts$': swc, '/node_modules/aedes/.+\\.js$': swc },
  transformIgnorePatterns: ['/node_modules/(?!aedes/)'],
  moduleNameMapper: { '^iotkit-ota-platform$': '<rootDir>/platform/src/index.ts' },
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
      testMatch: ['<rootDir>/test/{integration,parity,lifecycle,sdk}/**/*.test.ts'],
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
