'use strict';
// `<runtime> required.cjs <scenario>`: the package as a CommonJS program gets it.
const { scenarios } = require('./job.cjs');

scenarios[process.argv[2]](require('iotkit-ota'));
