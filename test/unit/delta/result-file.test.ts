import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import nodeFs from 'node:fs';
import fs, {
  chmod,
  chown,
  lchown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { partOf } from '../../../lib/delta/parts';
import { ResultFile } from '../../../lib/delta/result-file';

let folder = '';
let target = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  target = path.join(folder, 'image');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;
const NOBODY = 65_534;

const part = (): string => partOf(target);
const modeOf = async (name: string): Promise<number> => (await lstat(name)).mode & 0o7777;

test('appears under its name with its last byte, not before', async () => {
  const file = await ResultFile.open(target);
  await file.write(Buffer.from('def'), 3);
  await file.write(Buffer.from('abc'), 0);
  expect(await readdir(folder)).toEqual([path.basename(part())]);
  expect(await modeOf(part())).toBe(0o600);
  await file.commit();
  expect(await readdir(folder)).toEqual(['image']);
  expect(await readFile(target, 'utf8')).toBe('abcdef');
  expect(await modeOf(target)).toBe(0o644 & ~process.umask());
});

test('is on the disk before it has its name', async () => {
  const seen: string[] = [];
  const { open, rename } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    if (given[0] !== part()) return file;
    const [write, sync] = [file.write.bind(file), file.sync.bind(file)];
    file.write = ((...what: Parameters<typeof write>) => {
      seen.push('write');
      return write(...what);
    }) as typeof file.write;
    file.sync = () => {
      seen.push('flush');
      return sync();
    };
    return file;
  });
  jest.spyOn(fs, 'rename').mockImplementation((...given) => {
    seen.push('rename');
    return rename(...given);
  });
  const file = await ResultFile.open(target);
  await file.write(Buffer.from('abc'), 0);
  await file.commit();
  expect(seen).toEqual(['write', 'flush', 'rename']);
});

test('takes the mode of the file that it replaces, without set-id bits; or that of the option', async () => {
  await writeFile(target, 'old');
  await chmod(target, 0o4750);
  await (await ResultFile.open(target, { mode: 0o600 })).commit();
  expect(await modeOf(target)).toBe(0o750);
  await rm(target);
  await (await ResultFile.open(target, { mode: 0o640 })).commit();
  expect(await modeOf(target)).toBe(0o640);
});

describe('a file that others can have put there', () => {
  async function replace(): Promise<{ readonly uid: number; readonly mode: number }> {
    await (await ResultFile.open(target, { mode: 0o666 })).commit();
    const { uid, mode } = await lstat(target);
    return { uid, mode: mode & 0o7777 };
  }
  const ours = { uid: process.geteuid?.() ?? 0, mode: 0o666 & ~process.umask() };

  asRoot('gives the image neither owner nor mode in a directory of all', async () => {
    await chmod(folder, 0o1777);
    await writeFile(target, 'old');
    await chmod(target, 0o666);
    await chown(target, NOBODY, NOBODY);
    expect(await replace()).toEqual(ours);
  });

  asRoot('nor in a directory that is theirs', async () => {
    await writeFile(target, 'old');
    await chown(target, NOBODY, NOBODY);
    await chown(folder, NOBODY, NOBODY);
    expect(await replace()).toEqual(ours);
  });

  asRoot('but does in one that is ours alone', async () => {
    await writeFile(target, 'old');
    await chown(target, NOBODY, NOBODY);
    await chmod(target, 0o640);
    expect(await replace()).toEqual({ uid: NOBODY, mode: 0o640 });
  });

  asRoot('nor does a link of theirs that it replaces', async () => {
    await symlink('other', target);
    await lchown(target, NOBODY, NOBODY);
    expect(await replace()).toEqual(ours);
  });

  test('nor by another name of a file of ours', async () => {
    await chmod(folder, 0o777);
    await writeFile(target, 'old');
    await chmod(target, 0o606);
    await link(target, path.join(folder, 'other'));
    expect(await replace()).toEqual(ours);
  });
});

