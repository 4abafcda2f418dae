import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { checkState, type Firmware, Platform } from '../src/index';
import { atEnd } from './support/clean-up';
import { PRODUCT, readyDevice, TestDevice } from './support/device';
import { startPlatform, temporaryFolder } from './support/start';

const data = Buffer.from('image');
let stateDir: string;

beforeEach(async () => {
  stateDir = await temporaryFolder();
});

/** A platform that was used and stopped. */
async function used(): Promise<Firmware> {
  const platform = await Platform.start({ stateDir });
  await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data });
  await platform.configs.set({ productKey: PRODUCT, data: '{}' });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  await platform.close();
  return firmware;
}

async function writeRecord(key: string, text: string): Promise<void> {
  const db = new ClassicLevel<string, string>(join(stateDir, 'db'));
  await db.put(key, text);
  await db.close();
}

/** Everything under a folder, by name. */
async function listing(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}

describe('files of others in the state directory', () => {
  test('are never touched, whatever they are called', async () => {
    const { id } = await used();
    const others = ['firmware/mine.bin', 'firmware/0123456789abcdef.bin', 'config/x.bin.part'];
    for (const name of others) await writeFile(join(stateDir, name), 'mine');
    await (await startPlatform({ stateDir })).close();
    for (const name of others) {
      expect(await readFile(join(stateDir, name), 'utf8')).toBe('mine');
    }
    expect(await listing(join(stateDir, 'firmware'))).toContain(`${id}.bin`);
  });

  test('an empty database beside images is an error that says what to do', async () => {
    const { id } = await used();
    await rm(join(stateDir, 'db'), { recursive: true });
    const start = Platform.start({ stateDir });
    await expect(start).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(start).rejects.toThrow(/restore db\/ from a backup, or move firmware\/ away/);
    expect(await listing(join(stateDir, 'firmware'))).toEqual([`${id}.bin`]);
  });

  test('a directory of a later format is refused, as is a marker of something else', async () => {
    await used();
    const marker = join(stateDir, 'platform.json');
    expect(await readFile(marker, 'utf8')).toBe('{"format":1}\n');
    for (const [text, reason] of [
      ['{"format":2}\n', /format 2/],
      ['something else', /not this platform's/],
    ] as const) {
      await writeFile(marker, text);
      const start = Platform.start({ stateDir });
      await expect(start).rejects.toMatchObject({ code: 'ERR_STATE' });
      await expect(start).rejects.toThrow(reason);
    }
  });
});

test('a directory of a version that knew neither products nor gateways is continued', async () => {
  await used();
  const key = { productKey: PRODUCT, deviceName: 'fan' };
  const record = { ...key, deviceSecret: 'secret', createdAt: 1, versions: { default: '1' } };
  await writeRecord(`device/fan&${PRODUCT}`, JSON.stringify(record));
  for (const name of ['device-ca.pem', 'device-ca-key.pem']) await rm(join(stateDir, name));
  const platform = await startPlatform({ stateDir });
  expect([platform.products.list(), platform.certificates.list()]).toEqual([[], []]);
  const fan = platform.devices.get(key);
  expect(fan).toMatchObject({ ...record, disabled: false });
  const lamp = platform.devices.get({ productKey: PRODUCT, deviceName: 'lamp' });
  if (fan === undefined || lamp === undefined) throw new Error('a device is lost');
  await TestDevice.connect(platform, fan);
  await platform.gateways.add(fan, [lamp]);
  await platform.products.add({ productKey: PRODUCT, dynamicRegistration: true });
  await platform.close();
  expect((await checkState(stateDir)).problems).toEqual([]);
});

test('a directory that cannot be made is an error of the state that names it', async () => {
  const file = join(stateDir, 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'below')]) {
    const start = Platform.start({ stateDir: path });
    await expect(start).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(start).rejects.toThrow(path);
  }
});

