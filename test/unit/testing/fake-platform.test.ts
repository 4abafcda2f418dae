// The fake platform as a program's tests use it: alone by what it exports.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Device } from '../../../lib/device/device';
import { FakePlatform } from '../../../lib/testing';
import { randomFrom } from '../support';

const random = randomFrom(7);
const data = Buffer.from(Array.from({ length: 200_003 }, () => random(256)));

let directory: string;

beforeEach(async () => {
  // A percentage goes out each second, and progress is told again where nothing comes: however busy the machine is,
  // here no time passes.
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-fake-'));
});
afterEach(async () => {
  jest.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

const inDirectory = (name: string): string => path.join(directory, name);

/** A program under test: tries to install two upgrades, and says how it went. */
async function run(device: Device, file: string, onLog: (line: string) => void): Promise<string[]> {
  const log: string[] = [];
  await device.ota.reportVersion('1.0.0');
  for await (const upgrade of device.ota.upgrades()) {
    try {
      await upgrade.download(file);
      await device.ota.reportVersion(upgrade.version);
      log.push(`installed ${upgrade.version}`);
    } catch (error) {
      log.push(String((error as { code?: string }).code));
    }
    onLog(log.at(-1) as string);
    if (log.length === 2) break;
  }
  return log;
}

test('a program is tested from the notice to the version report, a failure on the way', async () => {
  const platform = new FakePlatform();
  let program: Promise<string[]> | undefined;
  const failed = new Promise((resolve) => {
    program = run(platform.device, inDirectory('firmware'), resolve);
  });
  platform.announce({ version: '2.0.0', data, failures: ['ERR_HTTP_STATUS'] });
  expect(platform.taskState()).toBe('pushed');
  await failed;
  expect(platform.taskState()).toBe('failed');
  platform.announce({ version: '2.0.0', data });
  expect(await program).toEqual(['ERR_HTTP_STATUS', 'installed 2.0.0']);
  expect(data.equals(await readFile(inDirectory('firmware')))).toBe(true);
  expect(await readdir(directory)).toEqual(['firmware']);
  expect(platform.taskState()).toBe('succeeded');
  expect(platform.versions).toEqual([
    { version: '1.0.0', module: undefined },
    { version: '2.0.0', module: undefined },
  ]);
  expect(platform.steps.map(({ step }) => step)).toEqual([0, -2, 0, 100]);
  await platform.device.close();
});

test('the image comes in chunks, as a stream, to a writer and in place as well', async () => {
  const platform = new FakePlatform();
  const { ota } = platform.device;
  platform.announce({ version: '2.0.0', data, module: 'MCU', extData: { a: 1 } });
  const upgrade = await ota.nextUpgrade({ module: 'MCU' });
  expect(upgrade).toMatchObject({ module: 'MCU', size: data.length, extData: { a: 1 } });
  const seen = {
    chunks: [] as Uint8Array[],
    stream: [] as Uint8Array[],
    writer: [] as Uint8Array[],
  };
  for await (const chunk of upgrade) seen.chunks.push(chunk);
  for await (const chunk of upgrade.stream()) seen.stream.push(chunk);
  await writeFile(inDirectory('partition'), Buffer.alloc(data.length + 10));
  await upgrade.download([
    { write: (chunk) => void seen.writer.push(Uint8Array.from(chunk)) },
    { device: inDirectory('partition'), offset: 10 },
  ]);
  for (const chunks of Object.values(seen)) expect(data.equals(Buffer.concat(chunks))).toBe(true);
  const partition = await readFile(inDirectory('partition'));
  expect(data.equals(partition.subarray(10))).toBe(true);
  await platform.device.close();
});

test('what is not there, and what is cancelled, fails as in earnest', async () => {
  const platform = new FakePlatform();
  platform.announce({ version: '2.0.0', data });
  const upgrade = await platform.device.ota.nextUpgrade();
  const nowhere = upgrade.download(inDirectory('none/firmware'));
  await expect(nowhere).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  const cancelled = upgrade.download(inDirectory('firmware'));
  upgrade.pause();
  await expect(upgrade.download(inDirectory('other'))).rejects.toMatchObject({ code: 'ERR_BUSY' });
  upgrade.abort('enough');
  await expect(cancelled).rejects.toBe('enough');
  expect(await readdir(directory)).toEqual([]);
  await platform.device.close();
});

test('a download has the states that it has in earnest', async () => {
  const platform = new FakePlatform();
  const retries = ['ERR_CONNECT', 'ERR_TIMEOUT'] as const;
  const failures = ['ERR_DIGEST_MISMATCH'] as const;
  platform.announce({ version: '2.0.0', data, retries, failures, onDisk: 70_000 });
  const upgrade = await platform.device.ota.nextUpgrade();
  const heard: string[] = [];
  upgrade.on('state', (state) => {
    heard.push(state.phase === 'retrying' ? `${state.attempt} ${state.error.code}` : state.phase);
  });
  const first = upgrade.download(inDirectory('firmware'));
  await expect(first).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(heard.splice(0)).toEqual([
    'queued',
    'proving',
    'downloading',
    '1 ERR_CONNECT',
    '2 ERR_TIMEOUT',
    'downloading',
    'verifying',
    'failed',
  ]);
  const seen: number[] = [];
  await upgrade.download(inDirectory('firmware'), {
    onProgress: ({ received, paused }) => {
      if (received === 70_000 && !paused) upgrade.pause();
      if (paused) upgrade.resume();
      seen.push(received);
    },
  });
  expect(seen[0]).toBe(70_000);
  const end = ['verifying', 'committing', 'done'];
  expect(heard.splice(0)).toEqual([
    ...['queued', 'proving', 'downloading', 'paused', 'downloading'],
    ...end,
  ]);
  await upgrade.download({ write: () => {} });
  expect(heard.splice(0)).toEqual(['queued', 'downloading', ...end]);
  for await (const _ of upgrade) if (heard.length === 2) break;
  expect(heard).toEqual(['queued', 'downloading', 'aborted']);
  await platform.device.close();
});

test('a download is paused before it begins, and between two tries', async () => {
  const platform = new FakePlatform();
  platform.announce({ version: '2.0.0', data, retries: ['ERR_CONNECT'] });
  const upgrade = await platform.device.ota.nextUpgrade();
  const heard: string[] = [];
  upgrade.on('state', ({ phase }) => {
    heard.push(phase);
    if (phase === 'retrying' && heard.filter((it) => it === phase).length === 1) upgrade.pause();
  });
  const download = upgrade.download(inDirectory('firmware'));
  upgrade.pause();
  upgrade.resume();
  for await (const { phase } of upgrade.states()) if (phase === 'paused') break;
  expect(upgrade.retrying).toMatchObject({ attempt: 1, error: { code: 'ERR_CONNECT' } });
  upgrade.resume();
  await download;
  expect(heard).toEqual([
    ...['queued', 'paused', 'queued', 'downloading', 'retrying', 'paused', 'retrying'],
    ...['downloading', 'verifying', 'committing', 'done'],
  ]);
  await platform.device.close();
});

test('a lost connection is told, and the notice of what is unfinished is repeated', async () => {
  const platform = new FakePlatform({ productKey: 'pk', deviceName: 'dn' });
  const { device } = platform;
  expect([device.productKey, device.deviceName, device.state]).toEqual(['pk', 'dn', 'connected']);
  platform.disconnect('ERR_MQTT_CREDENTIALS');
  expect([device.state, device.error?.code]).toEqual(['waiting', 'ERR_MQTT_CREDENTIALS']);
  platform.announce({ version: '2.0.0', data });
  const reported = device.ota.reportVersion('1.0.0');
  await expect(device.ota.reportProgress(1)).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
  const next = device.ota.nextUpgrade();
  const asked = device.ota.check();
  platform.connect();
  await reported;
  expect(await asked).toBe(await next);
  const refused: string[] = [];
  device.on('refused', ({ code }) => refused.push(code));
  platform.refuse('ERR_NOTICE_JSON');
  expect(refused).toEqual(['ERR_NOTICE_JSON']);
  await device.close();
  expect(await device.closed).toBeUndefined();
});

test('the rules and the log are those of connect()', async () => {
  const lines: string[] = [];
  const write = (_: object, message: string): void => void lines.push(message);
  const logger = { debug: write, info: write, warn: write, error: write };
  const platform = new FakePlatform({ verify: { newerOnly: true }, logger });
  await platform.device.ota.reportVersion('2.0.0');
  platform.announce({ version: '1.0.0', data });
  expect(platform.taskState()).toBe('failed');
  expect(platform.taskState('MCU')).toBeUndefined();
  expect(await platform.device.ota.check()).toBeUndefined();
  await platform.device.close();
  expect(lines).toEqual(['connected', 'refused', 'closing', 'closed']);
});

test('a program that applies configurations is tested with what it answers', async () => {
  const platform = new FakePlatform();
  const { device } = platform;
  platform.configure('{"colour":"red"}');
  const seen: unknown[] = [];
  const changes = device.config.changes();
  const first = (await changes.next()).value;
  seen.push(await first?.json());
  await first?.accept();
  platform.configure('{"colour":"blue"}');
  const second = (await changes.next()).value;
  await second?.save(inDirectory('config.json'));
  await second?.reject(460, 'no blue');
  expect(seen).toEqual([{ colour: 'red' }]);
  expect(await readFile(inDirectory('config.json'), 'utf8')).toBe('{"colour":"blue"}');
  expect(platform.configAnswers).toEqual([
    { configId: 'config-1', code: 200, message: '' },
    { configId: 'config-2', code: 460, message: 'no blue' },
  ]);
  platform.disconnect();
  platform.configure('{}');
  const asked = device.config.get();
  platform.connect();
  expect((await asked)?.configId).toBe('config-3');
  platform.configure(undefined);
  expect(await device.config.get()).toBeUndefined();
  await device.close();
});

test('a program that looks at the time sees the clock of the platform', async () => {
  const platform = new FakePlatform();
  const { device } = platform;
  const told: Array<number | undefined> = [];
  device.on('clock', ({ offset }) => told.push(offset));
  platform.clockOffset = 120_000;
  expect(await device.time()).toMatchObject({ offset: 120_000, uncertainty: 1 });
  expect(told).toEqual([120_000]);
  await device.close();
});
