import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import {
  type Firmware,
  ManualClock,
  type Platform,
  type TaskState,
  type Upgrade,
} from '../src/index';
import { type Notice, PRODUCT, readyDevice, TestDevice } from './support/device';
import { bytes, download, md5, sha256 } from './support/download';
import { startPlatform } from './support/start';

const image = bytes(300_000);

function addFirmware(platform: Platform, options: Partial<Firmware> = {}): Promise<Firmware> {
  const { version = '2.0.0', module, signMethod, sourceVersions } = options;
  return platform.firmware.add({
    productKey: PRODUCT,
    version,
    data: image,
    ...(module !== undefined && { module }),
    ...(signMethod !== undefined && { signMethod }),
    ...(sourceVersions !== undefined && { sourceVersions }),
  });
}

function statesOf(upgrade: Upgrade | undefined): TaskState[] {
  return upgrade?.tasks[0]?.history.map(({ state }) => state) ?? [];
}

async function get(device: TestDevice, params: object = {}): Promise<Notice> {
  await device.client.subscribeAsync(`/sys/${device.names}/thing/ota/firmware/get_reply`, {
    qos: 1,
  });
  await device.send(`/sys/${device.names}/thing/ota/firmware/get`, params);
  return device.notice();
}

describe('the main job', () => {
  test('push, download over HTTPS, progress, new version: succeeded', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const firmware = await addFirmware(platform);
    expect(firmware).toMatchObject({ size: image.length, md5: md5(image), sha256: sha256(image) });
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });

    const { topic, payload } = await lamp.next();
    expect(topic).toBe(`/ota/device/upgrade/${PRODUCT}/lamp`);
    const notice = JSON.parse(payload.toString()) as Notice;
    expect(notice).toEqual({
      code: '1000',
      id: expect.any(Number),
      message: 'success',
      data: {
        size: image.length,
        version: '2.0.0',
        url: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/firmware\//),
        md5: md5(image),
        sign: md5(image),
        signMethod: 'Md5',
      },
    });
    const { status, body } = await download(platform, notice.data.url);
    expect(status).toBe(200);
    expect(body.equals(image)).toBe(true);

    const progress = platform.waitFor('progress', ({ step }) => step === 100);
    await lamp.progress(1);
    await lamp.progress(100, 'done');
    expect(await progress).toMatchObject({ upgradeId: id, deviceName: 'lamp', desc: 'done' });
    // Step 100 alone is not success.
    expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('upgrading');
    await lamp.inform('2.0.0');
    const upgrade = await platform.upgrades.settled(id);
    expect(statesOf(upgrade)).toEqual(['pending', 'pushed', 'upgrading', 'succeeded']);
    expect(upgrade.settled).toBe(true);
    expect(platform.devices.get(lamp.device)?.versions).toEqual({ default: '2.0.0' });
  });

  test('a notice with MD5, extData, isDiff, module and a signature of the digest', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const platform = await startPlatform({ signingKey: privateKey });
    const lamp = await readyDevice(platform);
    const reported = platform.waitFor('version-reported');
    await lamp.inform('1.0', 'mcu');
    await reported;
    const firmware = await platform.firmware.add({
      productKey: PRODUCT,
      version: '2.0.0',
      module: 'mcu',
      data: image,
      signMethod: 'MD5',
      isDiff: true,
      sourceVersions: ['1.0'],
      extData: { key1: 'value1' },
    });
    await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    const { data } = await lamp.notice();
    const { url: _, digestsign = '', ...rest } = data;
    expect(rest).toEqual({
      size: image.length,
      version: '2.0.0',
      isDiff: 1,
      md5: md5(image),
      sign: md5(image),
      signMethod: 'Md5',
      module: 'mcu',
      extData: { key1: 'value1' },
    });
    const digest = Buffer.from(md5(image), 'hex');
    const signature = Buffer.from(digestsign, 'base64');
    expect(verify('sha256', digest, createPublicKey(publicKey), signature)).toBe(true);
  });
});

