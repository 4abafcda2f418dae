// scripts/build/entries.mjs: what a device reads of the package before anything happens. Reading the rest takes a turn
// of the event loop of some milliseconds, which connect() shall not.
import path from 'node:path';
import { runWell } from '../support/process';
import { World } from '../support/world';

const root = path.resolve(__dirname, '..', '..');

test('to connect and to report a version reads nothing that is for later', async () => {
  await using world = await World.open();
  const { productKey, deviceName, deviceSecret } = await world.register();
  const options = { productKey, deviceName, deviceSecret, ...world.address() };
  const program = `const { connect } = require('iotkit-ota');
    const isRead = () => Object.keys(require.cache).some((file) => /later\\.js$/.test(file));
    (async () => {
      const device = await connect(${JSON.stringify(options)});
      await device.ota.reportVersion('1.0.0');
      console.log(isRead());
      const { time } = await device.time();
      console.log(isRead(), typeof time);
      await device.close();
    })();`;
  expect(await runWell(process.execPath, ['-e', program], { cwd: root })).toBe(
    'false\ntrue number\n',
  );
});
