import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IotkitError } from '../../../../lib/base/errors';
import {
  DirectoriesInstaller,
  directoriesInstaller,
} from '../../../../lib/install/backends/directories';
import type { Installer } from '../../../../lib/install/installer';
import { sha256 } from '../../../support/image';
import {
  given,
  type InstallerMachine,
  type TestImage,
  testInstaller,
} from '../../../support/installer-contract';

/** A machine whose supervisor starts what `current` says: it writes its version into `running`. */
class Deployment implements InstallerMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'iotkit-releases-'));
  readonly root = join(this.folder, 'app');
  readonly restartScript = `cat ${this.root}/current/version > ${this.folder}/running`;
  installer!: Installer;
  #starts = 0;

  constructor(version = '1.0.0') {
    mkdirSync(join(this.root, 'releases', version), { recursive: true });
    writeFileSync(join(this.root, 'releases', version, 'version'), version);
    symlinkSync(`releases/${version}`, join(this.root, 'current'));
    this.#start();
  }

  #start(): void {
    this.#starts += 1;
    const bootId = `boot-${this.#starts}`;
    const restart = ['sh', '-c', this.restartScript];
    this.installer = new DirectoriesInstaller({ root: this.root, restart }, async () => bootId);
  }

  async restart(): Promise<void> {
    this.#start();
  }

  /** `--format=ustar`, which is the same whenever it is made. */
  async image(version: string, ...options: string[]): Promise<TestImage> {
    const source = join(this.folder, `source-${version}`);
    mkdirSync(join(source, 'lib'), { recursive: true });
    writeFileSync(join(source, 'version'), version);
    writeFileSync(join(source, 'lib', 'data'), Buffer.alloc(100_000, version));
    const path = join(this.folder, `${version}.tar`);
    execFileSync('tar', ['-c', ...options, '-f', path, '-C', source, '.']);
    return { version, path, bytes: readFileSync(path) };
  }

  async versionIn(slot: string): Promise<string | undefined> {
    try {
      return readFileSync(join(this.root, slot, 'version'), 'utf8');
    } catch {
      return undefined;
    }
  }

  async wrongImage(): Promise<TestImage> {
    const path = join(this.folder, 'wrong');
    writeFileSync(path, 'no archive at all');
    return { version: '2.0.0', path, bytes: readFileSync(path) };
  }

  get running(): string {
    return readFileSync(join(this.folder, 'running'), 'utf8');
  }

  async close(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

testInstaller('directories', async () => new Deployment());

const backend = join(__dirname, '../../../../dist/install/index.js');
const isRoot = process.getuid?.() === 0;

describe('directories', () => {
  let machine: Deployment;
  beforeEach(() => {
    machine = new Deployment();
  });
  afterEach(() => machine.close());

  async function update(version: string): Promise<string> {
    const { installer } = machine;
    const { slot } = await installer.install(given(await machine.image(version), 'stream'));
    await installer.activate(slot);
    await installer.reboot();
    return slot;
  }

  test('reboot() restarts the service; what runs is known without a restart of the machine', async () => {
    const { installer } = machine;
    const { slot } = await installer.install(given(await machine.image('2.0.0'), 'stream'));
    await installer.activate(slot);
    expect(await installer.status()).toMatchObject({ booted: 'releases/1.0.0', next: slot });
    await installer.reboot();
    expect(machine.running).toBe('2.0.0');
    expect(await installer.status()).toMatchObject({ booted: slot, next: slot });
    await installer.markBad(slot);
    expect(await installer.status()).toMatchObject({ booted: slot, next: 'releases/1.0.0' });
    await installer.reboot();
    expect(machine.running).toBe('1.0.0');
    expect((await installer.status()).booted).toBe('releases/1.0.0');
  });

  describe('killed while the service is restarted', () => {
    // The restart begins and ends its caller: whether it does more, the next process cannot know.
    function killed(): void {
      const code = `
        const { directoriesInstaller } = require(process.env.BACKEND);
        const restart = ['sh', '-c', 'kill -9 $PPID'];
        directoriesInstaller({ root: process.env.ROOT, restart }).reboot();`;
      const { signal } = spawnSync(process.execPath, ['-e', code], {
        env: { ...process.env, BACKEND: backend, ROOT: machine.root },
      });
      expect(signal).toBe('SIGKILL');
    }
    const restarting = (): Installer =>
      directoriesInstaller({ root: machine.root, restart: ['sh', '-c', machine.restartScript] });
    const booted = async (): Promise<string> => (await restarting().status()).booted;

    async function activated(): Promise<string> {
      const { slot } = await restarting().install(given(await machine.image('2.0.0'), 'stream'));
      await restarting().activate(slot);
      return slot;
    }

    test('the old release counts as running until a restart has come to its end', async () => {
      const slot = await activated();
      killed();
      expect(await restarting().status()).toMatchObject({ booted: 'releases/1.0.0', next: slot });
      await restarting().reboot();
      expect(machine.running).toBe('2.0.0');
      expect(await booted()).toBe(slot);
      // The same on the way back.
      await restarting().markBad(slot);
      killed();
      expect(await restarting().status()).toMatchObject({ booted: slot, next: 'releases/1.0.0' });
      await restarting().markBad(slot);
      await restarting().reboot();
      expect(machine.running).toBe('1.0.0');
      expect(await booted()).toBe('releases/1.0.0');
    });

    test('a restart that always ends its caller is believed at the second time', async () => {
      const slot = await activated();
      killed();
      killed();
      expect(await booted()).toBe(slot);
      await restarting().markGood();
      await restarting().markBad(slot);
      expect(await booted()).toBe(slot);
      killed();
      expect(await booted()).toBe(slot);
      await restarting().markBad(slot);
      killed();
      expect(await booted()).toBe('releases/1.0.0');
    });
  });

  test('one that was ended by its restart, and is a part of the release, tells those outside what runs', async () => {
    const { root } = machine;
    const bootId = async (): Promise<string> => 'one';
    // Each process of the agent is one of the release that its program lies in.
    const inside = (release: string): DirectoriesInstaller => {
      const [, before] = process.argv;
      process.argv[1] = join(root, 'releases', release, 'version');
      try {
        return new DirectoriesInstaller({ root, restart: ['true'] }, bootId);
      } finally {
        process.argv[1] = before as string;
      }
    };
    const first = inside('1.0.0');
    await first.markGood();
    const { slot } = await first.install(given(await machine.image('2.0.0'), 'stream'));
    await first.activate(slot);
    const state = JSON.parse(readFileSync(join(root, 'state.json'), 'utf8'));
    const started = { slot, bootId: 'one', begun: { before: 'releases/1.0.0', times: 1 } };
    writeFileSync(join(root, 'state.json'), JSON.stringify({ ...state, started }));
    const second = inside('2.0.0');
    await second.markGood();
    const outside = new DirectoriesInstaller({ root, restart: ['true'] }, bootId);
    expect(await outside.status()).toMatchObject({ booted: slot, next: slot });
    // Left from outside, as by a supervisor, which then starts the one before.
    await outside.markBad(slot);
    await inside('1.0.0').markGood();
    expect(await outside.status()).toMatchObject({
      ...{ booted: 'releases/1.0.0', next: 'releases/1.0.0' },
    });
  });

  test('a service that does not start: its words, and what was tried is what is booted', async () => {
    const restart = ['sh', '-c', 'echo unit not found >&2; exit 5'];
    const installer = directoriesInstaller({ root: machine.root, restart });
    const { slot } = await installer.install(given(await machine.image('2.0.0'), 'stream'));
    await installer.activate(slot);
    await expect(installer.reboot()).rejects.toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      detail: 'sh ended with 5: unit not found',
    });
    expect((await installer.status()).booted).toBe(slot);
  });

  test.each([
    ['a plain', []],
    ['a compressed', ['--gzip']],
  ])('junk after %s archive does not hide a wrong digest', async (_, how) => {
    const { bytes, ...image } = await machine.image('2.0.0', ...how);
    const junk = Buffer.alloc(4 * 1024 * 1024, how.length === 0 ? 'x' : '\0');
    const size = bytes.length + junk.length;
    const failure = new IotkitError('ERR_DIGEST_MISMATCH', 'of the download');
    async function* open(): AsyncGenerator<Uint8Array> {
      yield bytes;
      yield junk;
      throw failure;
    }
    const { version } = image;
    await expect(machine.installer.install({ version, module: '', size, open })).rejects.toBe(
      failure,
    );
    expect(readdirSync(join(machine.root, 'releases'))).toEqual(['1.0.0']);
    await expect(machine.installer.activate('releases/2.0.0')).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
    });
  });

  test('a file that was exchanged while it waited is not installed', async () => {
    const { path, bytes } = await machine.image('2.0.0');
    const digest = { method: 'sha256', value: sha256(bytes) } as const;
    const evil = await machine.image('6.6.6');
    expect(evil.bytes.length).toBe(bytes.length);
    copyFileSync(evil.path, path);
    const image = { version: '2.0.0', module: '', size: bytes.length, digest, path };
    await expect(machine.installer.install(image)).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
      detail: expect.stringContaining(path),
    });
    expect(readdirSync(join(machine.root, 'releases'))).toEqual(['1.0.0']);
  });

  test.each(['--gzip', '--bzip2', '--xz', '--zstd'])('archives compressed with %s', async (how) => {
    const image = await machine.image('2.0.0', how).catch(() => undefined);
    if (image === undefined) return; // this machine has no such program
    const { slot } = await machine.installer.install(given(image, 'stream'));
    expect(await machine.versionIn(slot)).toBe('2.0.0');
    const { bytes } = image;
    const half = { ...image, bytes: bytes.subarray(0, bytes.length / 2) };
    await expect(
      machine.installer.install({ ...given(half, 'stream'), size: bytes.length }),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_FAILED' });
  });

  test('an archive cannot write outside of its release', async () => {
    const victim = join(machine.folder, 'victim');
    mkdirSync(victim);
    const source = join(machine.folder, 'evil');
    mkdirSync(join(source, 'real'), { recursive: true });
    writeFileSync(join(source, 'real', 'file'), 'evil');
    for (const [i, options] of [
      [`--transform=s,real/file,../../../../victim/file,`, '-P', 'real/file'],
      [`--transform=s,real/file,${victim}/file,`, '-P', 'real/file'],
    ].entries()) {
      const path = join(machine.folder, `evil-${i}.tar`);
      execFileSync('tar', ['-c', '-f', path, '-C', source, ...options]);
      const bytes = readFileSync(path);
      const image = { version: `6.${i}`, path, bytes };
      await machine.installer.install(given(image, 'stream')).catch(() => {});
    }
    const link = join(machine.folder, 'link.tar');
    symlinkSync(victim, join(source, 'out'));
    execFileSync('tar', ['-c', '-f', link, '-C', source, 'out']);
    rmSync(join(source, 'out'));
    mkdirSync(join(source, 'out'));
    writeFileSync(join(source, 'out', 'file'), 'evil');
    execFileSync('tar', ['-r', '-f', link, '-C', source, 'out/file']);
    const image = { version: '6.9', path: link, bytes: readFileSync(link) };
    await machine.installer.install(given(image, 'stream')).catch(() => {});
    expect(readdirSync(victim)).toEqual([]);
  });

  test('special files are refused', async () => {
    const source = join(machine.folder, 'special');
    mkdirSync(source);
    execFileSync('mkfifo', [join(source, 'fifo')]);
    const path = join(machine.folder, 'special.tar');
    execFileSync('tar', ['-c', '-f', path, '-C', source, '.']);
    const image = { version: '2.0.0', path, bytes: readFileSync(path) };
    await expect(machine.installer.install(given(image, 'stream'))).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
    });
  });

  test.each(['../evil', '', '.hidden', 'a/b', '-x', 'x'.repeat(200)])(
    'version %j can be no directory',
    async (version) => {
      const image = { ...(await machine.image('2.0.0')), version };
      await expect(machine.installer.install(given(image, 'stream'))).rejects.toMatchObject({
        code: 'ERR_INSTALL_REFUSED',
      });
    },
  );

  test('the version that runs is installed beside itself', async () => {
    const { slot } = await machine.installer.install(given(await machine.image('1.0.0'), 'stream'));
    expect(slot).toBe('releases/1.0.0~1');
    const { slots } = await machine.installer.status();
    expect(slots.map(({ name, version, state }) => [name, version, state])).toEqual([
      ['releases/1.0.0', '1.0.0', 'good'],
      ['releases/1.0.0~1', '1.0.0', 'bad'],
    ]);
  });

  test('old releases go, the previous one stays; so does nothing of what was cut off', async () => {
    mkdirSync(join(machine.root, 'releases', '.new-abc'));
    for (const version of ['2.0.0', '3.0.0', '4.0.0', '5.0.0']) {
      await update(version);
      await machine.installer.markGood();
    }
    expect(readdirSync(join(machine.root, 'releases')).sort()).toEqual(['3.0.0', '4.0.0', '5.0.0']);
    expect(readlinkSync(join(machine.root, 'current'))).toBe('releases/5.0.0');
    await machine.installer.markBad('releases/5.0.0');
    expect(readlinkSync(join(machine.root, 'current'))).toBe('releases/4.0.0');
  });

  describe('what cannot be removed', () => {
    let warn: jest.SpyInstance;
    beforeEach(() => {
      warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
    });
    afterEach(() => jest.restoreAllMocks());

    /** No file of such a name can be removed. */
    function stick(pattern: RegExp): void {
      const { unlink } = files;
      jest.spyOn(files, 'unlink').mockImplementation(async (path) => {
        if (!pattern.test(String(path))) return unlink(path);
        throw Object.assign(new Error('no'), { code: 'EACCES', syscall: 'unlink' });
      });
    }

    test('an old release is left, and never starts again', async () => {
      stick(/1\.0\.0\/version$/);
      for (const version of ['2.0.0', '3.0.0', '4.0.0', '5.0.0']) {
        await update(version);
        await machine.installer.markGood();
      }
      const { slots } = await machine.installer.status();
      expect(slots.map(({ name, state }) => [name, state])).toEqual([
        ['releases/1.0.0', 'bad'],
        ['releases/3.0.0', 'good'],
        ['releases/4.0.0', 'good'],
        ['releases/5.0.0', 'good'],
      ]);
      await expect(machine.installer.activate('releases/1.0.0')).rejects.toMatchObject({
        code: 'ERR_BOOT_STATE',
      });
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('releases/1.0.0 is left'), {
        code: 'IOTKIT_NOT_REMOVED',
      });
    });

    test('an image gets another name where that of its version is taken by one', async () => {
      stick(/2\.0\.0\/version$/);
      const slot = await update('2.0.0');
      await machine.installer.markBad(slot);
      await machine.installer.reboot();
      expect(await update('2.0.0')).toBe('releases/2.0.0~1');
      expect(machine.running).toBe('2.0.0');
    });

    test('an image that failed keeps its error, and blocks none after it', async () => {
      stick(/\.new-.*\/version$/);
      const image = given(await machine.image('2.0.0'), 'stream');
      const wrong = { ...image, size: image.size + 1 };
      const failure = { code: 'ERR_INSTALL_FAILED', detail: expect.stringContaining('bytes, not') };
      await expect(machine.installer.install(wrong)).rejects.toMatchObject(failure);
      expect(await update('2.0.0')).toBe('releases/2.0.0');
      await machine.installer.markGood();
      expect(machine.running).toBe('2.0.0');
    });

    test('what was confirmed stays so when nobody can say which releases are old', async () => {
      const slot = await update('2.0.0');
      const { readdir } = files;
      jest.spyOn(files, 'readdir').mockRejectedValue(Object.assign(new Error(), { code: 'EIO' }));
      await machine.installer.markGood();
      (files.readdir as unknown as jest.SpyInstance).mockImplementation(readdir);
      expect(JSON.parse(readFileSync(join(machine.root, 'state.json'), 'utf8'))).toMatchObject({
        ...{ good: ['releases/1.0.0', slot], trial: '' },
      });
      expect(warn).toHaveBeenCalledTimes(1);
    });
  });

  test('read-only directories of a user whom rights hold back are removed', async () => {
    const source = join(machine.folder, 'source');
    mkdirSync(join(source, 'module'), { recursive: true });
    writeFileSync(join(source, 'module', 'file'), '');
    chmodSync(join(source, 'module'), 0o555);
    const path = join(machine.folder, 'image');
    execFileSync('tar', ['-c', '-f', path, '-C', source, '.']);
    if (isRoot) execFileSync('chown', ['-R', '65534:65534', machine.folder]);
    const code = `
      const { directoriesInstaller } = require(process.env.BACKEND);
      const bytes = require('node:fs').readFileSync(process.env.IMAGE);
      if (process.getuid() === 0) process.setuid(65534);
      process.on('warning', ({ message }) => console.log(message));
      const installer = directoriesInstaller({ root: process.env.ROOT, restart: ['true'], keep: 2 });
      async function install(version, size) {
        return installer.install({ version, module: '', size, open: async function* () { yield bytes; } });
      }
      (async () => {
        await install('2.0.0', bytes.length + 1).catch(({ code }) => console.log(code));
        for (const version of ['2.0.0', '3.0.0', '4.0.0']) {
          const { slot } = await install(version, bytes.length);
          await installer.activate(slot);
          await installer.reboot();
          await installer.markGood();
        }
      })();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], {
      env: { ...process.env, BACKEND: backend, ROOT: machine.root, IMAGE: path },
      encoding: 'utf8',
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'ERR_INSTALL_FAILED\n', stderr: '' });
    expect(readdirSync(join(machine.root, 'releases'))).toEqual(['3.0.0', '4.0.0']);
  });

  describe('releases that somebody has removed', () => {
    const current = (): string => readlinkSync(join(machine.root, 'current'));
    const remove = (version: string): void =>
      rmSync(join(machine.root, 'releases', version), { recursive: true });

    test('a roll back takes the last good one that is there', async () => {
      await update('2.0.0');
      await machine.installer.markGood();
      const slot = await update('3.0.0');
      remove('2.0.0');
      await machine.installer.markBad(slot);
      expect(current()).toBe('releases/1.0.0');
    });

    test('where no good one is there, a roll back says so and changes nothing', async () => {
      const slot = await update('2.0.0');
      remove('1.0.0');
      const state = readFileSync(join(machine.root, 'state.json'), 'utf8');
      await expect(machine.installer.markBad(slot)).rejects.toMatchObject({
        code: 'ERR_BOOT_STATE',
        detail: expect.stringContaining('releases/1.0.0 is not there any more'),
      });
      expect(current()).toBe(slot);
      expect(readFileSync(join(machine.root, 'state.json'), 'utf8')).toBe(state);
    });

    test('they do not count among those that are kept', async () => {
      for (const version of ['2.0.0', '3.0.0']) {
        await update(version);
        await machine.installer.markGood();
      }
      remove('2.0.0');
      await update('4.0.0');
      await machine.installer.markGood();
      const left = readdirSync(join(machine.root, 'releases')).sort();
      expect(left).toEqual(['1.0.0', '3.0.0', '4.0.0']);
    });
  });

  describe('what somebody else has put into releases/', () => {
    const foreign = ['0.8.0', '0.9.0', 'lost+found'];
    const left = (): string[] => readdirSync(join(machine.root, 'releases')).sort();
    beforeEach(() => {
      for (const name of foreign) mkdirSync(join(machine.root, 'releases', name));
    });

    test('stays, and does not count among those that are kept', async () => {
      await machine.installer.markGood();
      expect(left()).toEqual([...foreign, '1.0.0'].sort());
      for (const version of ['2.0.0', '3.0.0', '4.0.0', '5.0.0']) {
        await update(version);
        await machine.installer.markGood();
      }
      expect(left()).toEqual([...foreign, '3.0.0', '4.0.0', '5.0.0'].sort());
    });

    test('stays when a release of its name is installed', async () => {
      writeFileSync(join(machine.root, 'releases', '2.0.0'), 'a file');
      expect(await update('0.9.0')).toBe('releases/0.9.0~1');
      expect(await update('2.0.0')).toBe('releases/2.0.0~1');
      await machine.installer.markGood();
      expect(left()).toEqual(expect.arrayContaining([...foreign, '2.0.0']));
    });

    test('is known once it was confirmed', async () => {
      writeFileSync(join(machine.root, 'releases', '0.9.0', 'version'), '0.9.0');
      linkTo('releases/0.9.0');
      await machine.installer.markGood();
      for (const version of ['2.0.0', '3.0.0', '4.0.0']) {
        await update(version);
        await machine.installer.markGood();
      }
      expect(left()).toEqual(['0.8.0', '1.0.0', '2.0.0', '3.0.0', '4.0.0', 'lost+found']);
    });
  });

  test('what runs is confirmed while a release is made: that one stays', async () => {
    const { root } = machine;
    const installer = directoriesInstaller({ root, restart: ['true'], keepImages: true });
    const { rename } = files;
    jest.spyOn(files, 'rename').mockImplementation(async (from, to) => {
      await installer.markGood();
      await rename(from, to);
      await installer.markGood();
    });
    const image = given(await machine.image('2.0.0'), 'stream');
    const { slot } = await installer.install(image).finally(() => jest.restoreAllMocks());
    await installer.activate(slot);
    expect(await machine.versionIn(slot)).toBe('2.0.0');
    expect(readdirSync(join(root, 'images'))).toEqual(['2.0.0.image']);
  });

  test('a release that failed or was taken back is known, and goes', async () => {
    const slot = await update('2.0.0');
    await machine.installer.markBad(slot);
    await machine.installer.reboot();
    expect(await update('2.0.0')).toBe(slot);
    await machine.installer.markBad(slot);
    await machine.installer.reboot();
    await machine.installer.markGood();
    expect(readdirSync(join(machine.root, 'releases'))).toEqual(['1.0.0']);
  });

  test('the first release of all', async () => {
    rmSync(machine.root, { recursive: true });
    mkdirSync(machine.root);
    expect(await machine.installer.status()).toEqual({ booted: '', next: '', slots: [] });
    const { installer } = machine;
    const { slot } = await installer.install(given(await machine.image('2.0.0'), 'stream'));
    await installer.activate(slot);
    expect(await installer.status()).toMatchObject({ booted: '', next: slot });
    await installer.reboot();
    expect(machine.running).toBe('2.0.0');
    await expect(installer.markBad(slot)).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
  });

  test.each(['tar', 'file'] as const)(
    'a release of %s is open to the users that the umask allows',
    async (image) => {
      const { root } = machine;
      const installer = directoriesInstaller({ root, restart: ['true'], image });
      const { slot } = await installer.install(given(await machine.image('2.0.0'), 'stream'));
      expect(statSync(join(root, slot)).mode & 0o777).toBe(0o777 & ~process.umask());
    },
  );

  test('a plain file', async () => {
    const { root } = machine;
    const installer = directoriesInstaller({ root, restart: ['true'], image: 'file' });
    const path = join(machine.folder, 'program');
    writeFileSync(path, 'a program');
    const image = { version: '2.0.0', path, bytes: readFileSync(path) };
    const { slot } = await installer.install(given(image, 'stream'));
    expect(readFileSync(join(root, slot, 'image'), 'utf8')).toBe('a program');
    expect(lstatSync(join(root, slot)).isDirectory()).toBe(true);
  });

  test.each([
    ['damaged', 'ERR_BOOT_STATE', (path: string) => writeFileSync(path, '{"good": [')],
    ['no object', 'ERR_BOOT_STATE', (path: string) => writeFileSync(path, 'null')],
    ...[
      '[]',
      '{"good":null}',
      '{"whole":{}}',
      '{"good":[1]}',
      '{"known":["releases/.."]}',
      '{"good":["releases/../../etc"]}',
      '{"good":["releases/1.0.0/lib"]}',
      '{"good":[""]}',
      '{"trial":["releases/1.0.0"]}',
      '{"started":null}',
      '{"started":{"slot":7,"bootId":"x"}}',
      '{"started":{"slot":"releases/1.0.0"}}',
      '{"started":{"slot":"releases/1.0.0","bootId":"x","begun":{"before":"","times":"1"}}}',
    ].map((text) => [text, 'ERR_BOOT_STATE', (path: string) => writeFileSync(path, text)] as const),
    ['no file', 'ERR_FILE', (path: string) => mkdirSync(path)],
  ])('what is known of the releases is %s: none counts as good', async (_, code, spoil) => {
    const { installer } = machine;
    const { slot } = await installer.install(given(await machine.image('2.0.0'), 'stream'));
    await installer.activate(slot);
    const path = join(machine.root, 'state.json');
    rmSync(path);
    spoil(path);
    const error = { code, detail: expect.stringContaining(path) };
    await expect(installer.status()).rejects.toMatchObject(error);
    await expect(installer.markGood()).rejects.toMatchObject(error);
    await expect(installer.activate(slot)).rejects.toMatchObject(error);
  });

  test('releases that older versions knew as the link was spelled', async () => {
    const { root, installer } = machine;
    const good = [`${root}/releases/1.0.0`, './releases/2.0.0', '../app/releases//3.0.0/'];
    const started = { slot: good[0], bootId: 'boot-1' };
    writeFileSync(join(root, 'state.json'), JSON.stringify({ good, started }));
    expect(await installer.status()).toMatchObject({
      ...{ booted: 'releases/1.0.0', slots: [{ state: 'good' }] },
    });
    await installer.markGood();
    expect(JSON.parse(readFileSync(join(root, 'state.json'), 'utf8'))).toMatchObject({
      good: ['releases/2.0.0', 'releases/3.0.0', 'releases/1.0.0'],
    });
  });

  /** `current` is another link, and state.json not yet written. */
  function linkTo(target: string): void {
    rmSync(join(machine.root, 'current'));
    symlinkSync(target, join(machine.root, 'current'));
  }

  describe.each([
    ['absolute', (root: string) => `${root}/releases/1.0.0`],
    ['begun with ./', () => './releases/1.0.0'],
    ['with two slashes', () => 'releases//1.0.0/'],
    ['through the parent', () => '../app/releases/1.0.0'],
    ['through another link in the root', () => 'stable'],
    ['through another link in releases', () => 'releases/stable'],
  ])('`current` %s', (_, target) => {
    beforeEach(() => {
      symlinkSync('releases/1.0.0', join(machine.root, 'stable'));
      symlinkSync(`${machine.root}/releases/1.0.0`, join(machine.root, 'releases', 'stable'));
      linkTo(target(machine.root));
    });

    test('is the release that it leads to', async () => {
      const { installer, root } = machine;
      const isIt = { booted: 'releases/1.0.0', next: 'releases/1.0.0' };
      expect(await installer.status()).toMatchObject({ ...isIt, slots: [{ state: 'good' }] });
      await installer.markGood();
      expect(readFileSync(join(root, 'current', 'version'), 'utf8')).toBe('1.0.0');
      const slot = await update('2.0.0');
      await installer.markBad(slot);
      expect(readlinkSync(join(root, 'current'))).toBe('releases/1.0.0');
    });

    test('is the same to a root that is reached by a link', async () => {
      const root = join(machine.folder, 'linked');
      symlinkSync('app', root);
      const installer = directoriesInstaller({ root, restart: ['true'] });
      expect((await installer.status()).booted).toBe('releases/1.0.0');
      await installer.markGood();
      expect(existsSync(join(root, 'current', 'version'))).toBe(true);
    });
  });

  test('releases that lie elsewhere, and are reached by a link', async () => {
    const { root, folder, installer } = machine;
    renameSync(join(root, 'releases'), join(folder, 'big'));
    symlinkSync('../big', join(root, 'releases'));
    linkTo(join(folder, 'big', '1.0.0'));
    await installer.markGood();
    expect((await installer.status()).booted).toBe('releases/1.0.0');
    expect(existsSync(join(root, 'current', 'version'))).toBe(true);
  });

  test.each([
    ['outside of releases', '..'],
    ['releases itself', 'releases'],
    ['deeper', 'releases/1.0.0/lib'],
    ['itself', 'current'],
    ['nothing in a file', 'releases/1.0.0/version/x'],
  ])('`current` that leads to %s is a wrong set-up', async (_, target) => {
    mkdirSync(join(machine.root, 'releases', '1.0.0', 'lib'));
    linkTo(target);
    const error = { code: 'ERR_INSTALL_SETUP', detail: expect.stringContaining('releases/NAME') };
    await expect(machine.installer.status()).rejects.toMatchObject(error);
    await expect(machine.installer.markGood()).rejects.toMatchObject(error);
    expect(await machine.versionIn('releases/1.0.0')).toBe('1.0.0');
  });

  test.each(['releases/9.9.9', './releases/9.9.9', 'releases/stable'])(
    '`current` that leads to a release that is missing, %s: no other is removed',
    async (target) => {
      symlinkSync('9.9.9', join(machine.root, 'releases', 'stable'));
      linkTo(target);
      expect((await machine.installer.status()).booted).toBe('releases/9.9.9');
      await machine.installer.markGood();
      expect(await machine.versionIn('releases/1.0.0')).toBe('1.0.0');
    },
  );

  test('`current` that is a directory is a wrong set-up', async () => {
    rmSync(join(machine.root, 'current'));
    mkdirSync(join(machine.root, 'current'));
    await expect(machine.installer.status()).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: expect.stringContaining('symbolic link'),
    });
    expect(existsSync(join(machine.root, 'releases', '1.0.0'))).toBe(true);
  });
});
