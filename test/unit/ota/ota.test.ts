// What the platform at hand cannot be made to do: notices that come twice, answers with errors.
import { getEventListeners } from 'node:events';
import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import type { Ota } from '../../../lib/ota/ota';
import { channel, offered, take } from './channel';

describe('a deferred upgrade', () => {
  test('is not offered on the same connection, but on the next', async () => {
    const { ota, announce, connect, steps } = channel();
    announce();
    await (await take(ota)).defer();
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
    connect();
    announce({ id: '3' });
    expect(await offered(ota)).toMatchObject([{ id: '3' }]);
    expect(steps).toEqual([]);
  });

  test('that has come twice is taken back', async () => {
    const { ota, announce } = channel();
    announce();
    const upgrade = await take(ota);
    announce({ id: '2' });
    await upgrade.defer();
    expect(await offered(ota)).toEqual([]);
  });

  test('is no reason to hold back another one', async () => {
    const { ota, announce } = channel();
    announce();
    await (await take(ota)).defer();
    announce({ id: '2', version: '2.0.1' });
    announce({ id: '3', module: 'MCU' });
    expect(await offered(ota)).toMatchObject([{ version: '2.0.1' }, { module: 'MCU' }]);
  });

  test('is had by check()', async () => {
    const { ota, announce, questions } = channel();
    announce();
    await (await take(ota)).defer();
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    expect(await answer).toMatchObject({ version: '2.0.0' });
  });
});

describe('a rejected upgrade', () => {
  test('is not offered again by the same notice, not even after a reconnect', async () => {
    const { ota, announce, connect, steps } = channel();
    announce();
    await (await take(ota)).reject('not now');
    expect(steps).toEqual([[-1, 'not now', '']]);
    announce();
    connect();
    announce();
    expect(await offered(ota)).toEqual([]);
  });

  test('is offered by another notice, and so is another image of the same id', async () => {
    const { ota, announce } = channel();
    announce();
    await (await take(ota)).reject();
    announce({ version: '2.0.1' });
    expect(await offered(ota)).toMatchObject([{ id: '1', version: '2.0.1' }]);
    announce({ id: '2' });
    expect(await offered(ota)).toMatchObject([{ id: '2', version: '2.0.0' }]);
  });

  test('is remembered a while and not for ever', async () => {
    const { ota, announce } = channel();
    for (let i = 0; i < 300; i += 1) {
      announce({ id: String(i) });
      await (await take(ota)).reject();
    }
    for (const id of ['10', '299']) announce({ id });
    expect(await offered(ota)).toMatchObject([{ id: '10' }]);
  });
});

test('a notice that comes again while its upgrade is consumed is not news', async () => {
  const { ota, announce, steps } = channel({ newerOnly: true });
  const job = announce();
  const download = (await take(ota)).download('/tmp/firmware.bin', { report: false });
  announce({ id: '2' });
  // A running download is not refused by a version that was reported meanwhile.
  ota.reportVersion('2.0.0').catch(() => {});
  announce({ id: '3' });
  expect(await offered(ota)).toEqual([]);
  expect(steps).toEqual([]);
  job.files[0]?.onEnd(0, '');
  await download;
  announce({ id: '4', version: '2.0.1' });
  expect(await offered(ota)).toMatchObject([{ id: '4' }]);
});

describe('a refused version', () => {
  test('is reported for its module and never offered; check() rejects', async () => {
    const { ota, announce, steps, questions } = channel({ newerOnly: true });
    // Nobody acknowledges them.
    ota.reportVersion('2.0.0').catch(() => {});
    ota.reportVersion('1.0.0', { module: 'MCU' }).catch(() => {});
    announce();
    announce({ id: '2', module: 'MCU' });
    expect(await offered(ota)).toMatchObject([{ module: 'MCU' }]);
    expect(steps).toEqual([[-1, expect.stringMatching(/^ERR_VERSION_REFUSED: /), '']]);
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    await expect(answer).rejects.toMatchObject({ code: 'ERR_VERSION_REFUSED' });
  });
});

describe('a version that is reported while an upgrade waits', () => {
  const report = (ota: Ota, version: string, module?: string): void => {
    const options = module === undefined ? {} : { module };
    ota.reportVersion(version, options).catch(() => {});
  };

  test('refuses an older one, and what is as new without a word to the platform', async () => {
    const { ota, announce, steps } = channel({ newerOnly: true });
    announce({ version: '1.9.0' });
    announce({ id: '2', version: '2.0.0', module: 'MCU' });
    announce({ id: '3', version: '2.0.1', module: 'BMS' });
    for (const module of [undefined, 'MCU', 'BMS']) report(ota, '2.0.0', module);
    expect(await offered(ota)).toMatchObject([{ module: 'BMS' }]);
    expect(steps).toEqual([[-1, expect.stringMatching(/1\.9\.0 is not newer than 2\.0\.0/), '']]);
  });

  test('changes nothing where older ones are allowed', async () => {
    const { ota, announce, steps } = channel();
    announce({ version: '1.9.0' });
    report(ota, '2.0.0');
    expect(await offered(ota)).toMatchObject([{ version: '1.9.0' }]);
    expect(steps).toEqual([]);
  });
});

