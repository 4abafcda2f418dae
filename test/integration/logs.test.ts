import { LogTail } from 'iotkit-ota';
import { World } from '../support/world';

test('what a device uploads stands on the platform, beside its upgrade', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  await world.report(device, '1.0.0');
  const { id: firmwareId } = await world.store(Buffer.from('image'), { version: '2.0.0' });
  const upgrade = device.ota.nextUpgrade();
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  const tail = new LogTail();
  tail.add({ level: 'info', module: 'agent', content: `upgrade to ${(await upgrade).version}` });
  tail.add({ level: 'error', module: 'agent', code: -1, content: 'no space'.padEnd(5000, '.') });
  await (await upgrade).fail('no space');
  await device.logs.post(tail.entries());
  const shown = world.platform.upgrades.logs(id, ['lamp']);
  expect(shown).toMatchObject([
    { logLevel: 'INFO', module: 'agent', code: '0', logContent: 'upgrade to 2.0.0' },
    { logLevel: 'ERROR', module: 'agent', code: '-1' },
    { logLevel: 'ERROR', module: 'agent', code: '-1' },
  ]);
  expect(
    shown
      .slice(1)
      .map(({ logContent }) => logContent)
      .join(''),
  ).toHaveLength(5000);
});

test('hundreds of entries go in several messages', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key);
  const content = (i: number): string => `entry ${i}`;
  await device.logs.post(
    Array.from({ length: 130 }, (_, i) => ({ level: 'info', content: content(i) })),
  );
  const shown = world.platform.logs.list(key).map(({ logContent }) => logContent);
  expect(shown).toEqual(Array.from({ length: 130 }, (_, i) => content(i)));
});

test('an operator switches the upload on and off, and the device hears of it', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key);
  expect(await device.logs.wanted()).toBe(false);
  const heard: boolean[] = [];
  let next: () => void = () => {};
  const subscription = await device.logs.onWanted((wanted) => {
    heard.push(wanted);
    next();
  });
  for (const wanted of [true, false]) {
    const told = new Promise<void>((resolve) => {
      next = resolve;
    });
    await world.platform.logs.want(key, wanted);
    await told;
    expect(await device.logs.wanted()).toBe(wanted);
  }
  expect(heard).toEqual([true, false]);
  subscription.off();
  await world.platform.logs.want(key, true);
  expect(await device.logs.wanted()).toBe(true);
  expect(heard).toEqual([true, false]);
});
