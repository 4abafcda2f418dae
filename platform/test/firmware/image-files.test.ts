import { readdir, readFile } from 'node:fs/promises';
import { ImageFiles } from '../../src/firmware/image-files';
import { OwnedFiles } from '../../src/store/owned-files';
import { md5, sha256 } from '../support/download';
import { MemoryStore } from '../support/memory-store';
import { temporaryFolder } from '../support/start';

const data = Buffer.from('image');
const options = { productKey: 'pk', version: '1' };
let owned: OwnedFiles;
let copies: ImageFiles;

beforeEach(async () => {
  owned = new OwnedFiles(new MemoryStore(), await temporaryFolder(), 'firmware');
  await owned.open();
  copies = new ImageFiles(owned, 10);
});

async function* failing() {
  yield data;
  throw new Error('the upload broke off');
}

async function* full() {
  yield data;
  throw Object.assign(new Error('write'), { code: 'ENOSPC' });
}

test('an image is copied under its id', async () => {
  const copied = await copies.copy(['a'], { ...options, data });
  expect(copied).toEqual({ size: 5, md5: md5(data), sha256: sha256(data) });
  expect(await readFile(owned.path('a'))).toEqual(data);
  expect(await readdir(owned.directory)).toEqual(['a.bin']);
});

test('several files are copied under ids of their own, and digested as one too', async () => {
  const more = Buffer.from('more');
  const copied = await copies.copy(['a', 'b'], {
    ...options,
    files: [
      { name: 'x', data },
      { name: 'y', data: more },
    ],
  });
  expect(copied).toMatchObject({
    size: 9,
    sha256: sha256(Buffer.concat([data, more])),
    files: [
      { id: 'a', name: 'x', size: 5, sha256: sha256(data) },
      { id: 'b', name: 'y', size: 4, sha256: sha256(more) },
    ],
  });
  expect((await readdir(owned.directory)).sort()).toEqual(['a.bin', 'b.bin']);
});

test.each([
  ['that is too long', { data: Buffer.alloc(11) }, 'ERR_FIRMWARE_TOO_LARGE'],
  ['that is empty', { data: Buffer.alloc(0) }, 'ERR_INVALID_ARGUMENT'],
  ['that is not there', { file: '/nowhere' }, 'ERR_INVALID_ARGUMENT'],
  ['whose upload breaks off', { stream: failing() }, undefined],
  ['for which there is no room', { stream: full() }, 'ERR_STATE_FULL'],
])('a file %s takes those before it with it', async (_, source, code) => {
  const copying = copies.copy(['a', 'b'], {
    ...options,
    files: [
      { name: 'x', data: Buffer.from('x') },
      { name: 'y', ...source },
    ],
  });
  await expect(copying).rejects.toMatchObject(code === undefined ? {} : { code });
  expect(await readdir(owned.directory)).toEqual([]);
});
