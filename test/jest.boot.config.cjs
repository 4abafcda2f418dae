'use strict';

// `npm run test:boot`: a machine in qemu with GRUB and two slots, which updates itself from the platform outside.
// A machine that hangs is noticed by its silence, so that a busy one may take its time.
module.exports = require('./jest.only.cjs')('boot', { testTimeout: 3_600_000 });
