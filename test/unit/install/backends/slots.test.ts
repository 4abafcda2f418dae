import { link, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type SlotsInstallerOptions, slotsInstaller } from '../../../../lib/install/backends/slots';
import { grubenv } from '../../../support/boot-choosers';

// What it does: test/integration/install/slots.test.ts.

const options: SlotsInstallerOptions = {
  slots: { A: '/dev/a', B: '/dev/b' },
  environment: { loader: 'grub' },
};

test('says what it can do', () => {
  expect(slotsInstaller(options)).toMatchObject({
    kind: 'slots',
    takes: 'stream',
    activates: false,
    restarts: 'machine',
    fallsBack: true,
  });
});

test.each<[string, object, RegExp]>([
  ['no slots', { slots: undefined }, /^slots must be an object/],
  ['one slot', { slots: { A: '/dev/a' } }, /^slots must have two slots or more/],
  ['a name that no variable can have', { slots: { 'A B': '/a', B: '/b' } }, /^a name in slots/],
  ['a relative device', { slots: { A: 'a', B: '/b' } }, /^slots\.A must be an absolute path/],
  ['one place for two', { slots: { A: '/a', B: '/b', C: '/x/..//b' } }, /^slots\.B and slots\.C/],
  ['a booted slot that is none', { booted: 'C' }, /^booted must be one of A, B/],
  ['an odd key', { booted: { commandLine: 'a b' } }, /^booted\.commandLine/],
  ['a command that is none', { reboot: 'reboot' }, /^reboot must be an array of a program/],
  ['a misspelt option', { slot: {} }, /^options has no option slot/],
])('%s is refused', (_, more, message) => {
  expect(() => slotsInstaller({ ...options, ...more })).toThrow(message);
});

describe('before anything is written', () => {
  let folder: string;
  let A: string;
  let B: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'iotkit-places-'));
    [A, B] = [path.join(folder, 'A.img'), path.join(folder, 'B.img')];
    await writeFile(A, 'the running system');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function* open(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('new');
  }
  const image = { version: '2.0.0', module: '', size: 3, open };

  test.each([
    ['a symbolic link to the running slot', symlink],
    ['a hard link to it', link],
  ])('%s is refused', async (_, make) => {
    await make(A, B);
    const environment = {
      kind: 'test',
      check: async () => {},
      read: async () => ({ next: 'A', states: new Map() }),
      disable: jest.fn(),
      activate: jest.fn(),
      confirm: jest.fn(),
    };
    const installer = slotsInstaller({ slots: { A, B }, environment, booted: 'A' });
    await expect(installer.install(image)).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: `the slots B (${B}) and A (${A}) are the same place; each needs its own`,
    });
    expect(environment.disable).not.toHaveBeenCalled();
    expect(await readFile(A, 'utf8')).toBe('the running system');
  });

  test('a slot that systemd-boot has no entry of is refused', async () => {
    await writeFile(B, 'another system');
    await writeFile(path.join(folder, 'iotkit-1-A.conf'), 'linux /vmlinuz');
    const environment = { loader: 'systemd-boot', entries: folder } as const;
    const installer = slotsInstaller({ slots: { A, B }, environment, booted: 'A' });
    await expect(installer.install(image)).rejects.toMatchObject({ code: 'ERR_INSTALL_SETUP' });
    expect(await readFile(B, 'utf8')).toBe('another system');
  });

  test('variables of GRUB that have no room for an activation are refused', async () => {
    await writeFile(B, 'another system');
    const file = path.join(folder, 'grubenv');
    const order = { ORDER: 'A B', A_OK: '1', A_TRY: '0', B_OK: '0', B_TRY: '0' };
    await writeFile(file, grubenv({ ...order, others: 'x'.repeat(940) }));
    const environment = { loader: 'grub', file } as const;
    const installer = slotsInstaller({ slots: { A, B }, environment, booted: 'A' });
    await expect(installer.install(image)).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('no room'),
    });
    expect(await readFile(B, 'utf8')).toBe('another system');
  });
});
