import { spawnSync } from 'node:child_process';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkState, ManualClock, Platform } from '../src/index';
import { atEnd } from './support/clean-up';
import { PRODUCT, readyDevice, TestDevice } from './support/device';
import { bytes, download } from './support/download';
import { startPlatform, temporaryFolder } from './support/start';

// Where the state is on a file system that is really full, not on one that says so.

const image = bytes(50_000);

function mount(folder: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', folder]).status === 0;
}

function unmount(folder: string): boolean {
  return spawnSync('umount', [folder]).status === 0;
}

const canMount = spawnSync('sh', [
  '-c',
  'd=$(mktemp -d) && mount -t tmpfs none "$d" && umount "$d"',
]);
const withMounts = canMount.status === 0 ? test : test.skip;

/** A disk of 2 MiB. */
async function smallDisk(): Promise<string> {
  const disk = await temporaryFolder();
  if (!mount(disk)) throw new Error('a file system could be mounted before');
  atEnd(() => unmount(disk));
  return disk;
}

/** Takes all the room that is left. */
async function fill(disk: string): Promise<void> {
  const file = await open(join(disk, 'filler'), 'a');
  try {
    for (;;) await file.write(Buffer.alloc(4096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

/** Registers devices until the last page of the database is full. */
async function addUntilFull(platform: Platform): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; ; i++) {
    const deviceName = `filler${i}`;
    try {
      await platform.devices.add({ productKey: PRODUCT, deviceName });
      names.push(deviceName);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_STATE_FULL' });
      return names;
    }
  }
}

withMounts(
  'a full disk refuses what an operator changes, and keeps what devices report',
  async () => {
    const disk = await smallDisk();
    const stateDir = join(disk, 'state');
    const clock = new ManualClock();
    const platform = await Platform.start({ stateDir, clock });
    atEnd(() => platform.close());
    const lamp = await readyDevice(platform);
    const firmware = await platform.firmware.add({
      productKey: PRODUCT,
      version: '2.0.0',
      data: image,
    });
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    const notice = await lamp.notice();

    await fill(disk);
    const fillers = await addUntilFull(platform);
    const full = { code: 'ERR_STATE_FULL', status: 507 };
    const changes: (() => Promise<unknown>)[] = [
      () => platform.devices.remove(lamp.device),
      () => platform.firmware.add({ productKey: PRODUCT, version: '3.0.0', data: image }),
      () => platform.firmware.remove(firmware.id),
      () => platform.configs.set({ productKey: PRODUCT, data: '{}' }),
      () => platform.upgrades.start({ firmwareId: firmware.id, devices: ['filler0'] }),
      () => platform.upgrades.cancel(id),
    ];
    for (const [i, change] of changes.entries()) {
      const code = i === 2 ? { code: 'ERR_FIRMWARE_IN_USE' } : full;
      await expect(change()).rejects.toMatchObject(code);
    }
    expect(platform.health.state).toEqual({
      degraded: true,
      reason: expect.stringMatching(/No space left/),
    });
    expect((await fetch(`${platform.apiUrl.replace('/api', '')}/healthz`)).status).toBe(503);
    expect(await readdir(join(stateDir, 'firmware'))).toEqual([`${firmware.id}.bin`]);
    expect(await readdir(join(stateDir, 'config'))).toEqual([]);

    // The upgrade goes on, and what is reported shows at once.
    expect((await download(platform, notice.data.url)).body).toEqual(image);
    const done = platform.upgrades.settled(id);
    await lamp.progress(100);
    await lamp.inform('2.0.0');
    expect((await done).tasks).toMatchObject([{ state: 'succeeded', step: 100 }]);
    const late = await TestDevice.connect(platform, lamp.device);
    await late.disconnect();

    await rm(join(disk, 'filler'));
    const better = platform.waitFor('state-health', ({ degraded }) => !degraded);
    clock.advance(30_000);
    await better;
    await platform.firmware.add({ productKey: PRODUCT, version: '3.0.0', data: image });
    await platform.configs.set({ productKey: PRODUCT, data: '{}' });
    await platform.close();

    expect((await checkState(stateDir)).problems).toEqual([]);
    const after = await startPlatform({ stateDir });
    expect(
      after.devices
        .list()
        .map(({ deviceName }) => deviceName)
        .sort(),
    ).toEqual([...fillers, 'lamp'].sort());
    expect(after.devices.get(lamp.device)?.versions).toEqual({ default: '2.0.0' });
    expect(after.upgrades.get(id)?.tasks).toMatchObject([{ state: 'succeeded', step: 100 }]);
  },
);

withMounts(
  'a start without room says so, leaves nothing half made, and succeeds later',
  async () => {
    const disk = await smallDisk();
    const stateDir = join(disk, 'state');
    await fill(disk);
    for (let i = 0; i < 3; i++) {
      const start = Platform.start({ stateDir });
      await expect(start).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
      await expect(start).rejects.toThrow(stateDir);
      expect(await readdir(stateDir)).toEqual([]);
    }
    await rm(join(disk, 'filler'));
    await (await startPlatform({ stateDir })).close();
    expect((await checkState(stateDir)).problems).toEqual([]);
  },
);

withMounts('a disk that has become read-only is an error of the start that names it', async () => {
  const disk = await smallDisk();
  const stateDir = join(disk, 'state');
  await (await Platform.start({ stateDir })).close();
  spawnSync('mount', ['-o', 'remount,ro', disk]);
  const start = Platform.start({ stateDir });
  await expect(start).rejects.toMatchObject({ code: 'ERR_STATE' });
  await expect(start).rejects.toThrow(/Read-only file system/);
});
