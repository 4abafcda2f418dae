import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { detectInstallers } from '../../../lib/install/detect';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'iotkit-detect-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function make(file: string, content = ''): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), content, { mode: 0o755 });
}

const detect = () => detectInstallers({ searchPath: '', root });
const block = (text: string): string => `# GRUB Environment Block\n${text}`.padEnd(1024, '#');

test('a machine without any', () => {
  expect(detect()).toEqual([]);
});

test('RAUC', () => {
  make('/usr/bin/rauc');
  expect(detect()).toEqual([
    {
      kind: 'rauc',
      found: ['/usr/bin/rauc'],
      missing: ['/etc/rauc/system.conf', 'busctl, which comes with systemd'],
    },
  ]);
  make('/usr/bin/busctl');
  make('/run/rauc/system.conf');
  expect(detect()).toMatchObject([{ kind: 'rauc', missing: [] }]);
});

test('SWUpdate', () => {
  make('/usr/bin/swupdate-client');
  expect(detect()).toMatchObject([
    { kind: 'swupdate', missing: [expect.stringContaining('/tmp/sockinstctrl')] },
  ]);
  make('/tmp/sockinstctrl');
  expect(detect()).toMatchObject([{ kind: 'swupdate', missing: [] }]);
});

test('Mender', () => {
  make('/usr/bin/mender');
  expect(detect()).toEqual([
    {
      kind: 'mender',
      found: ['/usr/bin/mender'],
      missing: [
        '/etc/mender/mender.conf',
        'grub-mender-grubenv-print, or fw_printenv of libubootenv',
        'RootfsPartA in /etc/mender/mender.conf',
        'RootfsPartB in /etc/mender/mender.conf',
      ],
    },
  ]);
  make('/usr/bin/mender-update');
  make('/usr/bin/grub-mender-grubenv-print');
  make('/var/lib/mender/mender.conf', '{"RootfsPartA": "/dev/sda2", "RootfsPartB": "/dev/sda3"}');
  expect(detect()).toEqual([
    {
      kind: 'mender',
      found: [
        '/usr/bin/mender-update',
        '/var/lib/mender/mender.conf',
        '/usr/bin/grub-mender-grubenv-print',
      ],
      missing: [],
    },
  ]);
});

test('U-Boot', () => {
  make('/etc/fw_env.config', '/dev/mtd1 0x0 0x4000\n');
  make('/usr/bin/fw_printenv');
  expect(detect()).toMatchObject([
    {
      kind: 'slots',
      loader: 'u-boot',
      missing: [
        'fw_setenv of libubootenv',
        'a second copy of the environment',
        'the right to write to /dev/mtd1, where the environment is',
      ],
    },
  ]);
  for (const device of ['/dev/mtd1', '/dev/mtd2']) make(device);
  make('/usr/bin/fw_setenv');
  make('/etc/fw_env.config', '/dev/mtd1 0x0 0x4000\n/dev/mtd2 0x0 0x4000\n');
  expect(detect()).toMatchObject([{ loader: 'u-boot', missing: [] }]);
});

test.each<[string, string[]]>([
  ['', ['an environment block in /boot/grub/grubenv']],
  [block('saved_entry=0\n'), ['the variable ORDER in /boot/grub/grubenv']],
  [block('ORDER=A B\n'), []],
])('GRUB, case %#', (content, missing) => {
  make('/boot/grub/grubenv', content);
  expect(detect()).toEqual([
    { kind: 'slots', loader: 'grub', found: ['/boot/grub/grubenv'], missing },
  ]);
});

test('systemd-boot', () => {
  make('/boot/loader/entries/debian.conf');
  expect(detect()).toMatchObject([{ loader: 'systemd-boot', missing: [expect.any(String)] }]);
  make('/boot/loader/entries/iotkit-1-A.conf');
  make('/boot/loader/entries/iotkit-0-B.conf.off');
  expect(detect()).toMatchObject([{ loader: 'systemd-boot', missing: [] }]);
});
