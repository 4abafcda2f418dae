'use strict';

// npm's install step. In an installed package: test that the prebuilt addon loads, or compile one where none does. In a
// checkout of this repository it does nothing: `npm start` and `npm test` build what is missing (scripts/prepare.mjs).
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
const isCheckout = fs.existsSync(path.join(root, 'tsconfig.base.json')); // not packed

if (!isCheckout) {
  const loader = path.join(path.dirname(require.resolve('node-gyp-build/package.json')), 'bin.js');
  const { status } = spawnSync(process.execPath, [loader], { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
  if (process.exitCode !== 0) {
    console.error(
      'iotkit-ota: no prebuilt addon fits this machine, and compiling one failed. It needs a C and a C++ compiler, ' +
        'make and python3 (Debian, Ubuntu: apt-get install build-essential python3).',
    );
  }
}
