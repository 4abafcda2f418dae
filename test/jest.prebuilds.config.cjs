'use strict';

// `npm run test:prebuilds`: the addons of a release, which `npm run prebuild` has built, on the machines they are
// for, on Linux x64 with qemu-user-static; runtimes come from npm, libraries from Debian.
module.exports = require('./jest.only.cjs')('prebuilds');
