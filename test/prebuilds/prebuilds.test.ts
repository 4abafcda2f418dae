import path from 'node:path';
import { imageOf, sha256 } from '../support/image';
import { installMachines, type Machine, machines, packed } from '../support/machines';
import { run } from '../support/process';
import { World } from '../support/world';

// Every addon of a release that can be run here does a whole update, on a machine it is for. The platform stays here.

const image = imageOf(1_000_003);

beforeAll(installMachines, 300_000);

/** The program of test/runtimes, as a device for which an upgrade waits: what it said. */
async function update({ command: [program, ...args], hasTls, env }: Machine): Promise<unknown> {
  await using world = await World.open({ firmwareScheme: hasTls ? 'https' : 'http' });
  const { platform } = world;
  const { productKey, deviceName, deviceSecret } = await world.register();
  const { id: firmwareId } = await world.store(image);
  await platform.upgrades.start({ firmwareId, devices: [deviceName] });
  const url = hasTls ? platform.mqttsUrl : platform.mqttUrl;
  const device = { productKey, deviceName, deviceSecret, url, ca: platform.ca };
  const script = path.join(packed, 'test', 'runtimes', 'programs', 'required.cjs');
  const { code, stdout, stderr } = await run(program, [...args, script, 'update'], {
    env: {
      ...process.env,
      ...env,
      DEVICE: JSON.stringify(hasTls ? device : { ...device, ca: undefined }),
      TARGET: world.path('image'),
    },
  });
  if (code !== 0) return { code, stderr };
  return JSON.parse(stdout);
}

test.each(machines)(
  'an update on $name',
  async (machine) => {
    expect(await update(machine)).toMatchObject({
      toFile: sha256(image),
      inChunks: [sha256(image)],
      lastStep: image.length,
      state: 'closed',
      threads: 0,
      holds: 0,
      ...(machine.hasTls && { tls: 'string' }),
    });
  },
  120_000,
);
