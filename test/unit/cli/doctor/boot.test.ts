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
  expect(checkBoot('', root).status).toBe('ok');
});
