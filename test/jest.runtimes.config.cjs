'use strict';

// `npm run test:runtimes`: the packed package in every runtime, by every installer, under every tool it is meant for;
// on Linux x64, all of them come from npm. Prints a table at the end.
module.exports = require('./jest.only.cjs')('runtimes', {
  reporters: ['default', '<rootDir>/test/runtimes/table.cjs'],
});
