'use strict';
// A thread that downloads the next upgrade of a device, and says when it has begun to receive. DEVICE: see
// test/support/served.ts, TARGET: its path.
const { parentPort } = require('node:worker_threads');
const { connect } = require('iotkit-ota');

async function main() {
  const { ca, ...identity } = JSON.parse(process.env.DEVICE);
  const device = await connect({ ...identity, tls: { ca } });
  await device.ota.reportVersion('1.0.0');
  const { value: upgrade } = await device.ota.upgrades().next();
  upgrade.on('state', ({ phase }) => {
    if (phase === 'downloading') parentPort.postMessage(phase);
  });
  await upgrade.download(process.env.TARGET);
}

main();
