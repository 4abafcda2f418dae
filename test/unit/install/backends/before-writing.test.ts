// What is missing is found before the first slot is made bad: nothing is written, nothing has changed.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { directoriesInstaller } from '../../../../lib/install/backends/directories';
import { menderInstaller } from '../../../../lib/install/backends/mender';
import { slotsInstaller } from '../../../../lib/install/backends/slots';
import { swupdateInstaller } from '../../../../lib/install/backends/swupdate';
import type { Installer } from '../../../../lib/install/installer';
import { chunksOf } from '../../../support/delta';

let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-before-'));
});
afterEach(() => {
  process.env.PATH = path;
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const bytes = Buffer.from('an image');
let isRead = false;
const image = () => {
  isRead = false;
  return {
    version: '2.0.0',
    module: '',
    size: bytes.length,
    async *open() {
      isRead = true;
      yield* chunksOf(bytes, 100);
    },
  };
};

function environment() {
  return {
    kind: 'test',
    check: async () => {},
    read: async () => ({ next: 'A', states: new Map([['A', 'good' as const]]) }),
    disable: jest.fn(),
    activate: jest.fn(),
    confirm: jest.fn(),
  };
}

const isRoot = process.getuid?.() === 0;

describe('the slot of A/B partitions', () => {
  async function refuses(B: string, reboot?: readonly string[]): Promise<unknown> {
    const A = join(folder, 'A');
    writeFileSync(A, 'the running system');
    const chooser = environment();
    const installer = slotsInstaller({
      ...{ slots: { A, B }, environment: chooser, booted: 'A', reboot },
    });
    const error = await installer.install(image()).catch((cause: unknown) => cause);
    expect(chooser.disable).not.toHaveBeenCalled();
    expect(isRead).toBe(false);
    return error;
  }

  test('that is missing', async () => {
    expect(await refuses(join(folder, 'B'))).toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
      detail: expect.stringContaining(join(folder, 'B')),
    });
  });

  test('that is too small', async () => {
    writeFileSync(join(folder, 'B'), 'small');
    expect(await refuses(join(folder, 'B'))).toMatchObject({ code: 'ERR_NO_SPACE' });
  });

  test('that is no place for an image', async () => {
    mkdirSync(join(folder, 'B'));
    expect(await refuses(join(folder, 'B'))).toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: expect.stringContaining('neither a block device nor a file'),
    });
  });

  test('that may not be written to', async () => {
    const B = join(folder, 'B');
    writeFileSync(B, 'another system');
    const { open } = files;
    jest.spyOn(files, 'open').mockImplementation(async (name, flags, ...more) => {
      if (name !== B || flags === 'r') return open(name, flags, ...more);
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    });
    expect(await refuses(B)).toMatchObject({ code: 'ERR_FILE_ACCESS' });
  });

  test('and a restart that this machine has no program for', async () => {
    writeFileSync(join(folder, 'B'), 'another system');
    const missing = join(folder, 'no-reboot');
    expect(await refuses(join(folder, 'B'), [missing])).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: expect.stringContaining(missing),
    });
  });
});

describe('U-Boot', () => {
  const config = (): string => join(folder, 'fw_env.config');

  function tool(name: string, text: string): void {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  function machine(variables: string, scheme: 'order' | 'bootcount' = 'order'): Installer {
    mkdirSync(join(folder, 'bin'));
    // No other tools than these, wherever the machine has them.
    process.env.PATH = join(folder, 'bin');
    tool('fw_printenv', `printf '${variables}'`);
    tool('fw_setenv', `echo called >> '${folder}/called'`);
    for (const name of ['1', '2']) writeFileSync(join(folder, name), Buffer.alloc(0x4000));
    writeFileSync(config(), ['1', '2'].map((it) => `${join(folder, it)} 0 0x4000\n`).join(''));
    for (const slot of ['A', 'B']) writeFileSync(join(folder, slot), 'a system');
    return slotsInstaller({
      slots: { A: join(folder, 'A'), B: join(folder, 'B') },
      environment: { loader: 'u-boot', config: config(), scheme },
      booted: 'A',
    });
  }
  const order = 'BOOT_ORDER=A\\nBOOT_A_LEFT=3\\nBOOT_B_LEFT=0\\n';
  const counted = 'slot=A\\nupgrade_available=0\\nbootcount=0\\n';

  async function refusal(installer: Installer): Promise<unknown> {
    const error = await installer.install(image()).catch((cause: unknown) => cause);
    expect(existsSync(join(folder, 'called'))).toBe(false);
    expect(isRead).toBe(false);
    return error;
  }

  test('without the tool that writes', async () => {
    const installer = machine(order);
    rmSync(join(folder, 'bin/fw_setenv'));
    expect(await refusal(installer)).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: 'fw_setenv: ENOENT; is it installed, and in PATH?',
    });
  });

  test('where it may not be run', async () => {
    const installer = machine(order);
    chmodSync(join(folder, 'bin/fw_setenv'), 0o644);
    expect(await refusal(installer)).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: 'fw_setenv: EACCES; may this user run it?',
    });
  });

  test('without a place for a copy of it', async () => {
    const installer = machine(order);
    rmSync(join(folder, '2'));
    expect(await refusal(installer)).toMatchObject({
      code: 'ERR_BOOT_STATE',
      detail: expect.stringContaining(`${join(folder, '2')}: ENOENT`),
    });
  });

  test('where one of them may not be written', async () => {
    const installer = machine(order);
    const { open } = files;
    jest.spyOn(files, 'open').mockImplementation(async (name, flags, ...more) => {
      if (name !== join(folder, '2')) return open(name, flags, ...more);
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    });
    expect(await refusal(installer)).toMatchObject({
      code: 'ERR_BOOT_STATE',
      detail: expect.stringContaining('EROFS'),
    });
  });

  test.each([
    ['no altbootcmd', counted],
    ['an empty one', `${counted}altbootcmd=\\n`],
  ])(
    'by bootcount, with %s, somebody is warned: U-Boot may have been built with one',
    async (_, variables) => {
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
      // This fw_setenv keeps nothing, which ends it afterwards.
      await machine(variables, 'bootcount')
        .install(image())
        .catch(() => {});
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('altbootcmd'), {
        code: 'IOTKIT_NO_ALTBOOTCMD',
      });
    },
  );
});