describe('check()', () => {
  const refusal = new IotkitError('ERR_NOTICE_CODE', '460');

  test('an error is for the question that it answers', async () => {
    const { ota, questions } = channel();
    const [main, mcu] = [ota.check(), ota.check({ module: 'MCU' })];
    expect(questions.map(({ module }) => module)).toEqual(['', 'MCU']);
    ota.onRefused(refusal, questions[1]?.id ?? '');
    await expect(mcu).rejects.toBe(refusal);
    ota.onNothing(questions[0]?.id ?? '');
    expect(await main).toBeUndefined();
  });

  test('a push that was refused answers no question', async () => {
    const { ota, questions } = channel();
    const answer = ota.check();
    ota.onRefused(refusal, '');
    ota.onRefused(refusal, '7');
    ota.onNothing(questions[0]?.id ?? '');
    expect(await answer).toBeUndefined();
  });

  test('is asked again after a drop, and once there is a connection at all', async () => {
    const { ota, questions, connect, drop } = channel();
    const first = ota.check();
    drop();
    const second = ota.check({ module: 'MCU' });
    expect(questions).toHaveLength(1);
    connect();
    expect(questions.map(({ module }) => module).sort()).toEqual(['', '', 'MCU']);
    // The answer to the question of the lost connection is one to nobody.
    ota.onRefused(refusal, '100');
    for (const { id } of questions.slice(1)) ota.onNothing(id);
    expect(await Promise.all([first, second])).toEqual([undefined, undefined]);
  });
});

describe('reportVersion()', () => {
  test('resolves when its packet is acknowledged, rejects when that is given up', async () => {
    const { ota, native } = channel();
    const [first, second] = [ota.reportVersion('1.0'), ota.reportVersion('2', { module: 'MCU' })];
    expect(native.versions).toEqual([
      ['1.0', ''],
      ['2', 'MCU'],
    ]);
    ota.onPublished(1, 0, '');
    await first;
    ota.onPublished(2, errorCodes.ERR_CLOSED.errno, 'x');
    await expect(second).rejects.toMatchObject({ code: 'ERR_CLOSED', detail: 'x' });
  });

  test('a signal ends the wait; one that is aborted sends nothing', async () => {
    const { ota, native } = channel();
    const abort = new AbortController();
    const report = ota.reportVersion('1', { signal: abort.signal });
    abort.abort('enough');
    await expect(report).rejects.toBe('enough');
    await expect(ota.reportVersion('2', { signal: abort.signal })).rejects.toBe('enough');
    expect(native.versions).toHaveLength(1);
  });
});

test('reportProgress() sends the step with its text and module', async () => {
  const { ota, steps } = channel();
  await ota.reportProgress(50, { desc: 'flashing', module: 'MCU' });
  await ota.reportProgress(-4);
  expect(steps).toEqual([
    [50, 'flashing', 'MCU'],
    [-4, '', ''],
  ]);
});

test('setBandwidthLimit() takes bytes per second, or undefined for none', () => {
  const { ota, native } = channel();
  ota.setBandwidthLimit(1024);
  ota.setBandwidthLimit(undefined);
  expect(native.limits).toEqual([1024, 0]);
  expect(() => ota.setBandwidthLimit(1)).toThrow(RangeError);
});

describe('arguments are refused before anything is sent', () => {
  type Call = (ota: Ota) => unknown;
  const calls: ReadonlyArray<readonly [string, Call]> = [
    ['version must be 1-64 letters', (ota) => ota.reportVersion('a b')],
    ['module must be 1-64 letters', (ota) => ota.reportVersion('1', { module: '' })],
    ['step must be a whole number from -4 to 100', (ota) => ota.reportProgress(101)],
    ['desc must be at most 1,024 bytes', (ota) => ota.reportProgress(1, { desc: 'ä'.repeat(513) })],
    ['options has no option text', (ota) => ota.reportProgress(1, { text: '' } as object)],
    ['timeout must be a whole number from 1 to 3600000', (ota) => ota.check({ timeout: 0 })],
    ['signal must be an AbortSignal', (ota) => ota.check({ signal: {} as AbortSignal })],
    ['module must be 1-64 letters', (ota) => ota.upgrades({ module: 'a/b' })],
  ];

  test.each(calls)('%s', async (message, call) => {
    const { ota, native } = channel();
    await expect((async () => call(ota))()).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
    expect([native.versions, native.steps, native.questions]).toEqual([[], [], []]);
  });
});

test('the end of the device ends all that waits, and nothing begins any more', async () => {
  const { ota, native } = channel();
  const closed = new IotkitError('ERR_CLOSED', 'the device was closed');
  const waiting = [ota.reportVersion('1'), ota.check()].map((it) =>
    expect(it).rejects.toBe(closed),
  );
  const next = ota.upgrades().next();
  await ota.shutdown(closed);
  await Promise.all(waiting);
  expect((await next).done).toBe(true);
  for (const late of [ota.reportVersion('1'), ota.reportProgress(1), ota.check()]) {
    await expect(late).rejects.toMatchObject({ code: 'ERR_CLOSED', detail: closed.detail });
  }
  expect([native.versions.length, native.steps.length, native.questions.length]).toEqual([1, 0, 1]);
});