describe('delivery', () => {
  test('a device that is offline gets the notice when it connects, even if it reports nothing', async () => {
    const platform = await startPlatform({ versionGraceMs: 0 });
    const lamp = await readyDevice(platform);
    const gone = platform.waitFor('device-disconnected');
    await lamp.disconnect();
    await gone;
    const firmware = await addFirmware(platform);
    const upgrade = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    expect(statesOf(upgrade)).toEqual(['pending']);
    const again = await TestDevice.connect(platform, lamp.device);
    await again.subscribe();
    expect((await again.notice()).data.version).toBe('2.0.0');
    expect(statesOf(platform.upgrades.get(upgrade.id))).toEqual(['pending', 'pushed']);
  });

  test('a persistent session gets the notice without subscribing again', async () => {
    const platform = await startPlatform({ versionGraceMs: 0 });
    const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
    const lamp = await TestDevice.connect(platform, device, { clean: false });
    await lamp.subscribe();
    const reported = platform.waitFor('version-reported');
    await lamp.inform('1.0.0');
    await reported;
    const gone = platform.waitFor('device-disconnected');
    await lamp.disconnect();
    await gone;
    const firmware = await addFirmware(platform);
    await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    const again = await TestDevice.connect(platform, device, { clean: false });
    expect((await again.notice()).data.version).toBe('2.0.0');
  });

  test('a device that has reported no version gets the notice when it does', async () => {
    const platform = await startPlatform({ clock: new ManualClock() });
    const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
    const lamp = await TestDevice.connect(platform, device);
    await lamp.subscribe();
    const firmware = await addFirmware(platform);
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    expect(statesOf(platform.upgrades.get(id))).toEqual(['pending']);
    await lamp.inform('1.0.0');
    await lamp.notice();
  });

  test('a module may have any name, and counts when it was reported', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    for (const module of ['constructor', '__proto__']) {
      const firmware = await addFirmware(platform, { module });
      await platform.upgrades.start({
        firmwareId: firmware.id,
        devices: ['lamp'],
        multiModule: true,
      });
      await lamp.settle();
      expect(lamp.unread).toBe(0);
      await lamp.inform('1.0.0', module);
      expect((await lamp.notice()).data.module).toBe(module);
    }
  });

  test('only source versions that fit are pushed to', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform, 'lamp', '1.0.0');
    const firmware = await addFirmware(platform, { sourceVersions: ['1.1.0'] });
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    expect(statesOf(platform.upgrades.get(id))).toEqual(['pending']);
    await lamp.inform('1.1.0');
    await lamp.notice();
  });

  test('the notice comes again after each report of the version, and on each connection', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const firmware = await addFirmware(platform);
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    await lamp.notice();
    await lamp.inform('1.0.0');
    await lamp.notice();
    const gone = platform.waitFor('device-disconnected');
    lamp.drop();
    await gone;
    const again = await TestDevice.connect(platform, lamp.device);
    await again.subscribe();
    await again.inform('1.0.0');
    await again.notice();
    expect(statesOf(platform.upgrades.get(id))).toEqual(['pending', 'pushed']);
  });

  test('a device pulls by firmware/get, and is answered when there is nothing', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    expect(await get(lamp)).toEqual({
      id: expect.any(String),
      code: 200,
      data: {},
      message: 'success',
    });
    const firmware = await addFirmware(platform);
    const { id } = await platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
      delivery: 'pull',
    });
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    expect(await get(lamp, { module: 'other' })).toMatchObject({ code: 200, data: {} });
    const reply = await get(lamp, { module: 'default' });
    expect(reply).toMatchObject({ code: 200, data: { version: '2.0.0', sign: md5(image) } });
    expect(statesOf(platform.upgrades.get(id))).toEqual(['pending', 'pushed']);
    // A fresh address half-way, for one that has expired.
    await lamp.progress(50);
    expect((await get(lamp)).data.url).toMatch(/^https:/);
    expect(statesOf(platform.upgrades.get(id))).toEqual(['pending', 'pushed', 'upgrading']);
  });

  test('the legacy request is answered on its own topic in the form of a push', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const topic = `/ota/device/request/${lamp.names}`;
    await lamp.client.subscribeAsync(topic, { qos: 1 });
    const firmware = await addFirmware(platform);
    await platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
      delivery: 'pull',
    });
    await lamp.send(topic, { version: '1.0.0' }, 1);
    const { topic: at, payload } = await lamp.next();
    expect(at).toBe(topic);
    expect(JSON.parse(payload.toString())).toMatchObject({
      code: '1000',
      message: 'success',
      data: { version: '2.0.0' },
    });
    await lamp.settle();
    expect(lamp.unread).toBe(0);
  });
});

