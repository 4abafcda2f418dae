import { readdir, writeFile } from 'node:fs/promises';
import { OwnedFiles } from '../../src/store/owned-files';
import { MemoryStore } from '../support/memory-store';
import { temporaryFolder } from '../support/start';

let store: MemoryStore;
let stateDir: string;
let files: OwnedFiles;

beforeEach(async () => {
  store = new MemoryStore();
  stateDir = await temporaryFolder();
  files = await reopen();
});

async function reopen(folder: 'firmware' | 'config' = 'firmware'): Promise<OwnedFiles> {
  const opened = new OwnedFiles(store, stateDir, folder);
  await opened.open();
  return opened;
}

test('a start removes what was announced and never kept, and nothing else', async () => {
  await files.announce(['half', 'whole', 'kept']);
  await writeFile(files.partPath('half'), '');
  await writeFile(files.path('whole'), '');
  await writeFile(files.path('kept'), '');
  await store.commit(files.keep(['kept']));
  // Of somebody else, however they are called.
  const others = ['0123456789abcdef.bin', 'mine.bin', 'mine.bin.part', 'notes.txt'];
  for (const name of others) await writeFile(`${files.directory}/${name}`, '');
  files = await reopen();
  expect((await readdir(files.directory)).sort()).toEqual([...others, 'kept.bin'].sort());
  expect(await store.load('file')).toEqual([]);
  expect((await files.strangers((id) => id === 'kept')).sort()).toEqual([...others].sort());
});

test('a start ends a removal that was interrupted', async () => {
  await files.announce(['a']);
  await writeFile(files.path('a'), '');
  await store.commit(files.keep(['a']));
  await store.commit(files.condemn(['a']));
  files = await reopen();
  expect(await readdir(files.directory)).toEqual([]);
});

test('the notes of one folder are not those of another', async () => {
  await files.announce(['a']);
  await writeFile(files.path('a'), '');
  await reopen('config');
  expect(await readdir(files.directory)).toEqual(['a.bin']);
});
