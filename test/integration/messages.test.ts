import type { Device } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { type MessageBroker, testMessages } from '../support/message-cases';
import { startRelay } from '../support/relay';
import { nextUpgrade, World } from '../support/world';

// The platform's own broker: devices have their own topics alone, and QoS 0 and 1.

async function openPlatform(): Promise<MessageBroker> {
  const world = await World.openShared();
  const relay = await startRelay(Number(new URL(world.platform.mqttsUrl).port));
  let count = 0;
  return {
    relay,
    highest: 1,
    connect: async (options) => {
      count += 1;
      const key = await world.register(`device-${count}`);
      return world.connect(key, { url: `mqtts://127.0.0.1:${relay.port}`, ...options });
    },
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

describe('at the broker of the platform', () => testMessages(openPlatform));

test('a subscription that the broker refuses is an error of its own, and disturbs nothing', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  const refused = device.subscribe('/a1World/another/user/get');
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_MQTT_SUBSCRIBE',
    detail: '/a1World/another/user/get',
    retryable: false,
  });
  expect([device.state, device.error]).toEqual(['connected', undefined]);
  await using messages = await device.subscribe(device.topic('user/get'));
  await device.publish(device.topic('user/get'), 'x');
  expect((await messages.next()).value?.text()).toBe('x');
});

test('what the OTA subscribes can be subscribed beside it, and left again', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  await world.report(device, '1.0.0');
  const notices = await device.subscribe(`/ota/device/upgrade/a1World/lamp`, { qos: 1 });
  const start = async (version: string, target: Device): Promise<string> => {
    const upgrade = nextUpgrade(target);
    const { id } = await world.store(imageOf(1000), { version });
    await world.platform.upgrades.start({ firmwareId: id, devices: ['lamp'] });
    return (await upgrade).version;
  };
  expect(await start('2.0.0', device)).toBe('2.0.0');
  expect((await notices.next()).value?.json()).toMatchObject({ data: { version: '2.0.0' } });
  await notices.return();
  await world.report(device, '2.0.0');
  expect(await start('3.0.0', device)).toBe('3.0.0');
});
