import { PRODUCT, readyDevice } from './support/device';
import { bytes } from './support/download';
import { startPlatform } from './support/start';

describe('malformed messages', () => {
  test.each([
    ['inform', 'not json'],
    ['inform', '[]'],
    ['inform', '{"id":"1"}'],
    ['inform', '{"id":"x","params":{"version":"1"}}'],
    ['inform', '{"id":"4294967296","params":{"version":"1"}}'],
    ['inform', '{"id":"1","params":{"version":""}}'],
    ['inform', `{"id":"1","params":{"version":"${'1'.repeat(65)}"}}`],
    ['inform', '{"id":"1","params":{"version":"1","module":"a b"}}'],
    ['progress', '{"id":"1","params":{"step":"101"}}'],
    ['progress', '{"id":"1","params":{"step":"-5"}}'],
    ['progress', '{"id":"1","params":{"step":"1e1"}}'],
    ['progress', '{"id":"1","params":{"step":"5","desc":7}}'],
    ['progress', '{"id":"1","params":{"step":"5"}}'],
    ['request', '\u0000'],
  ])('%s %j is reported and ignored', async (kind, payload) => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const complaint = platform.waitFor('bad-message');
    const topic = `/ota/device/${kind}/${lamp.names}`;
    await lamp.client.publishAsync(topic, payload, { qos: 1 });
    expect(await complaint).toMatchObject({ topic, reason: expect.any(String) });
    expect(platform.devices.get(lamp.device)?.versions).toEqual({ default: '1.0.0' });
    await lamp.settle();
  });

  test('a get that cannot be read is answered with an error', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const topic = `/sys/${lamp.names}/thing/ota/firmware/get`;
    await lamp.client.subscribeAsync(`${topic}_reply`, { qos: 1 });
    await lamp.client.publishAsync(topic, '{"id":"7","params":{"module":5}}');
    expect(await lamp.notice()).toMatchObject({ id: '7', code: 460, data: {} });
    await lamp.client.publishAsync(topic, '{');
    expect(await lamp.notice()).toMatchObject({ id: '', code: 460 });
  });

  test('numbers are accepted where the documents say strings', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const firmware = await platform.firmware.add({
      productKey: PRODUCT,
      version: '2.0.0',
      data: bytes(10),
    });
    await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    await lamp.notice();
    const upgrading = platform.waitFor('task-changed', ({ task }) => task.state === 'upgrading');
    const topic = `/ota/device/progress/${lamp.names}`;
    await lamp.client.publishAsync(topic, '{"id":0,"params":{"step":5}}');
    await upgrading;
  });
});
