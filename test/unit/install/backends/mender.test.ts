import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type MenderInstallerOptions,
  menderInstaller,
} from '../../../../lib/install/backends/mender';
import { readMenderConfig } from '../../../../lib/install/backends/mender-config';

// The client and the boot environment are played by scripts; test/peers has the real ones.

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-mender-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => path.join(folder, name);

function script(name: string, text: string): string {
  writeFileSync(file(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file(name);
}

function configure(values: Readonly<Record<string, unknown>>, name = 'mender.conf'): void {
  writeFileSync(file(name), JSON.stringify(values));
}

const files = () => ({ config: file('mender.conf'), fallbackConfig: file('fallback.conf') });
const partitions = { RootfsPartA: '/dev/mmcblk0p2', RootfsPartB: '/dev/mmcblk0p3' };

/** A machine whose next start takes the partition of this number, and whose client does as `client` says. */
function machine(client: string, { part = '2', trial = '0' } = {}) {
  const print = script(
    'print',
    `case $1 in mender_boot_part) echo $1=${part};; *) echo $1=${trial};; esac`,
  );
  configure({ ...partitions, BootUtilitiesGetNextActivePart: print });
  return menderInstaller({ ...files(), command: [script('client', client)], booted: 'A' });
}

const image = () => ({ version: '2.0.0', module: '', size: 1, path: file('image') });

test.each<[MenderInstallerOptions, string]>([
  [{ command: [] }, 'command'],
  [{ config: 'mender.conf' }, 'config'],
  [{ booted: 'C' }, 'booted'],
  [{ stream: 'yes' as never }, 'stream'],
  [{ timeoutMs: 1 }, 'timeoutMs'],
  [{ partitions: [] } as never, 'partitions'],
])('a wrong option is named: %j', (options, name) => {
  expect(() => menderInstaller(options)).toThrow(name);
});

describe('the configuration', () => {
  test('the first file counts, the second gives what it does not say', async () => {
    configure({ RootfsPartA: '/dev/sda2', ArtifactVerifyKey: '' });
    configure({ ...partitions, ArtifactVerifyKeys: ['/etc/a.pem'] }, 'fallback.conf');
    expect(await readMenderConfig(files())).toMatchObject({
      partitions: [
        { name: 'A', device: '/dev/sda2', number: '2' },
        { name: 'B', device: '/dev/mmcblk0p3', number: '3' },
      ],
      isSigned: true,
    });
    configure(partitions);
    configure({}, 'fallback.conf');
    expect((await readMenderConfig(files())).isSigned).toBe(false);
  });

  test.each<[object | string, string, RegExp]>([
    ['{', 'ERR_INSTALL_SETUP', /mender\.conf is no JSON object/],
    [{ RootfsPartA: '/dev/sda2' }, 'ERR_INSTALL_SETUP', /RootfsPartB .* is not set/],
    [{ ...partitions, RootfsPartA: '/dev/root' }, 'ERR_INSTALL_SETUP', /ends with no number/],
    [
      { RootfsPartA: '/dev/sda2', RootfsPartB: '/dev/sdb2' },
      'ERR_INSTALL_SETUP',
      /have one number/,
    ],
  ])('that cannot be used: %j', async (values, code, detail) => {
    if (typeof values === 'string') writeFileSync(file('mender.conf'), values);
    else configure({ ...values });
    await expect(readMenderConfig(files())).rejects.toMatchObject({
      code,
      detail: expect.stringMatching(detail),
    });
  });

  test('none', async () => {
    await expect(readMenderConfig(files())).rejects.toMatchObject({
      code: 'ERR_INSTALL_UNAVAILABLE',
    });
  });
});

test.each([
  ['2', '0', 'A', 'good', 'bad'],
  ['2', '1', 'A', 'trial', 'good'],
  ['3', '1', 'B', 'good', 'trial'],
  ['3', '0', 'B', 'bad', 'good'],
  ['9', '0', '', 'bad', 'bad'],
])('mender_boot_part %s, upgrade_available %s: %s is next', async (part, trial, next, a, b) => {
  expect(await machine('exit 2', { part, trial }).status()).toEqual({
    booted: 'A',
    next,
    slots: [
      { name: 'A', state: a },
      { name: 'B', state: b },
    ],
  });
});

test('a boot environment that Mender has not been set up in installs nothing', async () => {
  await expect(machine('exit 2', { part: '' }).install(image())).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    detail: expect.stringContaining('mender_boot_part'),
  });
});

/** One whose variables are lines of a file, and whose client has forgotten its update. */
function forgetful(variables: string, booted: 'A' | 'B', set = true) {
  const kept = file('variables');
  writeFileSync(kept, variables);
  configure({
    ...partitions,
    BootUtilitiesGetNextActivePart: script('print', `grep "^$1=" '${kept}' || exit 1`),
    BootUtilitiesSetActivePart: script('set', set ? `cat > '${kept}'` : 'cat > /dev/null'),
  });
  const command = [script('client', 'exit 2')];
  const installer = menderInstaller({ ...files(), command, booted });
  return { installer, variables: () => readFileSync(kept, 'utf8') };
}

const trial = 'mender_boot_part=3\nupgrade_available=1\n';

test('a trial of which the client knows nothing is rolled back by the variables, in one write', async () => {
  const { installer, variables } = forgetful(trial, 'B');
  await installer.markBad('B');
  expect(variables()).toBe('mender_boot_part=2\nmender_boot_part_hex=2\nupgrade_available=0\n');
});

test('it is confirmed by them, too', async () => {
  const { installer, variables } = forgetful(trial, 'B');
  await installer.markGood();
  expect(variables()).toBe('upgrade_available=0\n'); // the tool that is played keeps nothing else
});

test('variables that do not stay are an error', async () => {
  const { installer } = forgetful(trial, 'B', false);
  const expected = { code: 'ERR_BOOT_STATE', detail: expect.stringContaining('does not keep') };
  await expect(installer.markGood()).rejects.toMatchObject(expected);
  await expect(installer.markBad('B')).rejects.toMatchObject(expected);
});

test.each([
  ['time="x" level=error msg="no \\"B\\" left on device: no space left"', 'ERR_NO_SPACE', 'no "B"'],
  [
    'record_id=7 severity=error time="x" name="Global" msg="Artifact device type doesn\'t match: not compatible"',
    'ERR_INSTALL_REFUSED',
    "doesn't match",
  ],
  ['....time="x" level=error msg="the disk is on fire"', 'ERR_INSTALL_FAILED', 'on fire'],
  ['a panic without a log', 'ERR_INSTALL_FAILED', 'a panic without a log'],
])('the client says %s', async (line, code, reason) => {
  const words = `cat >&2 <<'END'\n${line}\nEND\nexit 1`;
  const client = machine(`[ "$1" = install ] || exit 2\n${words}`);
  await expect(client.install(image())).rejects.toMatchObject({
    code,
    detail: expect.stringContaining(reason),
  });
});