describe('a symbolic link at the target', () => {
  const write = async (): Promise<void> => {
    const file = await ResultFile.open(target);
    await file.write(Buffer.from('new'), 0);
    await file.commit();
  };
  const other = (): string => path.join(folder, 'inner', 'other');
  beforeEach(() => mkdir(path.join(folder, 'inner')));

  test('stays, and the file is where it leads to, with the part beside it', async () => {
    await symlink('inner/first', target);
    await symlink(other(), path.join(folder, 'inner', 'first'));
    const file = await ResultFile.open(target);
    expect(await readdir(folder)).toEqual(['image', 'inner']);
    await file.write(Buffer.from('new'), 0);
    await file.commit();
    expect(await readlink(target)).toBe('inner/first');
    expect((await lstat(other())).isFile()).toBe(true);
    expect(await readFile(target, 'utf8')).toBe('new');
  });

  test('is followed from the directory that a link to one leads to', async () => {
    await mkdir(path.join(folder, 'far', 'away'), { recursive: true });
    await symlink('far/away', path.join(folder, 'near'));
    await symlink('../other', path.join(folder, 'far', 'away', 'link'));
    const file = await ResultFile.open(path.join(folder, 'near', 'link'));
    await file.commit();
    expect((await lstat(path.join(folder, 'far', 'other'))).isFile()).toBe(true);
  });

  test.each([
    ['/dev/null', /: is no regular file/],
    ['inner', /: is a directory/],
    ['image', /: leads through too many symbolic links/],
  ])('that leads to %s is refused', async (to, message) => {
    await symlink(to, target);
    const attempt = ResultFile.open(target);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(attempt).rejects.toThrow(message);
    expect(await readlink(target)).toBe(to);
    expect(await readdir(folder)).toEqual(['image', 'inner']);
  });

  asRoot("of another user's is replaced, what it leads to stays", async () => {
    await writeFile(other(), 'of others');
    await symlink(other(), target);
    await lchown(target, NOBODY, NOBODY);
    await write();
    expect((await lstat(target)).isFile()).toBe(true);
    expect(await readFile(other(), 'utf8')).toBe('of others');
  });
});

test("another user's file in a sticky directory is refused before the first byte", async () => {
  await chmod(folder, 0o1777);
  await writeFile(target, 'old');
  jest.spyOn(process, 'geteuid').mockReturnValue(4711);
  await expect(ResultFile.open(target)).rejects.toMatchObject({ code: 'ERR_FILE_ACCESS' });
  expect(await readdir(folder)).toEqual(['image']);
});

const SOMEBODY = 4711;
asRoot.each([
  ['is not sticky', 0o777, NOBODY, NOBODY],
  ['is sticky, but ours', 0o1777, SOMEBODY, NOBODY],
  ['is sticky, with a file of ours', 0o1777, NOBODY, SOMEBODY],
])('a file is replaced in a directory that %s', async (_, mode, owner, ownerOfFile) => {
  await writeFile(target, 'old');
  await chmod(folder, mode);
  await chown(folder, owner, owner);
  await chown(target, ownerOfFile, ownerOfFile);
  jest.spyOn(process, 'geteuid').mockReturnValue(SOMEBODY);
  await (await ResultFile.open(target)).commit();
  expect(await readFile(target, 'utf8')).toBe('');
});

test('a mode that the file system does not know is no error', async () => {
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const opened = await open(...given);
    opened.chmod = () => Promise.reject(new Error('EPERM: operation not permitted, fchmod'));
    return opened;
  });
  expect(await (await ResultFile.open(target)).commit()).toBeUndefined();
  expect(await readdir(folder)).toEqual(['image']);
});

test('a part that could not be made locks nothing', async () => {
  const name = path.join(folder, 'later', 'image');
  await expect(ResultFile.open(name)).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  await mkdir(path.dirname(name));
  await (await ResultFile.open(name)).discard();
});

