'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const api = require('iotkit-ota');
const job = require('./job.cjs');

job[workerData](api).then(() => {
  if (workerData === 'stalled') parentPort.postMessage('there');
});
