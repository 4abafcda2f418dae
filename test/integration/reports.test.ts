import path from 'node:path';
import type { Device } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { run } from '../support/process';
import { World } from '../support/world';

const image = imageOf(300_007);

interface Heard {
  readonly step: number;
  readonly desc: string;
}

/** The steps that a platform hears, from now on. */
function listen(world: World): { readonly all: Heard[]; readonly steps: () => number[] } {
  const all: Heard[] = [];
  world.platform.on('progress', ({ step, desc }) => all.push({ step, desc }));
  return { all, steps: () => all.map(({ step }) => step) };
}

/** Takes the connection of a device away until the returned function is called. */
async function takeOffline(world: World, device: Device): Promise<() => void> {
  const fault = world.platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3 });
  world.platform.devices.disconnect(device);
  for await (const { state } of device.states()) if (state === 'waiting') break;
  return () => world.platform.faults.remove(fault);
}

test('the platform hears 0, growing percentages and 100', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const { steps } = listen(world);
  const done = world.platform.waitFor('progress', ({ step }) => step === 100);
  await upgrade.download(world.path('firmware.bin'));
  await done;
  expect([steps()[0], steps().at(-1)]).toEqual([0, 100]);
  expect(steps()).toEqual([...steps()].sort((a, b) => a - b));
});

test('what happens without a connection is reported with the next one, in order', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-status', status: 404 }] });
  const { device, upgrade, upgradeId } = await world.announce(image, {
    connect: { reconnect: { min: 1, max: 10 } },
  });
  const { all } = listen(world);
  const comeBack = await takeOffline(world, device);
  const failure = await upgrade.download(world.path('a.bin')).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ERR_HTTP_STATUS' });
  expect(all).toEqual([]);
  comeBack();
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -2 });
  expect(all).toEqual([
    { step: 0, desc: '' },
    { step: -2, desc: expect.stringMatching(/^ERR_HTTP_STATUS: /) },
  ]);
});

test('a whole download without a connection: 0 and 100 are heard afterwards', async () => {
  await using world = await World.open();
  const { device, upgrade } = await world.announce(image, {
    connect: { reconnect: { min: 1, max: 10 } },
  });
  const { steps } = listen(world);
  const comeBack = await takeOffline(world, device);
  await upgrade.download(world.path('a.bin'));
  await expect(device.ota.reportProgress(1)).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
  const done = world.platform.waitFor('progress', ({ step }) => step === 100);
  comeBack();
  await done;
  expect([steps()[0], steps().at(-1)]).toEqual([0, 100]);
  await world.report(device, '2.0.0');
});

test('the download may be a share of the update, the rest is the program to report', async () => {
  await using world = await World.open();
  const { device, upgrade } = await world.announce(image);
  const { steps } = listen(world);
  await upgrade.download(world.path('a.bin'), { report: { upTo: 60 } });
  for (const step of [80, 100]) {
    const heard = world.platform.waitFor('progress', (event) => event.step === step);
    await device.ota.reportProgress(step, { desc: 'flashing' });
    await heard;
  }
  const during = steps().filter((step) => step > 0 && step < 60);
  expect(steps()).toEqual([0, ...during, 60, 80, 100]);
});

test('each try begins with 0 and ends with its own outcome', async () => {
  const corrupt = { kind: 'http-corrupt', offset: 1000, times: 1 } as const;
  await using world = await World.open({ faults: [corrupt] });
  const { upgrade } = await world.announce(image);
  const { all } = listen(world);
  const failed = world.platform.waitFor('progress', ({ step }) => step < 0);
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_DIGEST_MISMATCH',
  });
  expect((await failed).desc).toMatch(/^ERR_DIGEST_MISMATCH: /);
  expect([all[0]?.step, all.at(-1)?.step]).toEqual([0, -3]);
});

test('a download that is cancelled says nothing of it', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-stall', afterBytes: 70_000 }] });
  const { device, upgrade, upgradeId } = await world.announce(image);
  const { steps } = listen(world);
  const begun = world.platform.waitFor('progress', ({ step }) => step === 0);
  const reason = new Error('the user has changed his mind');
  const download = upgrade.download(world.path('a.bin'));
  await begun;
  upgrade.abort(reason);
  await expect(download).rejects.toBe(reason);
  // Whatever the device had to say about it would have come before this.
  await world.report(device, '1.0.0', { module: 'MCU' });
  expect(steps().filter((step) => step < 0)).toEqual([]);
  expect(world.platform.upgrades.get(upgradeId)?.tasks[0]?.state).toBe('upgrading');
});

test('a hundred steps at once are thinned out, and the last one comes', async () => {
  await using world = await World.open();
  const { device } = await world.announce(image);
  const { steps } = listen(world);
  const last = world.platform.waitFor('progress', ({ step }) => step === 100);
  await Promise.all(Array.from({ length: 101 }, (_, step) => device.ota.reportProgress(step)));
  await last;
  expect(steps().length).toBeLessThanOrEqual(10);
  expect(steps()).toEqual([...steps()].sort((a, b) => a - b));
});

test('200,000 reports that nobody awaits do no harm, and the last one is sent', async () => {
  const program = path.join(__dirname, '..', 'support', 'many-reports.cjs');
  const { code, stdout, stderr } = await run(process.execPath, [
    '--max-old-space-size=400',
    program,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ last: { step: 99, desc: 'the last' }, few: true });
});