test('a directory that cannot be synced is a warning: the file has its name', async () => {
  const { open } = fs;
  const file = await ResultFile.open(target);
  await file.write(Buffer.from('new'), 0);
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const opened = await open(...given);
    opened.sync = () => Promise.reject(new Error('EIO: i/o error, fsync'));
    return opened;
  });
  const warning = await file.commit();
  expect(warning).toMatch(/^installed, not yet durable: .*image: EIO/);
  expect(await readdir(folder)).toEqual(['image']);
  jest.restoreAllMocks();
  expect(await (await ResultFile.open(target)).commit()).toBeUndefined();
});

describe('space on the disk', () => {
  const MIB = 1024 * 1024;

  /** A file system of 64 GiB, or less, that has so much free. */
  function free(bytes: number, size = 65_536 * MIB): void {
    jest.restoreAllMocks();
    const { statfs } = fs;
    jest.spyOn(fs, 'statfs').mockImplementation(async (...given) => {
      const blocks = { bsize: 4096, blocks: size / 4096, bavail: bytes / 4096 };
      return Object.assign(await statfs(...given), blocks);
    });
  }

  test('is needed beyond a reserve before the first byte', async () => {
    free(17 * MIB - 4096);
    await expect(ResultFile.open(target, { size: MIB })).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
      detail: `${folder}: 1048576 bytes needed, 17821696 free, of which 16777216 stay free`,
    });
    expect(await readdir(folder)).toEqual([]);
    free(17 * MIB);
    await (await ResultFile.open(target, { size: MIB })).discard();
  });

  test('is needed beyond a share of a small one', async () => {
    free(2 * MIB, 64 * MIB);
    await (await ResultFile.open(target, { size: MIB })).discard();
    free(2 * MIB - 4096, 64 * MIB);
    const attempt = ResultFile.open(target, { size: MIB });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
  });

  test('is all of it where the size is bounded otherwise', async () => {
    free(MIB);
    const options = { size: MIB, keepsReserve: false };
    await (await ResultFile.open(target, options)).discard();
    free(MIB - 4096);
    await expect(ResultFile.open(target, options)).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
  });

  test('is hoped for where nobody says how much there is', async () => {
    jest.spyOn(fs, 'statfs').mockRejectedValue(new Error('ENOSYS'));
    await (await ResultFile.open(target, { size: 2 ** 50 })).discard();
  });
});

test('is discarded without a trace; what was there stays', async () => {
  await writeFile(target, 'old');
  const file = await ResultFile.open(target);
  await file.write(Buffer.from('new'), 0);
  await file.discard();
  expect(await readdir(folder)).toEqual(['image']);
  expect(await readFile(target, 'utf8')).toBe('old');
});

test('a link in the place of the part is not written through', async () => {
  await writeFile(path.join(folder, 'other'), 'of others');
  await symlink('other', part());
  const file = await ResultFile.open(target);
  await file.write(Buffer.from('new'), 0);
  await file.commit();
  expect(await readFile(path.join(folder, 'other'), 'utf8')).toBe('of others');
  expect((await lstat(target)).isSymbolicLink()).toBe(false);
});

test('a part that another program has replaced gets no name', async () => {
  const file = await ResultFile.open(target);
  await rm(part());
  await writeFile(part(), 'of others');
  await expect(file.commit()).rejects.toMatchObject({ code: 'ERR_FILE' });
  expect(await readdir(folder)).toEqual([path.basename(part())]);
});

test('one writer at a time', async () => {
  const file = await ResultFile.open(target);
  await expect(ResultFile.open(target)).rejects.toMatchObject({ code: 'ERR_FILE_LOCKED' });
  await file.discard();
  await (await ResultFile.open(target)).discard();
});