describe('SWUpdate', () => {
  async function refusal(): Promise<unknown> {
    const chooser = environment();
    const installer = swupdateInstaller({
      slots: { A: 'stable,copyA', B: 'stable,copyB' },
      ...{ environment: chooser, booted: 'A', socketDirectory: folder },
    });
    const error = await installer.install(image()).catch((cause: unknown) => cause);
    expect(chooser.disable).not.toHaveBeenCalled();
    expect(isRead).toBe(false);
    return error;
  }

  test('without its client', async () => {
    process.env.PATH = folder;
    expect(await refusal()).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: expect.stringContaining('swupdate-client'),
    });
  });

  test('without a daemon', async () => {
    writeFileSync(join(folder, 'swupdate-client'), '#!/bin/sh\n', { mode: 0o755 });
    process.env.PATH = `${folder}${delimiter}${path}`;
    expect(await refusal()).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: expect.stringContaining(`${folder}/sockinstctrl`),
    });
  });
});

describe('Mender', () => {
  test.each(['client', 'set'])('without its %s: nothing is changed', async (missing) => {
    const script = (name: string, text: string): string => {
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return join(folder, name);
    };
    // The other partition starts next, so install() would write first.
    const print = script('print', 'case $1 in mender_boot_part) echo $1=3;; *) echo $1=0;; esac');
    const set = script('set', `echo set >> ${folder}/called`);
    const client = script('client', `echo client >> ${folder}/called`);
    writeFileSync(
      join(folder, 'mender.conf'),
      JSON.stringify({
        ...{ RootfsPartA: '/dev/mmcblk0p2', RootfsPartB: '/dev/mmcblk0p3' },
        ...{ BootUtilitiesGetNextActivePart: print, BootUtilitiesSetActivePart: set },
      }),
    );
    rmSync(join(folder, missing));
    const installer = menderInstaller({
      ...{ config: join(folder, 'mender.conf'), fallbackConfig: join(folder, 'none') },
      ...{ command: [client], booted: 'A' },
    });
    const given = { version: '2.0.0', module: '', size: 1, path: join(folder, 'image') };
    await expect(installer.install(given)).rejects.toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
      detail: expect.stringContaining(join(folder, missing)),
    });
    expect(existsSync(join(folder, 'called'))).toBe(false);
  });
});

describe('directories', () => {
  function root(): string {
    const place = join(folder, 'app');
    mkdirSync(join(place, 'releases/1.0.0'), { recursive: true });
    symlinkSync('releases/1.0.0', join(place, 'current'));
    return place;
  }

  async function refusal(restart: readonly string[] = ['true']): Promise<unknown> {
    const installer = directoriesInstaller({ root: join(folder, 'app'), restart });
    return installer.install(image()).catch((cause: unknown) => cause);
  }

  test('without the program that restarts', async () => {
    const place = root();
    expect(await refusal([join(folder, 'no-restart')])).toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
    });
    expect(existsSync(join(place, 'state.json'))).toBe(false);
  });

  test('on a file system without symbolic links', async () => {
    const place = root();
    jest
      .spyOn(files, 'symlink')
      .mockRejectedValue(
        Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' }),
      );
    expect(await refusal()).toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: expect.stringMatching(`^${place} .*symbolic links.*FAT`),
    });
    expect(existsSync(join(place, 'state.json'))).toBe(false);
    expect(isRead).toBe(false);
  });

  test.each(['.', 'releases'])('where everybody may write to %s', async (name) => {
    const place = root();
    await files.chmod(join(place, name), 0o1777);
    expect(await refusal()).toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: expect.stringMatching(/may be written by others; chmod o-w/),
    });
    expect(existsSync(join(place, 'state.json'))).toBe(false);
    const installer = directoriesInstaller({ root: place, restart: ['true'] });
    await expect(installer.activate('releases/1.0.0')).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
    });
  });

  (isRoot ? test : test.skip)('where another user has made releases first', async () => {
    const place = root();
    await files.chown(join(place, 'releases'), 65_534, 65_534);
    expect(await refusal()).toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: `${place}/releases belongs to user 65534, and ${place} to user ${process.getuid?.()}`,
    });
    // All of it another user's: an operator who is root may.
    await files.chown(place, 65_534, 65_534);
    const error = (await refusal()) as { readonly code: string };
    expect(error.code).toBe('ERR_INSTALL_FAILED'); // the image is no archive
  });

  (isRoot ? test.skip : test)('in a root that may not be written to', async () => {
    await files.chmod(root(), 0o555);
    expect(await refusal()).toMatchObject({ code: 'ERR_FILE_ACCESS' });
  });

  test('where `current` is a directory', async () => {
    mkdirSync(join(folder, 'app/current'), { recursive: true });
    expect(await refusal()).toMatchObject({ code: 'ERR_INSTALL_SETUP' });
    expect(existsSync(join(folder, 'app/state.json'))).toBe(false);
  });
});
