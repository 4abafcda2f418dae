import { once } from 'node:events';
import path from 'node:path';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type Device, type DeviceState, type StateChange, stats } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { nextUpgrade, World } from '../support/world';

const image = imageOf(50_021);

async function statesUntil(device: Device, last: DeviceState): Promise<DeviceState[]> {
  const seen: DeviceState[] = [];
  for await (const { state } of device.states()) {
    seen.push(state);
    if (state === last) break;
  }
  return seen;
}

test('states() begins with the present state, tells drops and ends with closed', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register(), { reconnect: { min: 1, max: 1 } });
  expect(device.state).toBe('connected');
  const dropped: StateChange[] = [];
  const drop = (async () => {
    for await (const change of device.states()) {
      dropped.push(change);
      if (change.state === 'connected' && dropped.length > 1) break;
    }
  })();
  world.platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1 });
  await device.ota.reportVersion('1.0.0');
  await drop;
  const connected = { state: 'connected', error: undefined, needsOperator: false };
  expect(dropped[0]).toEqual(connected);
  // The back-off of at most 1 ms may be over before JavaScript looks: the reason is told all the
  // same.
  const lost = dropped.find(({ state }) => state !== 'connected');
  expect(lost?.error).toMatchObject({ name: 'IotkitError', retryable: true });
  expect(dropped.at(-1)).toEqual(connected);

  const closing = statesUntil(device, 'closed');
  await device.close();
  expect((await closing).at(-1)).toBe('closed');
  expect(await statesUntil(device, 'closed')).toEqual(['closed']);
});

test('a closed device refuses everything with ERR_CLOSED, and ends what waits', async () => {
  await using world = await World.open();
  const { device, upgrade } = await world.announce(image);
  const waiting = device.ota.upgrades().next();
  await device.close();
  await device.close();
  const closed = { code: 'ERR_CLOSED' };
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await device.ota.upgrades().next()).toEqual({ done: true, value: undefined });
  await expect(device.ota.reportVersion('1.0.0')).rejects.toMatchObject(closed);
  await expect(device.ota.reportProgress(1)).rejects.toMatchObject(closed);
  await expect(device.ota.check()).rejects.toMatchObject(closed);
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject(closed);
  await expect(upgrade.chunks().next()).rejects.toMatchObject(closed);
  expect([device.ref(), device.unref()]).toEqual([device, device]);
});

test('a device that is disposed of is closed', async () => {
  await using world = await World.open();
  const key = await world.register();
  let device: Device;
  {
    await using scoped = await world.connect(key);
    device = scoped;
    expect(inspect(device)).toBe('Device { a1World/lamp, connected }');
  }
  expect(device.state).toBe('closed');
});

test('an upgrade that comes before anybody iterates is kept, and check() gives the same one', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key);
  const sent = world.platform.waitFor('notice-sent');
  const firmware = await world.store(image, { version: '2.0.0' });
  await world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  await device.ota.reportVersion('1.0.0');
  await sent;
  // The answer to a question comes after the notice on the same connection.
  expect(await device.ota.check({ module: 'MCU' })).toBeUndefined();
  const upgrade = await nextUpgrade(device);
  expect(upgrade.version).toBe('2.0.0');
  expect(await device.ota.check()).toBe(upgrade);
  const none = new AbortController();
  const next = device.ota.upgrades({ signal: none.signal }).next();
  none.abort();
  await expect(next).rejects.toMatchObject({ name: 'AbortError' });
});

test('an iteration of a module sees its upgrades alone', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  await device.ota.reportVersion('1.0.0');
  await device.ota.reportVersion('0.9.0', { module: 'MCU' });
  const [mcu, any] = [device.ota.upgrades({ module: 'MCU' }), device.ota.upgrades()];
  const mcuNext = mcu.next();
  const main = await world.store(image, { version: '2.0.0' });
  await world.platform.upgrades.start({ firmwareId: main.id, devices: ['lamp'] });
  expect((await any.next()).value).toMatchObject({ version: '2.0.0', module: undefined });
  const part = await world.store(image, { version: '1.1.0', module: 'MCU' });
  await world.platform.upgrades.start({
    firmwareId: part.id,
    devices: ['lamp'],
    multiModule: true,
  });
  expect((await mcuNext).value).toMatchObject({ version: '1.1.0', module: 'MCU' });
});

test('check() tells that there is nothing, and gives up in time', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  expect(await device.ota.check()).toBeUndefined();
  const abort = AbortSignal.abort(new Error('no'));
  await expect(device.ota.check({ signal: abort })).rejects.toThrow('no');
  await expect(device.ota.check({ timeout: 0 })).rejects.toThrow(/timeout must be/);
  await expect(device.ota.check({ module: 'a b' })).rejects.toThrow(/module must be/);
});

test('steps of the user reach the platform', async () => {
  await using world = await World.open();
  const { device, upgradeId } = await world.announce(image);
  const heard = world.platform.waitFor('progress', ({ step }) => step === 42);
  await device.ota.reportProgress(42, { desc: 'half "flashed"\n' });
  expect(await heard).toMatchObject({ upgradeId, desc: 'half "flashed"\n' });
  for (const step of [-5, 101, 0.5]) {
    await expect(device.ota.reportProgress(step)).rejects.toThrow(RangeError);
  }
  const long = { desc: 'ü'.repeat(513) };
  await expect(device.ota.reportProgress(1, long)).rejects.toThrow(/desc must be at most 1,024/);
});

test('refused versions and modules', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  for (const version of ['', 'x'.repeat(65), 'a b', 'ä', '1.0\0']) {
    await expect(device.ota.reportVersion(version)).rejects.toMatchObject({
      name: 'RangeError',
      code: 'ERR_INVALID_ARGUMENT',
    });
  }
  await expect(device.ota.reportVersion('1', { module: '' })).rejects.toThrow(/module must be/);
  await expect(device.ota.reportVersion('1', { modul: 'x' } as never)).rejects.toThrow(/modul/);
});

test('a thread that hears nothing for a while loses nothing of what has come', async () => {
  await using world = await World.open();
  const { productKey, deviceName, deviceSecret } = await world.register();
  // More acknowledgements than fit into the ring between the threads come while nobody takes them
  // out.
  const count = 95;
  const gate = new SharedArrayBuffer(4);
  let reported = 0;
  world.platform.on('version-reported', () => {
    reported += 1;
    if (reported < count) return;
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  });
  const options = { productKey, deviceName, deviceSecret, ...world.address() };
  const worker = new Worker(path.join(__dirname, '..', 'support', 'deaf-device.cjs'), {
    workerData: { options, count, gate },
  });
  expect((await once(worker, 'message'))[0]).toBe('all are acknowledged');
  expect((await once(worker, 'exit'))[0]).toBe(0);
  expect(stats()).toMatchObject({ environments: 1, threads: 0 });
});
