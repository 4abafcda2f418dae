import { readFile } from 'node:fs/promises';
import { imageOf } from '../support/image';
import { statesOf, World } from '../support/world';

const image = imageOf(3_000_017);

test.each(['SHA256', 'MD5'] as const)(
  'a device is upgraded from 1.0.0 to 2.0.0 (%s)',
  async (signMethod) => {
    await using world = await World.open();
    const key = await world.register();
    const { platform } = world;

    const device = await world.connect(key);
    const reported = platform.waitFor('version-reported');
    await world.report(device, '1.0.0');
    await reported;
    expect(platform.devices.get(key)?.versions).toEqual({ default: '1.0.0' });

    const firmware = await world.store(image, { signMethod, extData: { key1: 'value1' } });
    const upgrades = device.ota.upgrades();
    const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    const { value: upgrade } = await upgrades.next();
    expect(upgrade).toMatchObject({
      version: '2.0.0',
      size: image.length,
      isDiff: false,
    });

    const target = world.path('firmware.bin');
    const steps: number[] = [];
    platform.on('progress', ({ step }) => steps.push(step));
    await upgrade.download(target);
    expect(image.equals(await readFile(target))).toBe(true);
    expect(await world.files()).toEqual(['firmware.bin']);

    await device.close();
    const restarted = await world.connect(key);
    await world.report(restarted, '2.0.0');
    const task = await world.outcome(id);
    expect(task.state).toBe('succeeded');
    expect(statesOf(task)).toEqual(['pending', 'pushed', 'upgrading', 'succeeded']);
    expect(steps.at(-1)).toBe(100);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
  },
);
