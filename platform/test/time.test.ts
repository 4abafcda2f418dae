import { readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { ManualClock, type Platform, type RetryPolicy, type UpgradeTask } from '../src/index';
import { PRODUCT, readyDevice, TestDevice } from './support/device';
import { bytes, download } from './support/download';
import { startPlatform, temporaryFolder } from './support/start';

const MINUTE = 60_000;
const image = bytes(1000);

async function addFirmware(platform: Platform): Promise<string> {
  const { id } = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: image,
  });
  return id;
}

function taskOf(platform: Platform, id: string): UpgradeTask | undefined {
  return platform.upgrades.get(id)?.tasks[0];
}

function retry(platform: Platform) {
  return platform.waitFor('task-changed', ({ task }) => task.history.at(-1)?.reason === 'retry');
}

function reached(platform: Platform, state: string) {
  return platform.waitFor('task-changed', ({ task }) => task.state === state);
}

describe('time-out', () => {
  test('starts with the first progress report and fails the task without a retry', async () => {
    const clock = new ManualClock();
    const platform = await startPlatform({ clock });
    const lamp = await readyDevice(platform);
    const { id } = await platform.upgrades.start({
      firmwareId: await addFirmware(platform),
      devices: ['lamp'],
      timeoutMinutes: 10,
      retry: { attempts: 5, delayMinutes: 0 },
    });
    await lamp.notice();
    clock.advance(24 * 60 * MINUTE);
    expect(taskOf(platform, id)?.state).toBe('pushed');
    const upgrading = reached(platform, 'upgrading');
    await lamp.progress(1);
    await upgrading;
    expect(taskOf(platform, id)?.deadline).toBe(clock.now() + 10 * MINUTE);
    clock.advance(10 * MINUTE - 1);
    expect(taskOf(platform, id)?.state).toBe('upgrading');
    clock.advance(1);
    const [task] = (await platform.upgrades.settled(id)).tasks;
    expect(task?.history.at(-1)).toMatchObject({ state: 'failed', reason: 'time-out' });
    // Too late.
    const reported = platform.waitFor('version-reported');
    await lamp.inform('2.0.0');
    await reported;
    expect(taskOf(platform, id)?.state).toBe('failed');
  });

  test('does not strike what has ended', async () => {
    const clock = new ManualClock();
    const platform = await startPlatform({ clock });
    const lamp = await readyDevice(platform);
    const firmwareId = await addFirmware(platform);
    const { id } = await platform.upgrades.start({
      firmwareId,
      devices: ['lamp'],
      timeoutMinutes: 1,
    });
    await lamp.notice();
    await lamp.progress(1);
    await lamp.inform('2.0.0');
    await platform.upgrades.settled(id);
    clock.advance(5 * MINUTE);
    expect(taskOf(platform, id)?.state).toBe('succeeded');
  });
});

describe('retry', () => {
  async function failing(retry: RetryPolicy) {
    const clock = new ManualClock();
    const platform = await startPlatform({ clock });
    const lamp = await readyDevice(platform);
    const { id } = await platform.upgrades.start({
      firmwareId: await addFirmware(platform),
      devices: ['lamp'],
      retry,
    });
    await lamp.notice();
    return { clock, platform, lamp, id };
  }

  test('pushes again after the delay, as often as was asked', async () => {
    const { clock, platform, lamp, id } = await failing({ attempts: 2, delayMinutes: 10 });
    for (const retries of [1, 2]) {
      const retried = retry(platform);
      await lamp.progress(-2, 'network');
      await retried;
      expect(taskOf(platform, id)).toMatchObject({ state: 'pushed', retries });
      clock.advance(10 * MINUTE - 1);
      await lamp.settle();
      expect(lamp.unread).toBe(0);
      clock.advance(1);
      await lamp.notice();
    }
    await lamp.progress(-2, 'network');
    const { tasks } = await platform.upgrades.settled(id);
    const reasons = tasks[0]?.history.map(({ reason }) => reason);
    expect(reasons).toEqual(['created', 'delivered', 'retry', 'retry', 'device-failed']);
  });

  test('after 0 minutes follows at once, also for a wrong version', async () => {
    const { clock, platform, lamp, id } = await failing({ attempts: 1, delayMinutes: 0 });
    await lamp.progress(10);
    const retried = retry(platform);
    await lamp.inform('1.0.1');
    await retried;
    clock.advance(0);
    await lamp.notice();
    expect(taskOf(platform, id)).toMatchObject({ state: 'upgrading', retries: 1 });
  });

  test('does not follow a cancellation, and ends with one', async () => {
    const { clock, platform, lamp, id } = await failing({ attempts: 5, delayMinutes: 30 });
    const retried = retry(platform);
    await lamp.progress(-1);
    await retried;
    await platform.upgrades.cancel(id);
    clock.advance(60 * MINUTE);
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    expect(taskOf(platform, id)?.state).toBe('cancelled');
  });
});

