import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { join } from 'node:path';
import { directoriesInstaller } from '../../../../lib/install/backends/directories';
import { Deployment } from '../../../support/deployment';
import { given } from '../../../support/installer-contract';

const backend = join(__dirname, '../../../../dist/install/index.js');
const isRoot = process.getuid?.() === 0;

describe('the releases of a directory installer', () => {
  let machine: Deployment;
  beforeEach(() => {
    machine = new Deployment();
  });
  afterEach(() => machine.close());

  test('old releases go, the previous one stays; so does nothing of what was cut off', async () => {
    mkdirSync(join(machine.root, 'releases', '.new-abc'));
    for (const version of ['2.0.0', '3.0.0', '4.0.0', '5.0.0']) {
      await machine.update(version);
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
        await machine.update(version);
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
      const { known } = JSON.parse(readFileSync(join(machine.root, 'state.json'), 'utf8'));
      expect(known).toContain('releases/1.0.0'); // to be removed another time
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('releases/1.0.0 is left'), {
        code: 'IOTKIT_NOT_REMOVED',
      });
    });

    test('an image gets another name where that of its version is taken by one', async () => {
      stick(/2\.0\.0\/version$/);
      const slot = await machine.update('2.0.0');
      await machine.installer.markBad(slot);
      await machine.installer.reboot();
      expect(await machine.update('2.0.0')).toBe('releases/2.0.0~1');
      expect(machine.running).toBe('2.0.0');
    });

    test('an image that failed keeps its error, and blocks none after it', async () => {
      stick(/\.new-.*\/version$/);
      const image = given(await machine.image('2.0.0'), 'stream');
      const wrong = { ...image, size: image.size + 1 };
      const failure = { code: 'ERR_INSTALL_FAILED', detail: expect.stringContaining('bytes, not') };
      await expect(machine.installer.install(wrong)).rejects.toMatchObject(failure);
      expect(await machine.update('2.0.0')).toBe('releases/2.0.0');
      await machine.installer.markGood();
      expect(machine.running).toBe('2.0.0');
    });

    test('what was confirmed stays so when nobody can say which releases are old', async () => {
      const slot = await machine.update('2.0.0');
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
      await machine.update('2.0.0');
      await machine.installer.markGood();
      const slot = await machine.update('3.0.0');
      remove('2.0.0');
      await machine.installer.markBad(slot);
      expect(current()).toBe('releases/1.0.0');
    });

    test('where no good one is there, a roll back says so and changes nothing', async () => {
      const slot = await machine.update('2.0.0');
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
        await machine.update(version);
        await machine.installer.markGood();
      }
      remove('2.0.0');
      await machine.update('4.0.0');
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
        await machine.update(version);
        await machine.installer.markGood();
      }
      expect(left()).toEqual([...foreign, '3.0.0', '4.0.0', '5.0.0'].sort());
    });

    test('stays when a release of its name is installed', async () => {
      writeFileSync(join(machine.root, 'releases', '2.0.0'), 'a file');
      expect(await machine.update('0.9.0')).toBe('releases/0.9.0~1');
      expect(await machine.update('2.0.0')).toBe('releases/2.0.0~1');
      await machine.installer.markGood();
      expect(left()).toEqual(expect.arrayContaining([...foreign, '2.0.0']));
    });

    test('is known once it was confirmed', async () => {
      writeFileSync(join(machine.root, 'releases', '0.9.0', 'version'), '0.9.0');
      machine.linkTo('releases/0.9.0');
      await machine.installer.markGood();
      for (const version of ['2.0.0', '3.0.0', '4.0.0']) {
        await machine.update(version);
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
      // What is known is changed by one at a time.
      if (String(to) === join(root, 'state.json')) return rename(from, to);
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
    const slot = await machine.update('2.0.0');
    await machine.installer.markBad(slot);
    await machine.installer.reboot();
    expect(await machine.update('2.0.0')).toBe(slot);
    await machine.installer.markBad(slot);
    await machine.installer.reboot();
    await machine.installer.markGood();
    expect(readdirSync(join(machine.root, 'releases'))).toEqual(['1.0.0']);
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
    ].map((text): [string, string, (path: string) => void] => [
      text,
      'ERR_BOOT_STATE',
      (path) => writeFileSync(path, text),
    ]),
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
      machine.linkTo(target(machine.root));
    });

    test('is the release that it leads to', async () => {
      const { installer, root } = machine;
      const isIt = { booted: 'releases/1.0.0', next: 'releases/1.0.0' };
      expect(await installer.status()).toMatchObject({ ...isIt, slots: [{ state: 'good' }] });
      await installer.markGood();
      expect(readFileSync(join(root, 'current', 'version'), 'utf8')).toBe('1.0.0');
      const slot = await machine.update('2.0.0');
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
    machine.linkTo(join(folder, 'big', '1.0.0'));
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
    machine.linkTo(target);
    const error = { code: 'ERR_INSTALL_SETUP', detail: expect.stringContaining('releases/NAME') };
    await expect(machine.installer.status()).rejects.toMatchObject(error);
    await expect(machine.installer.markGood()).rejects.toMatchObject(error);
    expect(await machine.versionIn('releases/1.0.0')).toBe('1.0.0');
  });

  test.each(['releases/9.9.9', './releases/9.9.9', 'releases/stable'])(
    '`current` that leads to a release that is missing, %s: no other is removed',
    async (target) => {
      symlinkSync('9.9.9', join(machine.root, 'releases', 'stable'));
      machine.linkTo(target);
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
