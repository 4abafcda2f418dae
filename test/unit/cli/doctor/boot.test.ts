import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkBoot } from '../../../../lib/cli/doctor/boot';

let root = '';

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function make(file: string, mode = 0o755): void {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), '', { mode });
}

test('a machine without any', () => {
  expect(checkBoot('/usr/bin', root)).toMatchObject({ status: 'ok', facts: { tools: {} } });
});

test('tools are found on the PATH and in the folders of the system', () => {
  make('/opt/tools/rauc');
  make('/etc/rauc/system.conf', 0o644);
  make('/usr/sbin/grub-editenv');
  make('/usr/bin/swupdate', 0o644); // no program
  expect(checkBoot('/opt/tools:relative:', root)).toMatchObject({
    status: 'ok',
    summary: 'rauc, grub-editenv',
    facts: { tools: { rauc: '/opt/tools/rauc', 'grub-editenv': '/usr/sbin/grub-editenv' } },
  });
});

test.each([
  ['rauc', '/etc/rauc/system.conf'],
  ['mender', '/etc/mender/mender.conf'],
  ['fw_printenv', '/etc/fw_env.config'],
])('%s without its configuration is a warning', (tool, file) => {
  make(`/usr/bin/${tool}`);
  expect(checkBoot('', root)).toMatchObject({ status: 'warn', remedy: `Write ${file}.` });
  make(file, 0o644);
  expect(checkBoot('', root).remedy).not.toBe(`Write ${file}.`);
});

test('what an update by U-Boot would be refused for is a warning', () => {
  make('/usr/bin/fw_printenv');
  make('/etc/fw_env.config', 0o644);
  const config = '/dev/mtd1 0x0 0x4000\n/dev/mtd2 0x0 0x4000\n';
  writeFileSync(path.join(root, '/etc/fw_env.config'), config);
  const warning = (lack: string) => ({ status: 'warn', summary: expect.stringContaining(lack) });
  expect(checkBoot('', root)).toMatchObject(warning('fw_setenv of libubootenv'));
  make('/usr/bin/fw_setenv');
  make('/dev/mtd1');
  expect(checkBoot('', root)).toMatchObject(warning('the right to write to /dev/mtd2'));
  make('/dev/mtd2');
  expect(checkBoot('', root)).toMatchObject({ status: 'ok' });
});
