'use strict';

// `npm run test:peers`: against a real mosquitto, nginx, squid and tinyproxy, which have to be installed.
const { projects, ...config } = require('./jest.config.cjs');

/** @type {import('jest').Config} */
module.exports = {
  ...config,
  testTimeout: 120_000,
  maxWorkers: 1,
  projects: [
    { ...projects[0], displayName: 'peers', testMatch: ['<rootDir>/test/peers/**/*.test.ts'] },
  ],
};