describe('a restart with the same state directory', () => {
  test('continues a job: devices, firmware, token, CA, addresses, states', async () => {
    const stateDir = await temporaryFolder();
    const before = await startPlatform({ stateDir });
    const lamp = await readyDevice(before);
    const firmwareId = await addFirmware(before);
    const { id } = await before.upgrades.start({ firmwareId, devices: ['lamp'] });
    const { data } = await lamp.notice();
    const upgrading = reached(before, 'upgrading');
    await lamp.progress(40, 'half-way');
    await upgrading;
    const kept = {
      ca: before.ca,
      token: before.operatorToken,
      task: taskOf(before, id),
      devices: before.devices
        .list()
        .map((device) => ({ ...device, presence: 'no', online: false })),
      firmware: before.firmware.list(),
    };
    await before.close();

    const after = await startPlatform({ stateDir });
    expect({
      ca: after.ca,
      token: after.operatorToken,
      task: taskOf(after, id),
      devices: after.devices.list(),
      firmware: after.firmware.list(),
    }).toEqual(kept);
    // The address given out before is good still, but for the port, and serves the same bytes.
    const { pathname, search } = new URL(data.url);
    const { status, body } = await download(after, after.firmwareUrl + pathname + search);
    expect([status, body.equals(image)]).toEqual([200, true]);
    const again = await TestDevice.connect(after, lamp.device);
    await again.inform('2.0.0');
    expect((await after.upgrades.settled(id)).tasks[0]?.state).toBe('succeeded');
    const next = await after.upgrades.start({ firmwareId, devices: ['lamp'] });
    expect(after.upgrades.list().map((upgrade) => upgrade.id)).toEqual([id, next.id]);
  });

  test('lets a time-out strike that fell due meanwhile, or later', async () => {
    const stateDir = await temporaryFolder();
    const clock = new ManualClock();
    const before = await startPlatform({ stateDir, clock });
    const names = ['lamp', 'fan'];
    const ids: string[] = [];
    const firmwareId = await addFirmware(before);
    for (const [index, deviceName] of names.entries()) {
      const device = await readyDevice(before, deviceName);
      const { id } = await before.upgrades.start({
        firmwareId,
        devices: [deviceName],
        timeoutMinutes: 10 + 10 * index,
      });
      ids.push(id);
      await device.notice();
      const upgrading = reached(before, 'upgrading');
      await device.progress(1);
      await upgrading;
    }
    await before.close();
    // A close cancels the timers.
    clock.advance(15 * MINUTE);
    const after = await startPlatform({ stateDir, clock });
    clock.advance(0);
    const stateOf = (id = '') => taskOf(after, id)?.state;
    expect(ids.map(stateOf)).toEqual(['failed', 'upgrading']);
    clock.advance(5 * MINUTE);
    expect(ids.map(stateOf)).toEqual(['failed', 'failed']);
  });

  test('sends a notice again that may not have arrived', async () => {
    const stateDir = await temporaryFolder();
    const before = await startPlatform({ stateDir });
    const lamp = await readyDevice(before);
    before.faults.set({ kind: 'notice-lost' });
    const firmwareId = await addFirmware(before);
    const { id } = await before.upgrades.start({ firmwareId, devices: ['lamp'] });
    expect(taskOf(before, id)?.state).toBe('pushed');
    await before.close();
    const after = await startPlatform({ stateDir });
    const again = await TestDevice.connect(after, lamp.device);
    await again.subscribe();
    await again.inform('1.0.0');
    await again.notice();
  });

  test('is refused while another has it open', async () => {
    const stateDir = await temporaryFolder();
    await startPlatform({ stateDir });
    await expect(startPlatform({ stateDir })).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
  });

  test('survives a write that was cut short', async () => {
    const stateDir = await temporaryFolder();
    const before = await startPlatform({ stateDir });
    for (let i = 0; i < 20; i++) {
      await before.devices.add({ productKey: PRODUCT, deviceName: `d${i}` });
    }
    await before.close();
    await cutLastLog(`${stateDir}/db`);
    const after = await startPlatform({ stateDir });
    const left = after.devices.list().length;
    expect(left).toBeGreaterThanOrEqual(18);
    expect(left).toBeLessThan(20);
    const added = await after.devices.add({ productKey: PRODUCT, deviceName: 'another' });
    expect(after.devices.get(added)).toEqual(added);
  });
});

/** Takes the last bytes off LevelDB's newest log, as a power failure in a write does. */
async function cutLastLog(directory: string): Promise<void> {
  const logs: string[] = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort();
  const path = `${directory}/${logs.at(-1)}`;
  await truncate(path, (await stat(path)).size - 10);
}

test('a state that cannot be read is an error with a code', async () => {
  const stateDir = await temporaryFolder();
  await writeFile(`${stateDir}/db`, 'not a directory');
  await expect(startPlatform({ stateDir })).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_STATE|EEXIST/),
  });
});
