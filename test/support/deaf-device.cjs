'use strict';
// A worker thread that reports many versions and then hears nothing until it is woken: see device.test.ts.
const { parentPort, workerData } = require('node:worker_threads');
const { connect } = require('iotkit-ota');

const { options, count, gate } = workerData;

(async () => {
  const device = await connect(options);
  const reports = Array.from({ length: count }, (_, i) =>
    device.ota.reportVersion(`1.0.${i}`, { module: `m${i}` }),
  );
  Atomics.wait(new Int32Array(gate), 0, 0);
  await Promise.all(reports);
  await device.close();
  parentPort.postMessage('all are acknowledged');
})();
