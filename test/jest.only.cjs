'use strict';

// The configuration of a command that runs the tests of one folder alone, one file at a time.
const path = require('node:path');
const { projects, ...config } = require('../jest.config.cjs');

/** @type {(folder: string, more?: import('jest').Config) => import('jest').Config} */
module.exports = (folder, more = {}) => ({
  ...config,
  ...more,
  rootDir: path.dirname(__dirname),
  maxWorkers: 1,
  projects: [
    {
      ...projects[0],
      displayName: folder,
      testMatch: [`<rootDir>/test/${folder}/**/*.test.ts`],
    },
  ],
});
