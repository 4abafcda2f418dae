import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { transformSync } from '@swc/core';
import { imageOf } from '../../support/image';
import { Program, reached, startsOf } from '../../support/program';
import { World } from '../../support/world';

// The first program of README.md as a process on a real platform: through a crash, a failed
// download, and the restart into the new version.

const root = path.join(__dirname, '../../..');
const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;

/** What the README leaves to the reader: a device that restarts as soon as it has an image. */
const myDevice = (identity: object): string => `
const fs = require('node:fs');
const file = __dirname + '/version';
exports.identity = ${JSON.stringify(identity)};
exports.version = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '1.0.0';
exports.activate = async () => {
  fs.writeFileSync(file, '2.0.0');
  process.exit(0);
};
`;

/** The program, ready to be started, with the platform of the test in place of the public one. */
async function begin(world: World): Promise<() => Program> {
  const { platform } = world;
  const { productKey, deviceName, deviceSecret } = await world.register();
  const place = JSON.stringify({ url: platform.mqttsUrl, tls: { ca: platform.ca } });
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  const [, text = ''] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
  const imports = text.match(/^import .*$/gm) ?? [];
  const body = text
    .replace(/^import .*$/gm, '')
    .replace("region: 'cn-shanghai'", `...${place}`)
    .replace('/var/lib/app/firmware.bin', world.path('firmware.bin'));
  expect(body).toContain(platform.mqttsUrl);
  const { code } = transformSync(`${imports.join('\n')}\n(async () => {${body}})();`, {
    swcrc: false,
    module: { type: 'commonjs' },
    jsc: { target: 'es2022', parser: { syntax: 'typescript' }, externalHelpers: false },
  });
  await mkdir(world.path('node_modules'));
  await symlink(root, world.path('node_modules/iotkit-ota'));
  await writeFile(world.path('my-device.js'), myDevice({ productKey, deviceName, deviceSecret }));
  await writeFile(world.path('first.js'), code);
  return () => Program.run(world.path('first.js'));
}

test('goes on after a crash in the middle, and the next start completes the update', async () => {
  await using world = await World.open({ faults: [stall] });
  const start = await begin(world);
  const { id: firmwareId } = await world.store(image);
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  const half = reached(world, 50);
  const first = start();
  await half;
  await first.stop('SIGKILL');

  const starts = startsOf(world);
  expect(await start().ended).toEqual({ code: 0, signal: null }); // the restart of the device
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
  const updated = start();
  expect((await world.outcome(id)).state).toBe('succeeded');
  await updated.stop('SIGTERM');
});

test('takes an upgrade again whose download has failed', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-status', status: 404, times: 1 }],
  });
  const start = await begin(world);
  const { id: firmwareId } = await world.store(image);
  const retry = { attempts: 1, delayMinutes: 0 } as const;
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'], retry });
  const first = start();
  await first.says(/ERR_HTTP_STATUS/);
  expect(await first.ended).toEqual({ code: 0, signal: null });
  const updated = start();
  expect((await world.outcome(id)).state).toBe('succeeded');
  await updated.stop('SIGTERM');
});
