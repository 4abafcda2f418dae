'use strict';

const { spawnSync } = require('node:child_process');
const { availableParallelism } = require('node:os');

// The servers of the tests are on this machine: no proxy of the developer's may come between.
const direct = process.env.no_proxy ?? process.env.NO_PROXY ?? '';
if (direct !== '*') {
  const all = [direct, 'localhost', '127.0.0.1', '::1'].filter((host) => host !== '').join(',');
  process.env.no_proxy = process.env.NO_PROXY = all;
}

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

// The C library against the addon, and against what was recorded of the vendor's: needs what the addon was built with.
const hasCompiler =
  spawnSync(process.env.CC ?? 'cc', ['--version'], { stdio: 'ignore' }).status === 0;
const parity = hasCompiler
  ? [
      {
        ...common,
        displayName: 'parity',
        rootDir: __dirname,
        roots: ['<rootDir>/lib', '<rootDir>/test'],
        testMatch: ['<rootDir>/test/parity/**/*.test.ts'],
      },
    ]
  : [];

/** @type {import('jest').Config} */
module.exports = {
  // A test that needs longer than this is stuck, even if the machine is ten times too busy: nothing in the suite waits
  // for wall-clock time.
  testTimeout: 300_000,
  // Much of what they do happens in processes of their own; one worker would leave a core of two idle.
  maxWorkers: Math.max(2, Math.floor(availableParallelism() * 0.75)),
  // Each file's modules stay in memory as long as the process that ran it: it is replaced now and then.
  workerIdleMemoryLimit: '1GB',
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
      testMatch: ['<rootDir>/test/{integration,lifecycle,sdk}/**/*.test.ts'],
    },
    ...parity,
    {
      ...common,
      displayName: 'platform',
      rootDir: __dirname,
      roots: ['<rootDir>/platform/src', '<rootDir>/platform/test'],
      testMatch: ['<rootDir>/platform/test/**/*.test.ts'],
    },
  ],
};
