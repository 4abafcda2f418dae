import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceManager } from '../../../../lib/cli/agent/service';

const { PATH } = process.env;
let folder: string;
let errors: string[];
let alive: () => Promise<unknown>;

beforeEach(() => {
  // How long a program takes on a machine that is busy decides nothing: its time is up when a test says so.
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  folder = mkdtempSync(join(tmpdir(), 'iotkit-service-'));
  errors = [];
  alive = async () => undefined;
  notifyBy('');
  process.env.PATH = `${folder}:${PATH}`;
});
afterEach(() => {
  jest.useRealTimers();
  process.env.PATH = PATH;
  rmSync(folder, { recursive: true, force: true });
});

/** What `systemd-notify` does after it was heard. */
function notifyBy(line: string): void {
  const program = join(folder, 'systemd-notify');
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$1" >> ${folder}/heard\n${line}\n`);
  chmodSync(program, 0o755);
}

const file = (): string => join(folder, 'heard');
/** Whole lines: the file is there before the first is in it. */
const heard = (): string[] =>
  existsSync(file()) ? readFileSync(file(), 'utf8').split('\n').slice(0, -1) : [];

/** Resolves when it has heard so many. */
function hears(count: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (heard().length < count) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(folder, look);
    look();
  });
}

const manager = (more: Record<string, string> = {}): ServiceManager =>
  new ServiceManager(
    { NOTIFY_SOCKET: '/none', ...more },
    { onError: (message) => errors.push(message), isAlive: () => alive() },
  );

test('the service manager hears of each state in order', async () => {
  const service = manager();
  await service.ready();
  await service.status('2.0.0:\n  installing');
  await service.stopping();
  await service.status('too late');
  expect(heard()).toEqual(['READY=1', 'STATUS=2.0.0: installing', 'STOPPING=1']);
  expect(errors).toEqual([]);
});

test('whatever a program has said can be a status', async () => {
  const service = manager();
  await service.status(`a\0b ${'x'.repeat(300_000)}`);
  expect(heard()[0]).toMatch(/^STATUS=a b x{508}$/);
  expect(errors).toEqual([]);
});

test('a notification that cannot be sent is said once, and the next ones are sent', async () => {
  const service = manager();
  process.env.PATH = '/none';
  await service.status('one');
  await service.status('two');
  process.env.PATH = `${folder}:${PATH}`;
  await service.status('three');
  notifyBy('echo no such socket; exit 1');
  await service.status('four');
  expect(errors).toEqual([
    expect.stringContaining('ENOENT'),
    'systemd-notify STATUS=four: systemd-notify ended with 1: no such socket',
  ]);
  expect(heard()).toEqual(['STATUS=three', 'STATUS=four']);
});

test('no program that the agent starts can speak for it', () => {
  const env = { NOTIFY_SOCKET: '/none', WATCHDOG_USEC: '1', WATCHDOG_PID: '1', HOME: '/' };
  new ServiceManager(env, { onError: () => {}, isAlive: alive });
  expect(env).toEqual({ HOME: '/' });
});

test('of what waits for a program that hangs the newest is told, and the end waits for nothing', async () => {
  notifyBy('case $1 in READY*) sleep 1000 & echo $! > "$(dirname $0)/pid"; wait;; esac');
  const service = manager();
  void service.ready();
  await hears(1);
  for (let i = 0; i < 100; i += 1) void service.status(String(i));
  await service.stopping();
  expect(heard()).toEqual(['READY=1', 'STOPPING=1']);
  expect(errors).toEqual([]);
});

test('a program that hangs is ended with all that it has started', async () => {
  // What it has started has its output, without whose end it has not ended: no timer closes that here.
  notifyBy("trap '' TERM; sleep 1000");
  const service = manager();
  const told = service.status('one');
  await hears(1);
  await jest.advanceTimersByTimeAsync(10_000);
  await jest.advanceTimersByTimeAsync(500);
  await told;
  expect(errors).toEqual([expect.stringContaining('ran over 10000 ms')]);
});

describe('the watchdog', () => {
  const watched = { WATCHDOG_USEC: '2000000', WATCHDOG_PID: String(process.pid) };

  test('hears twice as often as it wants to, until the end', async () => {
    const service = manager(watched);
    await service.ready();
    for (let i = 2; i < 5; i += 1) {
      await jest.advanceTimersByTimeAsync(1000);
      await hears(i);
    }
    await service.stopping();
    expect(jest.getTimerCount()).toBe(0);
    expect(heard()).toEqual(['READY=1', 'WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1', 'STOPPING=1']);
  });

  test('hears nothing of an agent that is stuck', async () => {
    let goOn = (): void => {};
    alive = () =>
      new Promise<void>((resolve) => {
        goOn = resolve;
      });
    const service = manager(watched);
    await service.ready();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(heard()).toEqual(['READY=1']);
    goOn();
    await hears(2);
    expect(heard()).toEqual(['READY=1', 'WATCHDOG=1']);
    await service.stopping();
  });

  test('hears nothing of one that cannot work', async () => {
    alive = () => Promise.reject(new Error('EIO'));
    const service = manager(watched);
    await service.ready();
    await jest.advanceTimersByTimeAsync(10_000);
    await service.stopping();
    expect(heard()).toEqual(['READY=1', 'STOPPING=1']);
    expect(errors).toEqual(['the watchdog hears nothing: EIO']);
  });

  test('of another process is none', async () => {
    const service = manager({ ...watched, WATCHDOG_PID: '1' });
    await service.ready();
    expect(jest.getTimerCount()).toBe(0);
    await service.stopping();
  });
});
