import { imageOf } from '../support/image';
import { nextRefusal } from '../support/refusals';
import { nextUpgrade, World } from '../support/world';

const image = imageOf(20_011);

test('newerOnly: an older version is refused, reported, and never offered', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register(), { verify: { newerOnly: true } });
  await world.report(device, '2.0.0');
  const offered = nextUpgrade(device);

  for (const version of ['1.9.9', '2.0.0-rc1', '2.0']) {
    const refused = nextRefusal(device);
    const older = await world.store(image, { version });
    const { id } = await world.platform.upgrades.start({
      firmwareId: older.id,
      devices: ['lamp'],
    });
    expect((await refused).code).toBe('ERR_VERSION_REFUSED');
    const desc = expect.stringContaining(`${version} is not newer than 2.0.0`);
    expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1, desc });
  }

  const newer = await world.store(image, { version: '2.0.1' });
  await world.platform.upgrades.start({ firmwareId: newer.id, devices: ['lamp'] });
  expect((await offered).version).toBe('2.0.1');
});

test('newerOnly goes by what was reported for the module', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register(), { verify: { newerOnly: true } });
  await world.report(device, '9.0.0');
  await world.report(device, '0.9.0', { module: 'MCU' });
  const offered = nextUpgrade(device);
  const firmware = await world.store(image, { version: '1.0.0', module: 'MCU' });
  await world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  expect(await offered).toMatchObject({ version: '1.0.0', module: 'MCU' });
});

test('allowVersion decides, and check() rejects with what it refused', async () => {
  await using world = await World.open();
  const asked: unknown[] = [];
  const device = await world.connect(await world.register(), {
    verify: {
      allowVersion: (version, context) => {
        asked.push([version, context]);
        return version !== '2.0.0';
      },
    },
  });
  await world.report(device, '1.0.0');
  const firmware = await world.store(image);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    delivery: 'pull',
  });
  const refused = nextRefusal(device);
  await expect(device.ota.check()).rejects.toMatchObject({
    code: 'ERR_VERSION_REFUSED',
    detail: '2.0.0: allowVersion said false',
  });
  expect((await refused).code).toBe('ERR_VERSION_REFUSED');
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
  expect(asked).toEqual([['2.0.0', { module: undefined, current: '1.0.0' }]]);
});

test('what allowVersion throws is the cause, and nothing breaks', async () => {
  await using world = await World.open();
  const cause = new Error('the list of versions is not there');
  let throws = true;
  const device = await world.connect(await world.register(), {
    verify: {
      allowVersion: () => {
        if (throws) throw cause;
        return true;
      },
    },
  });
  await world.report(device, '1.0.0');
  const refused = nextRefusal(device);
  const firmware = await world.store(image);
  const start = () => world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const { id } = await start();
  expect(await refused).toMatchObject({ code: 'ERR_VERSION_REFUSED', cause });
  const outcome = await world.outcome(id);
  expect(outcome).toMatchObject({ state: 'failed', step: -1 });
  // What it threw is for the program alone.
  expect(outcome.desc).not.toContain(cause.message);

  throws = false;
  const offered = nextUpgrade(device);
  await start();
  expect((await offered).version).toBe('2.0.0');
});
