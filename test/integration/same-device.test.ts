import { Worker } from 'node:worker_threads';
import { connect } from 'iotkit-ota';
import { World } from '../support/world';

// One connection a device in a process: two would end each other's, in turns.

/** Counts the connections of the device that have ended. */
function watch(world: World): { readonly ended: number } {
  const seen = { ended: 0 };
  world.platform.on('device-disconnected', () => {
    seen.ended += 1;
  });
  return seen;
}

const inUse = {
  code: 'ERR_MQTT_IN_USE',
  retryable: false,
  message: expect.stringMatching(/lamp&a1World at 127\.0\.0\.1:\d+/),
};

test('a second connect() of a connected device is refused at once, and the first stays', async () => {
  await using world = await World.open();
  const key = await world.register();
  const first = await world.connect(key);
  const seen = watch(world);
  await expect(world.connect(key)).rejects.toMatchObject(inUse);
  await expect(world.connect(key, { clientId: 'other' })).rejects.toMatchObject(inUse);
  expect([first.state, seen.ended]).toEqual(['connected', 0]);
  await world.report(first, '1.0.0');
});

test('of two connect() at the same time one is refused', async () => {
  await using world = await World.open();
  const key = await world.register();
  const both = await Promise.allSettled([world.connect(key), world.connect(key)]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('another device is not in the way', async () => {
  await using world = await World.open();
  const lamp = await world.connect(await world.register());
  const fan = await world.connect(await world.register('fan'));
  expect([lamp.state, fan.state]).toEqual(['connected', 'connected']);
});

test('a device that is closing is waited for', async () => {
  await using world = await World.open();
  const key = await world.register();
  const first = await world.connect(key);
  const closed = first.close();
  const second = await world.connect(key);
  await closed;
  expect([first.state, second.state]).toEqual(['closed', 'connected']);
  await world.report(second, '1.0.0');
  await second.close();
  await world.connect(key);
});

test('a connect() that failed holds nothing', async () => {
  await using world = await World.open();
  const key = await world.register();
  const wrong = { ...key, deviceSecret: 'wrong' };
  await expect(world.connect(wrong)).rejects.toMatchObject({ code: 'ERR_MQTT_CREDENTIALS' });
  await world.connect(key);
});

test('threads of a process share their devices', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key);
  const seen = watch(world);
  const { productKey, deviceName, deviceSecret } = key;
  const options = { productKey, deviceName, deviceSecret, ...world.address() };
  const workerData = { options, module: require.resolve('iotkit-ota') };
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { connect } = require(workerData.module);
    connect(workerData.options).then(
      () => parentPort.postMessage('connected'),
      (error) => parentPort.postMessage(error.code),
    );`;
  const ask = async (): Promise<unknown> => {
    const worker = new Worker(source, { eval: true, workerData });
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    await exited;
    return answer;
  };
  expect(await ask()).toBe('ERR_MQTT_IN_USE');
  expect([device.state, seen.ended]).toEqual(['connected', 0]);
  await device.close();
  expect(await ask()).toBe('connected');
  await using again = await connect(options);
  expect(again.state).toBe('connected');
});
