import { IotkitError } from '../../../lib/base/errors';
import type { ConfigChange } from '../../../lib/config/change';
import { refusalOf } from '../support';
import { rig, settle, watch } from './rig';

test('get() resolves with the configuration that the answer brings, or undefined', async () => {
  const { config, native, connect, answer, holds } = rig();
  connect();
  const first = config.get();
  answer('c1');
  const change = (await first) as ConfigChange;
  expect(change).toMatchObject({ configId: 'c1', size: 2, signMethod: 'Sha256' });
  expect(change.toJSON()).toMatchObject({ state: 'open', awaitsAnswer: false });
  const second = config.get();
  config.onNothing(native.configRequests.at(-1) ?? '');
  expect(await second).toBeUndefined();
  expect(holds).toHaveLength(2);
});

test('there is one object for each configuration, whoever asks and however often it comes', async () => {
  const { config, connect, answer, push } = rig();
  connect();
  const { seen, ids } = watch(config);
  answer('c1');
  const asked = config.get();
  answer('c1');
  push('7', 'c1');
  await settle();
  expect(ids()).toEqual(['c1']);
  expect(await asked).toBe(seen[0]);
  push('8', 'c2');
  await settle();
  expect(ids()).toEqual(['c1', 'c2']);
});

test('what a request brings is offered to those who iterate, once', async () => {
  const { config, connect, answer } = rig();
  connect();
  const { ids } = watch(config);
  answer('c1');
  const asked = config.get();
  answer('c2');
  await asked;
  await settle();
  expect(ids()).toEqual(['c1', 'c2']);
});

test('it asks by itself only while somebody iterates, once in each connection', async () => {
  const { config, native, connect, drop, answer } = rig();
  connect();
  expect(native.configRequests).toEqual([]);
  const { seen, changes } = watch(config);
  watch(config);
  expect(native.configRequests).toHaveLength(1);
  answer('c1');
  await settle();
  drop();
  connect();
  expect(native.configRequests).toHaveLength(2);
  answer('c1');
  await settle();
  expect(seen).toHaveLength(1);
  watch(config);
  expect(native.configRequests).toHaveLength(2);
  await changes.return();
});

test('whoever iterates before there is a connection makes it ask with the first one', async () => {
  const { config, native, connect, drop } = rig();
  const { changes } = watch(config);
  expect(native.configRequests).toEqual([]);
  connect();
  expect(native.configRequests).toHaveLength(1);
  config.onNothing(native.configRequests[0] ?? '');
  await settle();
  await changes.return();
  drop();
  connect();
  expect(native.configRequests).toHaveLength(1);
});

test('a question that was lost with its connection is sent once more, and not doubled', async () => {
  const { config, native, connect, drop, answer } = rig();
  connect();
  const { ids } = watch(config);
  drop();
  connect();
  expect(native.configRequests).toHaveLength(2);
  answer('c1');
  await settle();
  expect(ids()).toEqual(['c1']);
});

test('each iteration gets every change, a slow one the newest, a late one what is open', async () => {
  const { config, connect, push } = rig();
  connect();
  const slow = config.changes();
  const { ids } = watch(config);
  push('1', 'c1');
  await settle();
  push('2', 'c2');
  await settle();
  expect(ids()).toEqual(['c1', 'c2']);
  const { value } = await slow.next();
  expect(value?.configId).toBe('c2');
  const late = watch(config);
  await settle();
  expect(late.ids()).toEqual(['c2']);
  await value?.accept();
  const later = watch(config);
  await settle();
  expect(later.ids()).toEqual([]);
});

test('what was answered is offered again when it is pushed again, and is open again', async () => {
  const { config, native, connect, drop, push, answer } = rig();
  connect();
  const { seen, ids } = watch(config);
  push('1', 'c1');
  await settle();
  await seen[0]?.accept();
  config.onNothing(native.configRequests[0] ?? '');
  await settle();
  drop();
  connect();
  answer('c1');
  await settle();
  expect(ids()).toEqual(['c1']);
  push('2', 'c1');
  await settle();
  expect(seen[1]).toBe(seen[0]);
  expect(seen[0]?.state).toBe('open');
  await seen[0]?.reject(500, 'no');
  expect(native.configAnswers).toEqual([
    ['1', 200, ''],
    ['2', 500, 'no'],
  ]);
});

test('a refusal goes to the one who asked; one that nobody awaits is published', async () => {
  const { config, native, connect, refused } = rig();
  connect();
  const asked = config.get();
  config.onRefused(new IotkitError('ERR_PLATFORM_PARAMETERS'), native.configRequests[0] ?? '');
  await expect(asked).rejects.toMatchObject({ code: 'ERR_PLATFORM_PARAMETERS' });
  expect(refused).toEqual([]);
  config.onRefused(new IotkitError('ERR_NOTICE_FIELD'), '');
  expect(refused).toEqual(['ERR_NOTICE_FIELD']);
  const { changes } = watch(config);
  config.onRefused(new IotkitError('ERR_CONFIG_DISABLED'), native.configRequests[1] ?? '');
  await settle();
  expect(refused).toEqual(['ERR_NOTICE_FIELD', 'ERR_CONFIG_DISABLED']);
  await changes.return();
});

test('a signal ends the wait, and so does the end of the device', async () => {
  const { config, native, connect, answer } = rig();
  connect();
  const left = new AbortController();
  const abandoned = config.get({ signal: left.signal });
  left.abort(new Error('enough'));
  await expect(abandoned).rejects.toThrow('enough');
  const { done, ids } = watch(config);
  const asked = config.get();
  await config.shutdown(new IotkitError('ERR_CLOSED'));
  await expect(asked).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await done;
  answer('c1');
  expect(ids()).toEqual([]);
  await expect(config.get()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect((await config.changes().next()).done).toBe(true);
  expect(native.configRequests).toHaveLength(3);
});

test('an iteration ends with the reason of its signal', async () => {
  const { config } = rig();
  const stop = new AbortController();
  const next = config.changes({ signal: stop.signal }).next();
  stop.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
});

describe('with a fake clock', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('an answer that does not come in time is an error, of its own question an event', async () => {
    const { config, connect, refused } = rig();
    connect();
    const asked = config.get({ timeout: 50 });
    const late = expect(asked).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    await jest.advanceTimersByTimeAsync(50);
    await late;
    const changes = config.changes();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(refused).toEqual(['ERR_TIMEOUT']);
    await changes.return();
  });
});

test.each([
  [{ timeout: 0 }, 'timeout'],
  [{ timeout: 3_600_001 }, 'timeout'],
  [{ signal: 1 }, 'signal'],
  [{ module: 'a' }, 'module'],
])('get() refuses %j and names it', async (options, name) => {
  const { config } = rig();
  await expect(config.get(options as never)).rejects.toThrow(name);
  await expect(config.get(options as never)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
});

test('changes() refuses what it does not know', () => {
  const { config } = rig();
  expect(refusalOf(() => config.changes({ module: 'a' } as never)).message).toMatch(/module/);
});
