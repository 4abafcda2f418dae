'use strict';

// `npm run test:runtimes`: the package in every runtime it is meant for; on Linux x64, runtimes come from npm.
const { projects, ...config } = require('./jest.config.cjs');

/** @type {import('jest').Config} */
module.exports = {
  ...config,
  testTimeout: 60_000,
  maxWorkers: 1,
  projects: [
    {
      ...projects[0],
      displayName: 'runtimes',
      testMatch: ['<rootDir>/test/runtimes/**/*.test.ts'],
    },
  ],
};
