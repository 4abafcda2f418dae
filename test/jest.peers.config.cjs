'use strict';

// `npm run test:peers`: against a real mosquitto, nginx, squid and tinyproxy, RAUC, SWUpdate, Mender and
// libubootenv, which have to be installed.
module.exports = require('./jest.only.cjs')('peers');
