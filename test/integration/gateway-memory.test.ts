import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SubDeviceIdentity } from 'iotkit-ota';
import { run } from '../support/process';
import { PRODUCT_KEY, type Registered, World } from '../support/world';

// What a sub-device costs its gateway that does nothing but stay logged in.

const program = path.join(__dirname, '../support/gateway-memory.cjs');
interface Found {
  readonly loggedIn: number;
  /** Of one that is logged in and no more. */
  readonly idle: { readonly heap: number; readonly rss: number };
  /** What it takes besides once it has reported a version. */
  readonly ota: { readonly heap: number; readonly rss: number };
}

const COUNT = 2_000;

test('two thousand sub-devices on one connection', async () => {
  await using world = await World.open();
  const { platform } = world;
  const gateway = await world.register('hub');
  const names = Array.from({ length: COUNT }, (_, i) => `sensor-${i}`);
  const keys = await Promise.all(names.map((name) => world.register(name)));
  const subs = keys.map(identityOf);
  await platform.gateways.add(
    gateway,
    names.map((deviceName) => ({ productKey: PRODUCT_KEY, deviceName })),
  );
  const given = { gateway: identityOf(gateway), url: platform.mqttsUrl, ca: platform.ca, subs };
  await writeFile(world.path('given.json'), JSON.stringify(given));
  const { code, stdout, stderr } = await run(process.execPath, [
    '--expose-gc',
    program,
    world.path('given.json'),
  ]);
  expect([code, stderr]).toEqual([0, '']);
  const { loggedIn, idle, ota }: Found = JSON.parse(stdout);
  expect(loggedIn).toBe(COUNT);
  // Bytes each. Measured: 690 and 4,100 of JavaScript; 3,700 to 4,700 of the process, which keeps freed memory too.
  expect(idle.heap).toBeLessThan(2_048);
  expect(ota.heap).toBeLessThan(6_144);
  expect(idle.rss).toBeLessThan(8_192);
});

function identityOf({ productKey, deviceName, deviceSecret }: Registered): SubDeviceIdentity {
  return { productKey, deviceName, deviceSecret };
}