describe('a disk that is full', () => {
  /** Lets writes of the database fail until it is told otherwise. */
  function fill(): { empty: () => void } {
    const error = Object.assign(new Error('1.log: No space left on device'), { code: 'ENOSPC' });
    const prototype = ClassicLevel.prototype as unknown as { batch: () => Promise<void> };
    const spy = jest.spyOn(prototype, 'batch').mockRejectedValue(error);
    atEnd(() => spy.mockRestore());
    return { empty: () => spy.mockRestore() };
  }

  test('refuses changes with 507, which never show, and takes the next one when there is room', async () => {
    const platform = await startPlatform({ stateDir });
    const lamp = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
    const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data });
    const upgrade = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    const degraded = platform.waitFor('state-health');
    const disk = fill();
    const full = { code: 'ERR_STATE_FULL', status: 507 };
    const changes: (() => Promise<unknown>)[] = [
      () => platform.devices.add({ productKey: PRODUCT, deviceName: 'fan' }),
      () => platform.devices.remove(lamp),
      () => platform.firmware.add({ productKey: PRODUCT, version: '3', data }),
      () => platform.configs.set({ productKey: PRODUCT, data: '{}' }),
      () => platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] }),
      () => platform.upgrades.cancel(upgrade.id),
    ];
    for (const change of changes) await expect(change()).rejects.toMatchObject(full);
    expect(await degraded).toMatchObject({ degraded: true, reason: expect.any(String) });
    expect(platform.health.state).toMatchObject({ degraded: true });
    expect(platform.devices.list().map(({ deviceName }) => deviceName)).toEqual(['lamp']);
    expect(platform.firmware.list()).toEqual([firmware]);
    expect(platform.configs.list()).toEqual([]);
    expect(platform.upgrades.list()).toEqual([upgrade]);

    disk.empty();
    await platform.devices.add({ productKey: PRODUCT, deviceName: 'fan' });
    expect(platform.health.state).toEqual({ degraded: false });
    expect(await listing(join(stateDir, 'firmware'))).toEqual([`${firmware.id}.bin`]);
  });

  test('loses nothing that devices report meanwhile', async () => {
    const platform = await startPlatform({ stateDir });
    const lamp = await readyDevice(platform);
    const disk = fill();
    const degraded = platform.waitFor('state-health');
    await lamp.inform('1.5.0');
    await degraded;
    expect(platform.devices.get(lamp.device)?.versions).toEqual({ default: '1.5.0' });
    disk.empty();
    await platform.close();
    const after = await startPlatform({ stateDir });
    expect(after.devices.get(lamp.device)?.versions).toEqual({ default: '1.5.0' });
  });

  test('at the end is an error of the end', async () => {
    const platform = await Platform.start({ stateDir });
    const lamp = await readyDevice(platform);
    fill();
    const degraded = platform.waitFor('state-health');
    await lamp.inform('1.5.0');
    await degraded;
    await expect(platform.close()).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
  });
});

describe('a bad record or a missing image', () => {
  test('is named in an event and in the health, and stops nothing else', async () => {
    const { id } = await used();
    await writeRecord('device/broken', '{"productKey":');
    await rm(join(stateDir, 'firmware', `${id}.bin`));
    const platform = await startPlatform({ stateDir });
    const first = await platform.waitFor('state-problem');
    expect(platform.health.problems.map(({ what, name }) => `${what} ${name}`).sort()).toEqual([
      `image firmware/${id}.bin`,
      'record device/broken',
    ]);
    expect(first.reason).toEqual(expect.any(String));
    // Its upgrade waits, and nothing is announced that is not there.
    const [lamp] = platform.devices.list();
    if (lamp === undefined) throw new Error('no lamp');
    const device = await TestDevice.connect(platform, lamp);
    await device.subscribe();
    const reported = platform.waitFor('version-reported');
    await device.inform('1');
    await reported;
    await device.settle();
    expect(device.unread).toBe(0);
    expect(platform.upgrades.list()[0]?.tasks[0]?.state).toBe('pending');
  });

  test('is found by a check of the whole directory, which changes nothing', async () => {
    const { id } = await used();
    expect(await checkState(stateDir)).toEqual({ records: 5, files: 2, problems: [] });
    await writeRecord('task/1/x', '7');
    await writeRecord(
      'task/2/y&z',
      '{"upgradeId":"2","deviceName":"y","productKey":"z","state":"pending","history":[]}',
    );
    await writeFile(join(stateDir, 'firmware', `${id}.bin`), 'imagE');
    await writeFile(join(stateDir, 'firmware', 'mine.bin'), '');
    const { problems } = await checkState(stateDir);
    expect(problems.map(({ what, name, reason }) => `${what} ${name}: ${reason}`)).toEqual([
      'record task/1/x: it is no object',
      'record task/2/y&z: it has no upgrade',
      `image firmware/${id}.bin: its bytes are not those of its digest`,
      'file firmware/mine.bin: no record names it; it is left alone',
    ]);
    expect(await listing(join(stateDir, 'firmware'))).toEqual([`${id}.bin`, 'mine.bin'].sort());
  });

  test('is not looked for while a platform runs, nor where there is none', async () => {
    await startPlatform({ stateDir });
    await expect(checkState(stateDir)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
    await expect(checkState(await temporaryFolder())).rejects.toMatchObject({ code: 'ERR_STATE' });
  });
});
