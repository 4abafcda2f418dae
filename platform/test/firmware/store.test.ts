import { readdir, rm, writeFile } from 'node:fs/promises';
import { ManualClock } from '../../src/base/clock';
import { StateProblems } from '../../src/base/problems';
import { FirmwareStore } from '../../src/firmware/store';
import { MemoryStore } from '../support/memory-store';
import { temporaryFolder } from '../support/start';

const clock = new ManualClock();
const options = { productKey: 'pk', version: '1', data: Buffer.from('image') };
const records = new MemoryStore();
const problems = new StateProblems();
const inUse = new Set<string>();
let directory: string;
let store: FirmwareStore;

async function open(): Promise<FirmwareStore> {
  const opened = new FirmwareStore({
    store: records,
    clock,
    problems,
    stateDir: directory,
    maxBytes: 100,
    isInUse: (id) => inUse.has(id),
  });
  await opened.load();
  return opened;
}

beforeEach(async () => {
  directory = await temporaryFolder();
  store = await open();
});

afterEach(async () => {
  for (const { id } of store.list()) await store.remove(id);
});

test('firmware is listed oldest first, and found after a restart', async () => {
  const second = await store.add(options);
  clock.advance(-1000);
  const first = await store.add({ ...options, module: 'default', allowSameVersion: true });
  expect(store.list()).toEqual([first, second]);
  expect(first).not.toHaveProperty('module');
  store = await open();
  expect(store.list()).toEqual([first, second]);
  expect(store.get(first.id)).toEqual(first);
});

test('what is served is an image, or each of several files', async () => {
  const image = await store.add(options);
  expect(store.image(image.id)).toMatchObject({ id: image.id, owner: image.id, size: 5 });
  const { data: _, ...rest } = options;
  const several = await store.add({
    ...rest,
    version: '2',
    files: [{ name: 'a', data: Buffer.from('a') }],
  });
  expect(store.image(several.id)).toBeUndefined();
  const [file] = several.files ?? [];
  expect(store.image(file?.id ?? '')).toMatchObject({ owner: several.id, name: 'a', size: 1 });
});

test('firmware in use stays, any other is removed with its image', async () => {
  const { id } = await store.add(options);
  inUse.add(id);
  await expect(store.remove(id)).rejects.toMatchObject({ code: 'ERR_FIRMWARE_IN_USE' });
  inUse.clear();
  await store.remove(id);
  expect([store.get(id), await readdir(store.directory)]).toEqual([undefined, []]);
  await expect(store.remove(id)).rejects.toMatchObject({ code: 'ERR_FIRMWARE_UNKNOWN' });
});

test('with firmware that is being removed nothing begins any more', async () => {
  const { id } = await store.add(options);
  records.refusal = new Error('full');
  const refused = store.remove(id);
  expect(() => store.expect(id)).toThrow(expect.objectContaining({ code: 'ERR_FIRMWARE_UNKNOWN' }));
  await expect(refused).rejects.toThrow('full');
  records.refusal = undefined;
  expect(store.expect(id)).toMatchObject({ id });
});

test('the same version of a product and module is refused, in a row and at once', async () => {
  const first = await store.add(options);
  const exists = { code: 'ERR_FIRMWARE_EXISTS' };
  await expect(store.add({ ...options, module: 'default' })).rejects.toMatchObject(exists);
  const mcu = { ...options, module: 'mcu' };
  const both = await Promise.allSettled([store.add(mcu), store.add(mcu)]);
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(both[1]).toMatchObject({ reason: { message: expect.stringMatching(/is being added/) } });
  await store.add({ ...options, productKey: 'other' });
  await store.add({ ...options, allowSameVersion: true });
  expect(store.list()).toHaveLength(4);
  // Once it is gone, or its upload has failed, the version is free.
  for (const { id } of store.list()) await store.remove(id);
  await expect(store.add({ ...options, data: Buffer.alloc(101) })).rejects.toThrow();
  expect((await store.add(options)).version).toBe(first.version);
});

test('a removal or an upload that cannot be made to last leaves everything as it was', async () => {
  const { id } = await store.add(options);
  records.refusal = new Error('no room');
  await expect(store.add({ ...options, version: '2' })).rejects.toThrow('no room');
  await expect(store.remove(id)).rejects.toThrow('no room');
  records.refusal = undefined;
  expect([store.list().length, await readdir(store.directory)]).toEqual([1, [`${id}.bin`]]);
  store = await open();
  expect(store.get(id)).toBeDefined();
});

test('an image that is not there, or not whole, is named and not announced', async () => {
  const one = await store.add(options);
  const two = await store.add({ ...options, version: '2' });
  await rm(store.path(one.id));
  await writeFile(store.path(two.id), 'im');
  store = await open();
  expect(store.available(one.id)).toBeUndefined();
  expect(problems.list).toHaveLength(2);
  expect(problems.list).toEqual(
    expect.arrayContaining([
      { what: 'image', name: `firmware/${one.id}.bin`, reason: 'it is not there' },
      { what: 'image', name: `firmware/${two.id}.bin`, reason: 'it has 2 bytes, not 5' },
    ]),
  );
  await writeFile(store.path(one.id), 'image');
  expect(await store.isWhole(one.id)).toBe(true);
  expect(store.available(one.id)).toEqual(one);
});

test('traffic is counted since the start', async () => {
  const { id } = await store.add(options);
  expect(store.traffic(id)).toEqual({ requests: 0, bytes: 0 });
  store.count(id, 3);
  store.count(id, 4);
  store.count('unknown', 4);
  expect(store.traffic(id)).toEqual({ requests: 2, bytes: 7 });
  expect(() => store.traffic('unknown')).toThrow(
    expect.objectContaining({ code: 'ERR_FIRMWARE_UNKNOWN' }),
  );
});
