import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { ManualClock } from '../../src/base/clock';
import { StateProblems } from '../../src/base/problems';
import { ConfigStore, readConfig } from '../../src/configs/store';
import { sha256 } from '../support/download';
import { MemoryStore } from '../support/memory-store';
import { temporaryFolder } from '../support/start';

const productKey = 'pk';
let records: MemoryStore;
let stateDir: string;
let directory: string;
let problems: StateProblems;
let store: ConfigStore;

async function open(): Promise<ConfigStore> {
  const opened = new ConfigStore(records, new ManualClock(), stateDir, problems);
  await opened.load();
  return opened;
}

beforeEach(async () => {
  records = new MemoryStore();
  stateDir = await temporaryFolder();
  directory = `${stateDir}/config`;
  problems = new StateProblems();
  store = await open();
});

test('a product has one configuration, in one file', async () => {
  const first = await store.set({ productKey, data: '{"a":1}' });
  const second = await store.set({ productKey, data: '{"a":2}', signMethod: 'MD5' });
  expect(second).toMatchObject({ size: 7, sha256: sha256(Buffer.from('{"a":2}')) });
  expect([first.signMethod, second.signMethod]).toEqual(['SHA256', 'MD5']);
  expect(await readdir(directory)).toEqual([`${second.id}.bin`]);
  expect(await readFile(store.path(second.id), 'utf8')).toBe('{"a":2}');
  expect(store.image(second.id)).toMatchObject({ id: second.id, owner: second.id });
  expect(store.image(first.id)).toBeUndefined();
  await store.remove(productKey);
  await store.remove(productKey);
  expect([store.list(), await readdir(directory)]).toEqual([[], []]);
});

test('a restart finds it, and leaves the files of others alone', async () => {
  const config = await store.set({ productKey, data: 'x' });
  await writeFile(`${directory}/mine.bin`, '');
  store = await open();
  expect(store.get(productKey)).toEqual(config);
  expect((await readdir(directory)).sort()).toEqual([`${config.id}.bin`, 'mine.bin'].sort());
  expect(await store.strangers()).toEqual(['mine.bin']);
});

test('a change that cannot be kept did not happen', async () => {
  const config = await store.set({ productKey, data: 'x' });
  records.refusal = new Error('no room');
  await expect(store.set({ productKey, data: 'y' })).rejects.toThrow('no room');
  await expect(store.remove(productKey)).rejects.toThrow('no room');
  expect(store.get(productKey)).toEqual(config);
  records.refusal = undefined;
  expect(await readdir(directory)).toEqual([`${config.id}.bin`]);
});

test('a file that is not there is named', async () => {
  const { id } = await store.set({ productKey, data: 'x' });
  await rm(store.path(id));
  store = await open();
  expect(problems.list).toEqual([
    { what: 'image', name: `config/${id}.bin`, reason: 'it is not there' },
  ]);
});

test('an upload is read no further than it may be long', async () => {
  let read = 0;
  async function* endless() {
    for (; ; read++) yield Buffer.alloc(1024);
  }
  await expect(readConfig(endless())).rejects.toMatchObject({ code: 'ERR_CONFIG_TOO_LARGE' });
  expect(read).toBe(64);
});
