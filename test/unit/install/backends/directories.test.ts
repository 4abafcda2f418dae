import { execFileSync, spawnSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  type StatsFs,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { join } from 'node:path';
import { IotkitError } from '../../../../lib/base/errors';
import {
  DirectoriesInstaller,
  directoriesInstaller,
} from '../../../../lib/install/backends/directories';
import type { Installer } from '../../../../lib/install/installer';
import { Deployment } from '../../../support/deployment';
import { sha256 } from '../../../support/image';
import { given, testInstaller } from '../../../support/installer-contract';

testInstaller('directories', async () => new Deployment());

const backend = join(__dirname, '../../../../dist/install/index.js');

describe('directories', () => {
  let machine: Deployment;
  beforeEach(() => {
    machine = new Deployment();
  });
  afterEach(() => machine.close());

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

  test('a restart that is ended by its signal has started nothing, and is done again', async () => {
    const begun = join(machine.folder, 'begun');
    const restart = ['sh', '-c', `: >${begun}; exec sleep infinity`];
    const waiting = directoriesInstaller({ root: machine.root, restart });
    const { slot } = await waiting.install(given(await machine.image('2.0.0'), 'stream'));
    await waiting.activate(slot);
    const ending = new AbortController();
    const restarted = waiting.reboot({ signal: ending.signal });
    while (!existsSync(begun)) await new Promise((next) => setImmediate(next));
    const reason = new Error('enough');
    ending.abort(reason);
    await expect(restarted).rejects.toBe(reason);
    const working = ['sh', '-c', machine.restartScript];
    const installer = directoriesInstaller({ root: machine.root, restart: working });
    expect(await installer.status()).toMatchObject({ booted: 'releases/1.0.0', next: slot });
    await installer.reboot();
    expect(machine.running).toBe('2.0.0');
    expect((await installer.status()).booted).toBe(slot);
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

  test('an archive that fills the disk: the reason is the space', async () => {
    const image = given(await machine.image('2.0.0'), 'stream');
    const full = { bavail: 0, bsize: 4096, ffree: 10, files: 20 };
    jest.spyOn(files, 'statfs').mockResolvedValue(full as unknown as StatsFs);
    const open = () => given({ ...image, path: '', bytes: Buffer.alloc(10_240, 'x') }, 'stream');
    const failing = machine.installer.install({ ...open(), version: '2.0.0' });
    await expect(failing.finally(() => jest.restoreAllMocks())).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
      detail: expect.stringContaining('tar ended with 2'),
    });
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

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  asRoot('what root writes stays the user of the releases', async () => {
    chownSync(machine.root, 65_534, 65_534);
    await machine.update('2.0.0');
    const state = join(machine.root, 'state.json');
    expect(statSync(state)).toMatchObject({ uid: 65_534, gid: 65_534 });
    chownSync(state, 65_533, 65_533);
    await machine.update('3.0.0');
    expect(statSync(state)).toMatchObject({ uid: 65_533, gid: 65_533 });
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
});
