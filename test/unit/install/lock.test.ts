import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock } from '../../../lib/install/lock';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-lock-'));
  path = join(folder, 'lock');
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * A program that holds a lock on the file until it is ended. It is one process: of several only the end of the first is
 * known here, and another may have the lock for a moment more.
 */
async function holder(...options: string[]) {
  const script = 'echo held; exec sleep 600';
  const child = spawn('flock', ['--no-fork', ...options, path, 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return async (): Promise<void> => {
    child.kill('SIGKILL');
    await once(child, 'close');
  };
}

test('one holder at a time, within a process too', async () => {
  const lock = await tryLock(path);
  expect(lock).toBeDefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await tryLock(path)).toBeUndefined();
  await lock?.release();
  const next = await tryLock(path);
  expect(next).toBeDefined();
  await next?.release();
});

test.each(['-x', '-s'])(
  'a program with flock %s holds it; killed, it holds nothing',
  async (how) => {
    const kill = await holder(how);
    expect(await tryLock(path)).toBeUndefined();
    await kill();
    const lock = await tryLock(path);
    expect(lock).toBeDefined();
    await lock?.release();
  },
);

test('a lock that another one holds keeps no file open', async () => {
  const lock = await tryLock(path);
  const closed: unknown[] = [];
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    const close = file.close.bind(file);
    file.close = () => {
      closed.push(given[0]);
      return close();
    };
    return file;
  });
  expect(await tryLock(path)).toBeUndefined();
  expect(closed).toEqual([path]);
  await lock?.release();
});

test('a file that another one makes at the same time is locked as it is', async () => {
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation((...given) => {
    const isMade = (Number(given[1]) & constants.O_EXCL) !== 0;
    if (isMade) writeFileSync(path, 'of the other');
    return open(...given);
  });
  const lock = await tryLock(path);
  expect(lock).toBeDefined();
  await lock?.release();
  expect(readFileSync(path, 'utf8')).toBe('of the other');
});

test('a program started meanwhile does not hold it for us', async () => {
  const lock = await tryLock(path);
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  await lock?.release();
  const next = await tryLock(path);
  expect(next).toBeDefined();
  await next?.release();
  child.kill('SIGKILL');
  await once(child, 'close');
});

test('whoever can only read it can lock it, in a folder of everybody too', async () => {
  chmodSync(folder, 0o1777);
  writeFileSync(path, '');
  chmodSync(path, 0o444);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    const lock = await tryLock(path);
    expect(lock).toBeDefined();
    expect(await tryLock(path)).toBeUndefined();
    await lock?.release();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test.each([
  ['a folder', () => mkdirSync(path)],
  ['a pipe', () => void spawnSync('mkfifo', [path])],
])('%s is refused', async (_, make) => {
  make();
  const refused = { code: 'ERR_FILE_ACCESS', detail: `${path} is no regular file` };
  await expect(tryLock(path)).rejects.toMatchObject(refused);
});

test('a link, a missing directory, a missing flock', async () => {
  symlinkSync(join(folder, 'elsewhere'), path);
  const linked = { code: 'ERR_FILE_ACCESS', message: expect.stringContaining('symbolic link') };
  await expect(tryLock(path)).rejects.toMatchObject(linked);
  const none = join(folder, 'none', 'lock');
  await expect(tryLock(none)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  const { PATH } = process.env;
  process.env.PATH = folder;
  try {
    const missing = {
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: expect.stringContaining('util-linux'),
    };
    await expect(tryLock(join(folder, 'other'))).rejects.toMatchObject(missing);
  } finally {
    process.env.PATH = PATH;
  }
});