describe('parts of other processes', () => {
  const asLinux = process.platform === 'linux' ? test : test.skip;

  async function child(): Promise<ChildProcess & { readonly pid: number }> {
    const it = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: 'pipe' });
    await once(it, 'spawn');
    return it as typeof it & { readonly pid: number };
  }
  async function end(it: ChildProcess): Promise<void> {
    const ended = once(it, 'exit');
    it.kill('SIGKILL');
    await ended;
  }

  test('of one that lives: locked, its part stays; of one that is dead: removed', async () => {
    const other = await child();
    const its = partOf(target, other.pid);
    try {
      await writeFile(its, 'half');
      await expect(ResultFile.open(target)).rejects.toMatchObject({
        code: 'ERR_FILE_LOCKED',
        detail: `${its} is being written by another process`,
      });
      expect(await readdir(folder)).toEqual([path.basename(its)]);
      await (await ResultFile.open(`${target}.2`)).discard();
    } finally {
      await end(other);
    }
    const file = await ResultFile.open(target);
    expect(await readdir(folder)).toEqual([path.basename(part())]);
    await file.discard();
  });

  asLinux('of a dead one whose number another has got: removed', async () => {
    await writeFile(`${target}.${process.ppid}-00000000.delta.part`, 'half');
    await writeFile(`${target}.${process.pid}-00000000.delta.part`, 'half');
    await (await ResultFile.open(target)).discard();
    expect(await readdir(folder)).toEqual([]);
  });

  test('of one that we may not send a signal: it lives', async () => {
    jest.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    });
    const its = partOf(target, process.ppid);
    await writeFile(its, 'half');
    await expect(ResultFile.open(target)).rejects.toMatchObject({ code: 'ERR_FILE_LOCKED' });
    expect(await readdir(folder)).toEqual([path.basename(its)]);
  });

  asLinux('of one that is dead and was not waited for: removed', async () => {
    await writeFile(`${target}.${process.ppid}.delta.part`, 'half');
    // The name of a program may have a bracket in it, too.
    systemSays(`/proc/${process.ppid}/stat`, (text) => text.replace(/\(.*\) ./, '(a) b) Z'));
    await (await ResultFile.open(target)).discard();
    expect(await readdir(folder)).toEqual([]);
  });

  asLinux(
    'of one of the same number and time before the machine was restarted: removed',
    async () => {
      await writeFile(partOf(target, process.ppid), 'half');
      systemSays('/proc/sys/kernel/random/boot_id', () => 'another');
      await (await ResultFile.open(target)).discard();
      expect(await readdir(folder)).toEqual([]);
    },
  );

  function systemSays(name: string, change: (text: string) => string): void {
    const { readFileSync } = nodeFs;
    jest.spyOn(nodeFs, 'readFileSync').mockImplementation(((...given) => {
      const text = readFileSync(...given);
      return given[0] === name ? change(String(text)) : text;
    }) as typeof readFileSync);
  }

  test('only looks like one: stays, and locks nothing', async () => {
    const names = [
      'image.delta.part',
      'image.0.delta.part',
      'image.old.delta.part',
      'other.1.part',
    ];
    for (const name of names) await writeFile(path.join(folder, name), 'of others');
    await symlink('other', `${target}.${process.ppid}.delta.part`);
    await (await ResultFile.open(target)).commit();
    expect(await readFile(path.join(folder, 'image.old.delta.part'), 'utf8')).toBe('of others');
    expect(await readdir(folder)).toHaveLength(names.length + 2);
  });

  test('of this process, by another thread or copy of this code: locked', async () => {
    await writeFile(part(), 'half');
    await expect(ResultFile.open(target)).rejects.toMatchObject({ code: 'ERR_FILE_LOCKED' });
    expect(await readFile(part(), 'utf8')).toBe('half');
  });
});

test('directories are refused, missing ones named', async () => {
  await mkdir(target);
  await expect(ResultFile.open(target)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  const missing = ResultFile.open(path.join(folder, 'none', 'image'));
  await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
});
