import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { keptSecret, writePrivate } from '../../src/store/private-files';
import { temporaryFolder } from '../support/start';

test('a file is readable by its owner alone, unless another mode is asked for', async () => {
  const folder = await temporaryFolder();
  await writePrivate(`${folder}/secret`, 'text');
  await writePrivate(`${folder}/public`, 'text', 0o644);
  expect((await stat(`${folder}/secret`)).mode & 0o777).toBe(0o600);
  expect((await stat(`${folder}/public`)).mode & 0o044).not.toBe(0);
});

test('a file is replaced as a whole, and nothing else stays', async () => {
  const folder = await temporaryFolder();
  await writePrivate(`${folder}/a`, 'one');
  await writePrivate(`${folder}/a`, 'two');
  expect(await readFile(`${folder}/a`, 'utf8')).toBe('two');
  await expect(writePrivate(folder, 'a directory')).rejects.toThrow();
  expect(await readdir(folder)).toEqual(['a']);
});

test('what there is no room for leaves nothing', async () => {
  const folder = await temporaryFolder();
  const handle = await open(`${folder}/probe`, 'w');
  const prototype = Object.getPrototypeOf(handle) as { writeFile: () => Promise<void> };
  await handle.close();
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const spy = jest.spyOn(prototype, 'writeFile').mockRejectedValue(full);
  try {
    await expect(writePrivate(`${folder}/a`, 'text')).rejects.toThrow('full');
  } finally {
    spy.mockRestore();
  }
  expect(await readdir(folder)).toEqual(['probe']);
});

test('a secret is made once', async () => {
  const folder = await temporaryFolder();
  const path = `${folder}/secret`;
  expect(await keptSecret(path, () => 'first')).toBe('first');
  expect(await keptSecret(path, () => 'second')).toBe('first');
  await writeFile(path, '\n');
  expect(await keptSecret(path, () => 'third')).toBe('third');
});

test('a secret that cannot be read is an error, not a new one', async () => {
  const folder = await temporaryFolder();
  await expect(keptSecret(folder, () => 'new')).rejects.toMatchObject({ code: 'EISDIR' });
});
