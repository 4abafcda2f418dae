import { link, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type SlotsInstallerOptions, slotsInstaller } from '../../../../lib/install/backends/slots';

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

describe('two names of one place', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'iotkit-places-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['a symbolic link to the running slot', symlink],
    ['a hard link to it', link],
  ])('%s is refused before anything is changed', async (_, make) => {
    const [A, B, C] = ['A', 'B', 'C'].map((name) => path.join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(A, 'the running system');
    await writeFile(C, '');
    await make(A, B);
    const environment = {
      kind: 'test',
      check: async () => {},
      read: async () => ({ next: 'A', states: new Map() }),
      disable: jest.fn(),
      activate: jest.fn(),
      confirm: jest.fn(),
    };
    const installer = slotsInstaller({ slots: { A, B, C }, environment, booted: 'A' });
    async function* open(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new');
    }
    await expect(
      installer.install({ version: '2', module: '', size: 3, open }),
    ).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      detail: `the slots B (${B}) and A (${A}) are the same place; each needs its own`,
    });
    expect(environment.disable).not.toHaveBeenCalled();
    expect(await readFile(A, 'utf8')).toBe('the running system');
  });
});
