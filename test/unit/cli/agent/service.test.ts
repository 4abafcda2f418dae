import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceManager } from '../../../../lib/cli/agent/service';

const { PATH } = process.env;
let folder: string;
let errors: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-service-'));
  errors = [];
  const program = join(folder, 'systemd-notify');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$1" >> ${folder}/heard\n`);
  chmodSync(program, 0o755);
  process.env.PATH = `${folder}:${PATH}`;
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(folder, { recursive: true, force: true });
});

const heard = (): string[] => readFileSync(join(folder, 'heard'), 'utf8').trim().split('\n');
const manager = (): ServiceManager =>
  new ServiceManager({ NOTIFY_SOCKET: '/none' }, (message) => errors.push(message));

test('the service manager hears of each state in order', async () => {
  const service = manager();
  await service.ready();
  await service.status('2.0.0:\n  installing');
  await service.stopping();
  expect(heard()).toEqual(['READY=1', 'STATUS=2.0.0: installing', 'STOPPING=1']);
  expect(errors).toEqual([]);
});

test('whatever a program has said can be a status', async () => {
  const service = manager();
  await service.status(`a\0b ${'x'.repeat(300_000)}`);
  expect(heard()[0]).toMatch(/^STATUS=a b x{508}$/);
  expect(errors).toEqual([]);
});

test('a notification that cannot be sent is said, and the next one is sent', async () => {
  const service = manager();
  process.env.PATH = '/none';
  await service.status('one');
  process.env.PATH = `${folder}:${PATH}`;
  await service.status('two');
  expect(errors).toEqual([expect.stringContaining('ENOENT')]);
  expect(heard()).toEqual(['STATUS=two']);
});
