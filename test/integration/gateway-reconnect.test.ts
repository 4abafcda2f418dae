import type { Device, SubDeviceIdentity } from 'iotkit-ota';
import { entered, nameOf, openHub } from '../support/hub';
import { startRelay } from '../support/relay';
import { World } from '../support/world';

// What the platform's broker refuses before a login, and what it forgets.

test('topics of a sub-device are asked for after its login alone', async () => {
  await using world = await World.open();
  await using relay = await startRelay(Number(new URL(world.platform.mqttsUrl).port));
  const { device, subs } = await openHub(world, ['sensor'], {
    url: `mqtts://127.0.0.1:${relay.port}`,
    reconnect: { min: 1, max: 20 },
  });
  const refused: unknown[] = [];
  device.on('refused', (error) => refused.push(error));
  const sensor = await device.gateway.login(subs[0] as SubDeviceIdentity);
  sensor.on('refused', (error) => refused.push(error));
  await sensor.time();
  await sensor.config.get();
  const lost = entered(sensor, 'waiting');
  relay.cut();
  await lost;
  await entered(sensor, 'connected');
  await sensor.time();
  await sensor.config.get();
  expect([device.error, refused]).toEqual([undefined, []]);
});

test('a topic of OTA stays when the program leaves its subscription', async () => {
  await using world = await World.open();
  const { device, subs } = await openHub(world, ['sensor']);
  const sensor = await device.gateway.login(subs[0] as SubDeviceIdentity);
  const { productKey, deviceName } = nameOf('sensor');
  await world.report(sensor as Device, '1.0.0');
  const { id: firmwareId } = await world.store(new Uint8Array(100), { version: '2.0.0' });
  const offered = sensor.ota.nextUpgrade();
  const messages = await sensor.subscribe(`/ota/device/upgrade/${productKey}/${deviceName}`);
  await messages.return();
  // Acknowledged: what was asked of the broker before has been done.
  await sensor.subscribe(sensor.topic('user/get'));
  await world.platform.upgrades.start({ firmwareId, devices: ['sensor'] });
  expect((await offered).version).toBe('2.0.0');
});
