'use strict';
// Asks for a device's upgrade and downloads it; exits with 0, or prints the code of the error.
// DEVICE: {productKey, deviceName, deviceSecret, url, ca}, FETCH: the options, FILE: where to.
const { connect } = require('iotkit-ota');

const { ca, ...identity } = JSON.parse(process.env.DEVICE);

async function main() {
  const fetch = JSON.parse(process.env.FETCH);
  const device = await connect({ ...identity, tls: { ca }, fetch });
  try {
    const upgrade = await device.ota.check();
    await upgrade.download(process.env.FILE);
  } finally {
    await device.close();
  }
}

main().catch((error) => {
  process.exitCode = 1;
  process.stdout.write(String(error.code ?? error));
});
