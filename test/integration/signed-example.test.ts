import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { imageOf } from '../support/image';
import { run, start } from '../support/process';
import { PRODUCT_KEY, World } from '../support/world';

// examples/ts/signed-update.ts as the program it is.

const program = path.join(__dirname, '../../examples/dist/ts/signed-update.js');
const image = imageOf(300_007);
const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Announces the image with `signature` to a new device; returns what the program is to be given. */
async function prepare(world: World, signature: string | undefined) {
  const { deviceSecret } = await world.register();
  const { id: firmwareId } = await world.store(image, {
    signMethod: 'SHA256',
    ...(signature !== undefined && { extData: { signature } }),
  });
  const { id: upgradeId } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  await writeFile(world.path('ca.pem'), world.platform.ca);
  const publicKey = ours.publicKey.export({ type: 'spki', format: 'pem' });
  await writeFile(world.path('public.pem'), publicKey);
  const place = [world.platform.mqttsUrl, world.path('ca.pem')];
  const device = [PRODUCT_KEY, 'lamp', deviceSecret, world.path('public.pem')];
  const args = [program, ...place, ...device, '1.0.0', world.path('firmware.bin')];
  return { args, upgradeId };
}

async function play(world: World, signature: string) {
  const { args, upgradeId } = await prepare(world, signature);
  const ended = await run(process.execPath, args);
  return { ...ended, task: await world.outcome(upgradeId), files: await world.files() };
}

const signedBy = (key: typeof ours) => sign('sha256', image, key.privateKey).toString('base64');

test('installs what we have signed', async () => {
  await using world = await World.open({ firmwareScheme: 'https' });
  const { code, stdout, stderr, task } = await play(world, signedBy(ours));
  expect({ code, stderr, state: task.state }).toEqual({ code: 0, stderr: '', state: 'succeeded' });
  expect(stdout).toMatch(/upgrade to 2\.0\.0, 300007 bytes\n.*is the signed image\n/);
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('fetches nothing that somebody else has signed', async () => {
  await using world = await World.open({ firmwareScheme: 'https' });
  let requests = 0;
  world.platform.on('download', () => {
    requests += 1;
  });
  const { code, stderr, task, files } = await play(world, signedBy(theirs));
  expect({ code, requests, state: task.state, step: task.step }).toEqual({
    code: 1,
    requests: 0,
    state: 'failed',
    step: -3,
  });
  expect(stderr).toContain('the signature of the image is not valid');
  expect(files.toSorted()).toEqual(['ca.pem', 'public.pem']);
});

test('rejects what has no signature, and waits for another', async () => {
  await using world = await World.open({ firmwareScheme: 'https' });
  const { args, upgradeId } = await prepare(world, undefined);
  const device = await start(process.execPath, args, { ready: /2\.0\.0 is not signed/ });
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -1 });
  await device.stop('SIGINT');
});

test('says how it is used', async () => {
  expect(await run(process.execPath, [program])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^usage: signed-update/),
  });
});
