import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FirmwareOptions, Platform } from '../src/index';
import { type Notice, PRODUCT, readyDevice, type TestDevice } from './support/device';
import { bytes, download, md5, sha256 } from './support/download';
import { startPlatform, temporaryFolder } from './support/start';

const kernel = bytes(300_000);
const system = bytes(700_001);
const files = [
  { name: 'kernel.img', data: kernel },
  { name: 'system.img', data: system },
];
let platform: Platform;
let lamp: TestDevice;

beforeEach(async () => {
  platform = await startPlatform();
  lamp = await readyDevice(platform);
});

function add(options: Partial<FirmwareOptions> = {}) {
  return platform.firmware.add({ productKey: PRODUCT, version: '2', files, ...options });
}

async function notice(options: Partial<FirmwareOptions> = {}): Promise<Notice['data']> {
  const firmware = await add(options);
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  return (await lamp.notice()).data;
}

test('are announced together, each with its own address, size and digest', async () => {
  const data = await notice({ extData: { a: 'b' }, signMethod: 'SHA256' });
  expect(data).toEqual({
    version: '2',
    signMethod: 'Sha256',
    extData: { a: 'b' },
    files: [
      {
        fileName: 'kernel.img',
        fileSize: kernel.length,
        fileUrl: expect.stringMatching(/^https:/),
        fileSign: sha256(kernel),
      },
      {
        fileName: 'system.img',
        fileSize: system.length,
        fileUrl: expect.stringMatching(/^https:/),
        fileSign: sha256(system),
      },
    ],
  });
  const [first, second] = data.files ?? [];
  expect((await download(platform, first?.fileUrl ?? '')).body.equals(kernel)).toBe(true);
  expect((await download(platform, second?.fileUrl ?? '')).body.equals(system)).toBe(true);
});

test('have fileMd5 besides fileSign with MD5', async () => {
  const data = await notice({ signMethod: 'MD5' });
  expect(data.files?.map(({ fileMd5, fileSign }) => [fileMd5, fileSign])).toEqual([
    [md5(kernel), md5(kernel)],
    [md5(system), md5(system)],
  ]);
});

test('are one firmware: size and digests of all in a row, faults, events and traffic', async () => {
  const firmware = await add();
  const all = Buffer.concat([kernel, system]);
  expect(firmware).toMatchObject({ size: all.length, md5: md5(all), sha256: sha256(all) });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const { files: announced = [] } = (await lamp.notice()).data;
  platform.faults.set({ kind: 'http-drop', afterBytes: 1_000, firmwareId: firmware.id, times: 1 });
  const event = platform.waitFor('download');
  await download(platform, announced[1]?.fileUrl ?? '');
  expect(await event).toMatchObject({
    firmwareId: firmware.id,
    file: 'system.img',
    bytes: 1_000,
    complete: false,
  });
  const whole = platform.waitFor('download');
  await download(platform, announced[0]?.fileUrl ?? '');
  await whole;
  expect(platform.firmware.traffic(firmware.id)).toEqual({
    requests: 2,
    bytes: 1_000 + kernel.length,
  });
});

test('can be announced wrong: the first of them', async () => {
  platform.faults.set({ kind: 'notice-digest' });
  platform.faults.set({ kind: 'notice-size', delta: 3 });
  const { files: announced = [] } = await notice({ signMethod: 'MD5' });
  const [first, second] = announced;
  expect(first?.fileSize).toBe(kernel.length + 3);
  expect(first?.fileSign).toMatch(/^[0-9a-f]{32}$/);
  expect(first?.fileSign).not.toBe(md5(kernel));
  expect(first?.fileMd5).toBe(first?.fileSign);
  expect(second?.fileSign).toBe(md5(system));
});

test('an upgrade with them succeeds as any other', async () => {
  const firmware = await add();
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  await lamp.notice();
  await lamp.progress(50);
  await lamp.inform('2');
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks[0]?.history.map(({ state }) => state)).toEqual([
    'pending',
    'pushed',
    'upgrading',
    'succeeded',
  ]);
});

test('come from files, outlive a restart, and go with their firmware', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'kernel'), kernel);
  const stateDir = join(folder, 'state');
  const before = await startPlatform({ stateDir });
  const { id } = await before.firmware.add({
    productKey: PRODUCT,
    version: '2',
    files: [{ name: 'kernel', file: join(folder, 'kernel') }],
  });
  await before.close();
  const after = await startPlatform({ stateDir });
  const [file] = after.firmware.get(id)?.files ?? [];
  expect(file).toMatchObject({ name: 'kernel', size: kernel.length, sha256: sha256(kernel) });
  expect(await readdir(after.firmware.directory)).toEqual([`${file?.id}.bin`]);
  await after.firmware.remove(id);
  expect(await readdir(after.firmware.directory)).toEqual([]);
});

test('a file that fails takes the others with it', async () => {
  const missing = { name: 'missing', file: '/does/not/exist' };
  await expect(add({ files: [...files, missing] })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
  expect(platform.firmware.list()).toEqual([]);
  expect(await readdir(platform.firmware.directory)).toEqual([]);
});

const data = Buffer.from('x');

test.each<readonly [string, Partial<FirmwareOptions>]>([
  ['no file', { files: [] }],
  ['more than 20', { files: Array.from({ length: 21 }, (_, i) => ({ name: `${i}`, data })) }],
  [
    'two of one name',
    {
      files: [
        { name: 'a', data },
        { name: 'a', data },
      ],
    },
  ],
  ['an image besides', { data }],
  ['a directory in the name', { files: [{ name: 'a/b', data }] }],
  ['a name that leads out', { files: [{ name: '..', data }] }],
  ['a name with a control character', { files: [{ name: 'a\n', data }] }],
  ['a name that is too long', { files: [{ name: 'a'.repeat(243), data }] }],
  ['an empty name', { files: [{ name: '', data }] }],
  ['no source', { files: [{ name: 'a' }] }],
  ['two sources', { files: [{ name: 'a', data, file: 'b' }] }],
  ['an empty file', { files: [{ name: 'a', data: Buffer.alloc(0) }] }],
])('are refused: %s', async (_, options) => {
  await expect(add(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});

describe('in one upload', () => {
  async function upload(sizes: readonly number[], body: Uint8Array): Promise<Response> {
    const names = sizes.map((size, i) => ({ name: `file${i}`, size }));
    const query = new URLSearchParams({
      productKey: PRODUCT,
      version: '2',
      files: JSON.stringify(names),
    });
    return fetch(`${platform.apiUrl}/firmware?${query}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${platform.operatorToken}`,
        'content-type': 'application/octet-stream',
        connection: 'close',
      },
      body: new Uint8Array(body),
    });
  }

  const all = Buffer.concat([kernel, system]);

  test('are cut by their sizes', async () => {
    const answer = await upload([kernel.length, system.length], all);
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      size: all.length,
      files: [
        { name: 'file0', sha256: sha256(kernel) },
        { name: 'file1', sha256: sha256(system) },
      ],
    });
  });

  test.each([
    ['too short', [kernel.length, system.length + 1]],
    ['too long', [kernel.length, system.length - 1]],
    ['empty', [kernel.length, 0]],
  ])('are refused when the body or a file is %s', async (_, sizes) => {
    const answer = await upload(sizes, all);
    expect(answer.status).toBe(400);
    expect(await readdir(platform.firmware.directory)).toEqual([]);
  });
});
