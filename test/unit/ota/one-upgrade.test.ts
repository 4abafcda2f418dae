// One task of the platform is one Upgrade, whoever asks for it and however often it is announced.
import type { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import type { Ota } from '../../../lib/ota/ota';
import type { Upgrade } from '../../../lib/ota/upgrade';
import type { FakeJob } from '../support';
import { channel, offered, take } from './channel';

const busy = { code: 'ERR_BUSY' };

test('check() during a download gives its Upgrade; what is refused then is told to nobody', async () => {
  const { ota, announce, questions, steps } = channel();
  const job = announce();
  const upgrade = await take(ota);
  const done = upgrade.download('/tmp/a');
  const answer = ota.check();
  const again = announce({ id: questions[0]?.id ?? '', url: 'https://fw.example.com/new' });
  const asked = (await answer) as Upgrade;
  expect(asked).toBe(upgrade);
  await expect(asked.download('/tmp/a')).rejects.toMatchObject(busy);
  await expect(asked.chunks().next()).rejects.toMatchObject(busy);
  for (const refused of [asked.reject('no'), asked.defer(), asked.fail('no')]) {
    await expect(refused).rejects.toMatchObject(busy);
  }
  expect([again.files, again.readers]).toEqual([[], []]);
  job.files[0]?.onEnd(0, '');
  await done;
  expect(steps.map(([step]) => step)).toEqual([0, 100]);
});

test('two objects of one image, because another came in between, are consumed one at a time', async () => {
  const { ota, announce, steps } = channel();
  const job = announce();
  const first = await take(ota);
  announce({ version: '3.0.0' });
  await take(ota);
  announce({ id: '3' });
  const second = await take(ota);
  expect(second).not.toBe(first);
  const done = first.download('/tmp/a');
  await expect(second.download('/tmp/b')).rejects.toMatchObject(busy);
  await expect(second.reject('no')).rejects.toMatchObject(busy);
  job.files[0]?.onEnd(0, '');
  await done;
  expect(steps.map(([step]) => step)).toEqual([0, 100]);
});

describe('a notice that comes again is not handed out again', () => {
  test('after check() got it while it waited, nor after a drop', async () => {
    const { ota, announce, questions, connect, drop } = channel();
    announce();
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    expect(await answer).toBeDefined();
    expect(await offered(ota)).toEqual([]);
    drop();
    connect();
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
  });

  test('while it waits, nor after it was taken and the connection dropped', async () => {
    const { ota, announce, connect, drop } = channel();
    announce();
    drop();
    connect();
    announce({ id: '2' });
    expect(await offered(ota)).toMatchObject([{ id: '2' }]);
    drop();
    connect();
    announce({ id: '3' });
    expect(await offered(ota)).toEqual([]);
  });

  test('after its download has ended well', async () => {
    const { ota, announce, connect } = channel();
    const job = announce();
    const done = (await take(ota)).download('/tmp/a');
    job.files[0]?.onEnd(0, '');
    await done;
    connect();
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
  });

  test('but check() gets it, with the URL of the newest notice', async () => {
    const { ota, announce, questions } = channel();
    announce();
    const upgrade = await take(ota);
    const answer = ota.check();
    const id = questions[0]?.id ?? '';
    const newer = announce({ id, url: 'https://fw.example.com/new', extData: '{"a":1}' });
    expect(await answer).toBe(upgrade);
    expect(upgrade).toMatchObject({ id, url: 'https://fw.example.com/new', extData: { a: 1 } });
    const done = upgrade.download('/tmp/a');
    newer.files[0]?.onEnd(0, '');
    await done;
  });
});

describe('an upgrade that has failed is offered by the next notice', () => {
  type Fail = (upgrade: Upgrade, ota: ReturnType<typeof channel>['ota']) => Promise<unknown>;
  const ways: ReadonlyArray<readonly [string, Fail]> = [
    ['fail()', (upgrade) => upgrade.fail('flash')],
    ['report(-4)', (upgrade) => upgrade.report(-4, 'flash')],
    ['reportProgress(-4)', (_, ota) => ota.reportProgress(-4)],
    [
      'a download that was cancelled',
      async (upgrade) => {
        const done = upgrade.download('/tmp/b');
        upgrade.abort('enough');
        await expect(done).rejects.toBe('enough');
      },
    ],
  ];

  test.each(ways)('by %s', async (_, fail) => {
    const { ota, announce } = channel();
    const job = announce();
    const upgrade = await take(ota);
    const done = upgrade.download('/tmp/a');
    job.files[0]?.onEnd(0, '');
    await done;
    await fail(upgrade, ota);
    expect(await offered(ota)).toEqual([]);
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([upgrade]);
    announce({ id: '3' });
    expect(await offered(ota)).toEqual([]);
  });

  test('and not while it is tried again', async () => {
    const { ota, announce } = channel();
    announce();
    const upgrade = await take(ota);
    await upgrade.fail('flash');
    announce({ id: '2' });
    const done = upgrade.download('/tmp/a');
    expect(await offered(ota)).toEqual([]);
    upgrade.abort('enough');
    await expect(done).rejects.toBe('enough');
  });
});

describe('the report of its version ends an upgrade', () => {
  const report = (ota: ReturnType<typeof channel>['ota'], version: string): void => {
    ota.reportVersion(version).catch(() => {});
  };

  test('that waits: it is not installed once more after the restart', async () => {
    const { ota, announce, listeners, steps } = channel();
    const refused: IotkitError[] = [];
    listeners.add('refused', (error) => refused.push(error));
    announce();
    report(ota, '2.0.0');
    expect(await offered(ota)).toEqual([]);
    expect(steps).toEqual([]);
    expect(refused).toMatchObject([{ code: 'ERR_VERSION_REFUSED', detail: '2.0.0 runs already' }]);
  });

  test('that the program has: a later notice is a new upgrade', async () => {
    const { ota, announce } = channel();
    announce();
    const upgrade = await take(ota);
    report(ota, '1.0.0');
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
    report(ota, '2.0.0');
    announce({ id: '3' });
    const [later] = await offered(ota);
    expect(later).toMatchObject({ id: '3' });
    expect(later).not.toBe(upgrade);
  });
});

describe('a notice that left the platform before it heard of a failure is asked about', () => {
  type End = (upgrade: Upgrade, job: FakeJob) => Promise<unknown>;
  const ends: ReadonlyArray<readonly [string, number, End]> = [
    ['reject()', -1, (upgrade) => upgrade.reject('no')],
    ['fail()', -1, (upgrade) => upgrade.fail('flash')],
    [
      'a failed download',
      -2,
      async (upgrade, job) => {
        const download = upgrade.download('/tmp/a');
        job.files[0]?.onEnd(errorCodes.ERR_TRUNCATED.errno, '');
        await expect(download).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
      },
    ],
  ];

  /** An upgrade that has ended while there was no connection; now there is one. */
  async function endedOffline(end: (...ended: [...Parameters<End>, Ota]) => Promise<unknown>) {
    const channelled = channel();
    const { ota, native, announce, connect, drop } = channelled;
    const job = announce();
    const upgrade = await take(ota);
    const log: unknown[] = [];
    const { questions } = channelled;
    jest.spyOn(native, 'reportProgress').mockImplementation((step) => {
      if (!native.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
      log.push([step, questions.length]);
      return 0;
    });
    drop();
    await end(upgrade, job, ota);
    expect(log).toEqual([]);
    connect();
    return { ...channelled, log };
  }

  test.each(ends)('after %s', async (_, step, end) => {
    const { ota, announce, questions, log, connect } = await endedOffline(end);
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
    // The platform hears of the failure, then it is asked.
    expect(log.at(-1)).toEqual([step, 0]);
    expect(questions).toMatchObject([{ module: '' }]);
    ota.onNothing(questions[0]?.id ?? '');
    expect(await offered(ota)).toEqual([]);
    // The operator has started it once more.
    announce({ id: '3' });
    expect(await offered(ota)).toEqual([]);
    expect(questions).toHaveLength(2);
    announce({ id: questions[1]?.id ?? '' });
    const [again] = await offered(ota);
    expect(again?.version).toBe('2.0.0');
    // With the next connection the platform knows.
    await again?.fail('flash');
    connect();
    announce({ id: '4' });
    expect(await offered(ota)).toHaveLength(1);
    expect(questions).toHaveLength(2);
  });

  test('other images and modules are offered at once', async () => {
    const { ota, announce, questions } = await endedOffline((upgrade) => upgrade.reject('no'));
    announce({ id: '2', version: '3.0.0' });
    announce({ id: '3', module: 'MCU' });
    expect(await offered(ota)).toHaveLength(2);
    expect(questions).toEqual([]);
  });

  test('check() asks after the failure was reported, and gets what the platform then says', async () => {
    const { ota, announce, questions, log } = await endedOffline((upgrade) => upgrade.reject('no'));
    const answer = ota.check();
    expect(log).toEqual([[-1, 0]]);
    announce({ id: questions[0]?.id ?? '' });
    expect((await answer)?.version).toBe('2.0.0');
  });

  test('a check() that waits for the connection is sent after the failure as well', async () => {
    let answer: Promise<unknown> = Promise.resolve();
    const { ota, questions, log } = await endedOffline(async (upgrade, _, channelled) => {
      answer = channelled.check();
      await upgrade.reject('no');
    });
    ota.onNothing(questions[0]?.id ?? '');
    expect(await answer).toBeUndefined();
    expect(log).toEqual([[-1, 0]]);
  });
});

test('an answer that comes when nobody waits for it any more is offered', async () => {
  const { ota, announce, questions } = channel();
  const abort = new AbortController();
  const answer = ota.check({ signal: abort.signal });
  answer.catch(() => {});
  // In one turn: the reason has not reached the one who asked when the answer comes.
  abort.abort('enough');
  announce({ id: questions[0]?.id ?? '' });
  await expect(answer).rejects.toBe('enough');
  expect(await offered(ota)).toHaveLength(1);
});

test('an aborted signal takes no upgrade', async () => {
  const { ota, announce } = channel();
  announce();
  const signal = AbortSignal.abort('gone');
  await expect(ota.upgrades({ signal }).next()).rejects.toBe('gone');
  await expect(ota.nextUpgrade({ signal })).rejects.toBe('gone');
  expect(await offered(ota)).toHaveLength(1);
});

test('upgrades of the default module go by one name', async () => {
  const { ota, announce, questions, steps } = channel();
  announce({ module: 'default' });
  announce({ module: 'MCU' });
  const [next] = [await ota.upgrades({ module: 'default' }).next()];
  expect((next.value as Upgrade).module).toBeUndefined();
  await (next.value as Upgrade).reject('no');
  expect(steps).toEqual([[-1, 'no', '']]);
  const answer = ota.check({ module: 'default' });
  expect(questions).toMatchObject([{ module: '' }]);
  ota.onNothing(questions[0]?.id ?? '');
  await answer;
});