describe('the end of an upgrade', () => {
  async function pushed(options: object = {}, deviceName = 'lamp') {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform, deviceName);
    const firmware = await addFirmware(platform);
    const { id } = await platform.upgrades.start({
      firmwareId: firmware.id,
      devices: [deviceName],
      ...options,
    });
    await lamp.notice();
    return { platform, lamp, id };
  }

  test.each([-1, -2, -3, -4])('step %d fails it, in the words of the device', async (step) => {
    const { platform, lamp, id } = await pushed();
    await lamp.progress(10);
    await lamp.progress(step, 'no such luck');
    const [task] = (await platform.upgrades.settled(id)).tasks;
    expect(task).toMatchObject({ state: 'failed', step, desc: 'no such luck' });
    expect(task?.history.at(-1)).toMatchObject({ reason: 'device-failed', step });
  });

  test('another version while upgrading fails it', async () => {
    const { platform, lamp, id } = await pushed();
    await lamp.progress(10);
    await lamp.inform('1.0.0');
    await lamp.inform('1.0.1');
    const [task] = (await platform.upgrades.settled(id)).tasks;
    expect(task?.history.at(-1)).toMatchObject({ state: 'failed', reason: 'wrong-version' });
  });

  test('the target version ends it from any state, without progress', async () => {
    const { platform, lamp, id } = await pushed();
    await lamp.inform('2.0.0');
    expect(statesOf(await platform.upgrades.settled(id))).toEqual([
      'pending',
      'pushed',
      'succeeded',
    ]);
    const again = await platform.upgrades.start({
      firmwareId: platform.upgrades.get(id)?.firmwareId ?? '',
      devices: ['lamp'],
    });
    expect(statesOf(again)).toEqual(['pending', 'succeeded']);
  });

  test('a second upgrade of the same device fails as a conflict', async () => {
    const { platform, id } = await pushed();
    const other = await addFirmware(platform, { version: '3.0.0' });
    const second = await platform.upgrades.start({ firmwareId: other.id, devices: ['lamp'] });
    expect(second.tasks[0]?.history).toMatchObject([{ state: 'failed', reason: 'conflict' }]);
    expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('pushed');
    const mcu = await addFirmware(platform, { version: '3.0.0', module: 'mcu' });
    const start = { firmwareId: mcu.id, devices: ['lamp'] };
    expect((await platform.upgrades.start(start)).tasks[0]?.state).toBe('failed');
    const third = await platform.upgrades.start({ ...start, multiModule: true });
    expect(third.tasks[0]?.state).toBe('pending');
  });

  test('the operator cancels it', async () => {
    const { platform, lamp, id } = await pushed();
    expect(statesOf(await platform.upgrades.cancel(id))).toEqual([
      'pending',
      'pushed',
      'cancelled',
    ]);
    // Later reports of the device change nothing.
    const complaint = platform.waitFor('bad-message');
    await lamp.progress(50);
    await complaint;
    expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('cancelled');
  });

  test('removing the device cancels it', async () => {
    const { platform, lamp, id } = await pushed();
    await platform.devices.remove(lamp.device);
    const [task] = (await platform.upgrades.settled(id)).tasks;
    expect(task?.history.at(-1)).toMatchObject({ state: 'cancelled', reason: 'device-removed' });
  });

  test('waiting can be given up, and ends when the platform closes', async () => {
    const { platform, id } = await pushed();
    const given = new AbortController();
    const waiting = platform.upgrades.settled(id, { signal: given.signal });
    given.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    const other = platform.upgrades.settled(id);
    const event = platform.waitFor('download');
    await Promise.all([
      expect(other).rejects.toMatchObject({ code: 'ERR_CLOSED' }),
      expect(event).rejects.toMatchObject({ code: 'ERR_CLOSED' }),
      platform.close(),
    ]);
  });
});

