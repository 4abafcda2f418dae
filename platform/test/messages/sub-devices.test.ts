import type { Device, Platform } from '../../src/index';
import { PRODUCT } from '../support/device';
import { TestGateway } from '../support/gateway';
import { startPlatform } from '../support/start';

let platform: Platform;
let sub: Device;
let gateway: TestGateway;

beforeEach(async () => {
  platform = await startPlatform();
  const add = (deviceName: string) => platform.devices.add({ productKey: PRODUCT, deviceName });
  sub = await add('sensor');
  gateway = await TestGateway.connect(platform, await add('hub'), { parameters: 'ext=1' });
});

/** The next message on one of these topics. */
function next(...fronts: readonly string[]): Promise<{ topic: string; payload: Buffer }> {
  return new Promise((resolve) => {
    const listen = (topic: string, payload: Buffer): void => {
      if (!fronts.some((front) => topic.startsWith(front))) return;
      gateway.link.client.off('message', listen);
      resolve({ topic, payload });
    };
    gateway.link.client.on('message', listen);
  });
}

test.each([
  ['the topic of the system', undefined, `/sys/${PRODUCT}/sensor/rrpc/request/`],
  ['a topic of its own', '/a/b', '/ext/rrpc/'],
])('a sub-device is called through its gateway on %s', async (_, topic, front) => {
  await gateway.carry(sub);
  await gateway.link.client.subscribeAsync([
    `/sys/${PRODUCT}/sensor/rrpc/request/+`,
    '/ext/rrpc/#',
  ]);
  const request = next(front);
  const call = platform.messages.call({ ...sub, payload: 'x', ...(topic && { topic }) });
  const { topic: at, payload } = await request;
  expect(payload.toString()).toBe('x');
  await gateway.link.client.publishAsync(at.replace('request', 'response'), 'y');
  expect(await call).toMatchObject({ deviceName: 'sensor', payload: Buffer.from('y') });
});

test('a sub-device that is not logged in is not there', async () => {
  const call = platform.messages.call({ ...sub, payload: 'x' });
  await expect(call).rejects.toMatchObject({ code: 'ERR_DEVICE_OFFLINE' });
  const topic = `/${PRODUCT}/sensor/user/get`;
  const published = await platform.messages.publish({ ...sub, topic, payload: 'x' });
  expect(published.state).toBe('offline');
});

test('messages of a sub-device are its own, both ways', async () => {
  await gateway.carry(sub);
  const topic = `/${PRODUCT}/sensor/user/get`;
  await gateway.link.client.subscribeAsync(topic);
  const came = next(topic);
  const published = await platform.messages.publish({ ...sub, topic, payload: 'x' });
  expect([published.state, (await came).payload.toString()]).toEqual(['sent', 'x']);
  const heard = platform.waitFor('message');
  await gateway.link.client.publishAsync(`/${PRODUCT}/sensor/user/update`, 'y');
  expect(await heard).toMatchObject({ deviceName: 'sensor', payload: Buffer.from('y') });
});
