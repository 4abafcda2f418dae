'use strict';
// Downloads the upgrade that waits for a device, and says in lines of JSON how it goes.
// DEVICE: {productKey, deviceName, deviceSecret, url, ca}, TARGET: JSON of the target, DISK: the folder of which the
// files are listed at the end, FILL: a file that takes all room of the disk as soon as the first bytes have come.
const fs = require('node:fs');
const { connect } = require('iotkit-ota');

const { ca, ...identity } = JSON.parse(process.env.DEVICE);
const target = JSON.parse(process.env.TARGET);
const fetch = { maxRetries: 1, retry: { min: 1, max: 1 } };

const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);

function fill(file) {
  const room = Buffer.alloc(4096);
  const to = fs.openSync(file, 'w');
  try {
    for (;;) fs.writeSync(to, room);
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
  }
  fs.closeSync(to);
}

let isFilled = process.env.FILL === undefined;

function onProgress({ received }) {
  say({ received });
  if (isFilled || received === 0) return;
  isFilled = true;
  fill(process.env.FILL);
}

async function main() {
  const device = await connect({ ...identity, tls: { ca }, fetch });
  await device.ota.reportVersion('1.0.0');
  const { value: upgrade } = await device.ota.upgrades().next();
  try {
    await upgrade.download(target, { report: false, onProgress });
    say({ ends: 'ok' });
  } catch (error) {
    say({ ends: error.code ?? String(error) });
  }
  await device.close();
  say({ left: fs.readdirSync(process.env.DISK).sort() });
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(8);
});