describe('nextUpgrade()', () => {
  test('is what an iteration would get, of its module', async () => {
    const { ota, announce } = channel();
    announce();
    const mcu = ota.nextUpgrade({ module: 'MCU' });
    announce({ id: '2', module: 'MCU' });
    expect([(await ota.nextUpgrade()).module, (await mcu).module]).toEqual([undefined, 'MCU']);
  });

  test('gives up in time, and then takes none', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const { ota, announce } = channel();
      const late = expect(ota.nextUpgrade({ timeout: 5_000 })).rejects.toMatchObject({
        code: 'ERR_TIMEOUT',
        detail: 'no upgrade was announced within 5000 ms',
      });
      jest.advanceTimersByTime(5_000);
      await late;
      announce();
      expect(await offered(ota)).toHaveLength(1);
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  test('leaves nothing behind that listens or waits', async () => {
    const { ota, announce } = channel();
    const { signal } = new AbortController();
    const waiting = ota.nextUpgrade({ signal, timeout: 3_600_000 });
    announce();
    await waiting;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await expect(ota.nextUpgrade({ signal, timeout: 0 })).rejects.toThrow(/timeout must be/);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('rejects when the device is closed', async () => {
    const { ota } = channel();
    const closed = { code: 'ERR_CLOSED' };
    const waiting = expect(ota.nextUpgrade()).rejects.toMatchObject(closed);
    await ota.shutdown(new IotkitError('ERR_CLOSED'));
    await waiting;
    await expect(ota.nextUpgrade()).rejects.toMatchObject(closed);
  });
});

describe('an upgrade that is deferred until a time', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'], now: 0 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('is offered then, whatever is announced meanwhile', async () => {
    const { ota, announce, connect } = channel();
    announce();
    const upgrade = await take(ota);
    await upgrade.defer({ until: 600_000 });
    await expect(upgrade.download('/a')).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    connect();
    announce({ id: '2' });
    jest.advanceTimersByTime(599_999);
    expect(await offered(ota)).toEqual([]);
    jest.advanceTimersByTime(1);
    const [again] = await offered(ota);
    expect(again).toMatchObject({ id: '1' });
    expect(again).not.toBe(upgrade);
  });

  test('also one whose download has failed: it is offered again by the program', async () => {
    const { ota, announce } = channel();
    const job = announce();
    const upgrade = await take(ota);
    const done = upgrade.download('/a');
    job.files[0]?.onEnd(errorCodes.ERR_TRUNCATED.errno, '');
    await expect(done).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
    await upgrade.defer({ until: Date.now() });
    jest.advanceTimersByTime(1);
    expect(await offered(ota)).toHaveLength(1);
  });

  test('is had before by check(), and then not offered', async () => {
    const { ota, announce, questions } = channel();
    announce();
    await (await take(ota)).defer({ until: 600_000 });
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    expect(await answer).toBeDefined();
    jest.advanceTimersByTime(600_000);
    expect(await offered(ota)).toEqual([]);
  });

  test('is judged by the rules of that time', async () => {
    const { ota, announce, steps } = channel({ newerOnly: true });
    announce();
    await (await take(ota)).defer({ until: 1_000 });
    ota.reportVersion('2.0.1').catch(() => {});
    jest.advanceTimersByTime(1_000);
    expect(await offered(ota)).toEqual([]);
    expect(steps).toMatchObject([[-1, expect.stringMatching(/^ERR_VERSION_REFUSED/), '']]);
  });

  test('is forgotten with the device', async () => {
    const { ota, announce } = channel();
    announce();
    await (await take(ota)).defer({ until: 600_000 });
    await ota.shutdown(new IotkitError('ERR_CLOSED'));
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('a call that is refused, or an iteration that has ended, leaves no listener', async () => {
  const { ota, native } = channel();
  const { signal } = new AbortController();
  const iteration = ota.upgrades({ signal });
  native.reportVersion = () => errorCodes.ERR_QUEUE_FULL.errno;
  native.request = () => errorCodes.ERR_QUEUE_FULL.errno;
  const full = { code: 'ERR_QUEUE_FULL' };
  await expect(ota.reportVersion('1', { signal })).rejects.toMatchObject(full);
  await expect(ota.check({ signal })).rejects.toMatchObject(full);
  await ota.shutdown(new IotkitError('ERR_CLOSED'));
  const closed = { code: 'ERR_CLOSED' };
  await expect(ota.reportVersion('1', { signal })).rejects.toMatchObject(closed);
  await expect(ota.check({ signal })).rejects.toMatchObject(closed);
  await expect(ota.nextUpgrade({ signal })).rejects.toMatchObject(closed);
  ota.upgrades({ signal });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect((await iteration.next()).done).toBe(true);
});