describe('confirmation and batches', () => {
  test('nothing is pushed before the confirmation', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform, 'lamp');
    const fan = await readyDevice(platform, 'fan');
    const firmware = await addFirmware(platform);
    const { id } = await platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp', 'fan'],
      requireConfirmation: true,
    });
    expect(await get(lamp)).toMatchObject({ data: {} });
    await platform.upgrades.confirm(id, ['fan']);
    await fan.notice();
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    await platform.upgrades.confirm(id);
    await lamp.notice();
    expect(statesOf(platform.upgrades.get(id))).toEqual(['to-be-confirmed', 'pending', 'pushed']);
    await expect(platform.upgrades.confirm(id)).rejects.toMatchObject({
      code: 'ERR_UPGRADE_STATE',
    });
    expect(platform.upgrades.get(id)?.settled).toBe(false);
    await lamp.inform('2.0.0');
    await fan.progress(-2);
    const { tasks } = await platform.upgrades.settled(id);
    expect(tasks.map(({ state }) => state)).toEqual(['succeeded', 'failed']);
  });

  test('modules of one device upgrade side by side', async () => {
    const platform = await startPlatform();
    const lamp = await readyDevice(platform);
    const reported = platform.waitFor('version-reported');
    await lamp.inform('0.9', 'mcu');
    await reported;
    const main = await addFirmware(platform);
    const mcu = await addFirmware(platform, { version: '1.0', module: 'mcu' });
    const first = await platform.upgrades.start({ firmwareId: main.id, devices: ['lamp'] });
    const second = await platform.upgrades.start({
      firmwareId: mcu.id,
      devices: ['lamp'],
      multiModule: true,
    });
    expect((await lamp.notice()).data.module).toBeUndefined();
    expect((await lamp.notice()).data.module).toBe('mcu');
    await lamp.progress(5, '', 'mcu');
    await lamp.inform('1.0', 'mcu');
    expect(statesOf(await platform.upgrades.settled(second.id))).toContain('upgrading');
    expect(platform.upgrades.get(first.id)?.tasks[0]?.state).toBe('pushed');
    expect(platform.devices.get(lamp.device)?.versions).toEqual({ default: '1.0.0', mcu: '1.0' });
  });
});

test('what does not make sense is refused', async () => {
  const platform = await startPlatform();
  const lamp = await readyDevice(platform);
  const firmware = await addFirmware(platform);
  const start = (options: object) =>
    platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'], ...options });
  const invalid = { code: 'ERR_INVALID_ARGUMENT' };
  await expect(start({ devices: [] })).rejects.toMatchObject(invalid);
  await expect(start({ timeoutMinutes: 0 })).rejects.toMatchObject(invalid);
  await expect(start({ timeoutMinutes: 1441 })).rejects.toMatchObject(invalid);
  await expect(start({ retry: { attempts: 3, delayMinutes: 0 } })).rejects.toMatchObject(invalid);
  await expect(start({ retry: { attempts: 1, delayMinutes: 5 } })).rejects.toMatchObject(invalid);
  const slow = { timeoutMinutes: 10, retry: { attempts: 1, delayMinutes: 10 } };
  await expect(start(slow)).rejects.toMatchObject(invalid);
  await expect(start({ devices: ['nobody'] })).rejects.toMatchObject({
    code: 'ERR_DEVICE_UNKNOWN',
  });
  await expect(start({ firmwareId: 'x' })).rejects.toMatchObject({ code: 'ERR_FIRMWARE_UNKNOWN' });
  await expect(platform.devices.add(lamp.device)).rejects.toMatchObject({
    code: 'ERR_DEVICE_EXISTS',
  });
  await expect(platform.devices.add({ productKey: 'a/b', deviceName: 'x' })).rejects.toMatchObject(
    invalid,
  );
  const add = (options: object) =>
    platform.firmware.add({ productKey: PRODUCT, version: '1', data: image, ...options });
  await expect(add({ version: 'a b' })).rejects.toMatchObject(invalid);
  await expect(add({ data: new Uint8Array() })).rejects.toMatchObject(invalid);
  await expect(add({ file: '/etc/hostname' })).rejects.toMatchObject(invalid);
  await expect(add({ data: undefined, file: '/nowhere' })).rejects.toMatchObject(invalid);
  await expect(add({ isDiff: true })).rejects.toMatchObject(invalid);
  await expect(add({ extData: { k: 'v'.repeat(1025) } })).rejects.toMatchObject(invalid);
  expect(platform.firmware.list()).toEqual([firmware]);
  await start({});
  const inUse = { code: 'ERR_FIRMWARE_IN_USE' };
  await expect(platform.firmware.remove(firmware.id)).rejects.toMatchObject(inUse);
});

test('events can be iterated', async () => {
  const platform = await startPlatform();
  const names: string[] = [];
  const events = platform.events();
  const lamp = await readyDevice(platform);
  await lamp.disconnect();
  for await (const { type } of events) {
    names.push(type);
    if (type === 'device-disconnected') break;
  }
  expect(names).toEqual(['device-connected', 'version-reported', 'device-disconnected']);
  const rest = platform.events();
  await platform.close();
  expect((await rest.next()).done).toBe(true);
});
