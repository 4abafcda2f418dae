import { inspect } from 'node:util';
import type { NativeUpgradeInfo } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import { Upgrade, type UpgradeHost } from '../../../lib/ota/upgrade';
import { FakeHost, FakeJob, refusalOf } from '../support';

const files = [{ name: 'a', size: 5, digestMethod: 'sha256' as const, digest: 'cd'.repeat(32) }];

/** A channel that keeps account of what was deferred and rejected. */
class FakeChannel extends FakeHost implements UpgradeHost {
  readonly calls: unknown[] = [];
  isClosed = false;
  assertFree(): void {
    if (this.running.size > 0) throw new IotkitError('ERR_BUSY');
  }
  onDefer(upgrade: Upgrade, _job: unknown, until: number | undefined): void {
    this.calls.push(['defer', upgrade.id, ...(until === undefined ? [] : [until])]);
  }
  onReject(upgrade: Upgrade, reason: string): void {
    this.calls.push(['reject', upgrade.id, reason]);
  }
  async report(upgrade: Upgrade, step: number, desc: string): Promise<void> {
    this.calls.push(['report', upgrade.id, step, desc]);
  }
  onFail(upgrade: Upgrade, reason: string): void {
    this.calls.push(['fail', upgrade.id, reason]);
  }
}

function upgradeOf(change: Partial<NativeUpgradeInfo> = {}) {
  const job = new FakeJob(change);
  const host = new FakeChannel();
  return { job, host, upgrade: new Upgrade(job, host) };
}

test('says what was announced; what was not is undefined or empty', () => {
  const { upgrade, job } = upgradeOf();
  const { id, version, size, digest, url } = job.info;
  expect(upgrade).toMatchObject({ id, version, size, digest, url, digestMethod: 'sha256' });
  expect([upgrade.module, upgrade.digestSign, upgrade.isDiff, upgrade.extData]).toEqual([
    undefined,
    undefined,
    false,
    {},
  ]);
  const more = upgradeOf({ module: 'MCU', digestSign: 'x', isDiff: true, extData: '{"a":1}' });
  expect(more.upgrade).toMatchObject({
    module: 'MCU',
    digestSign: 'x',
    isDiff: true,
    extData: { a: 1 },
  });
});

test('the query of the URL is not shown', () => {
  const { upgrade } = upgradeOf();
  for (const shown of [JSON.stringify(upgrade), inspect(upgrade)]) {
    expect(shown).toContain('https://fw.example.com/a?…');
    expect(shown).not.toContain('secret');
  }
  expect(inspect(upgrade)).toMatch(/^Upgrade \{/);
  expect(upgradeOf({ url: 'https://h/a#x' }).upgrade.toJSON().url).toBe('https://h/a?…');
  expect(upgradeOf({ url: 'https://h/a' }).upgrade.toJSON().url).toBe('https://h/a');
  expect([upgrade.toJSON().files, upgradeOf({ files }).upgrade.toJSON().files]).toEqual([
    undefined,
    files,
  ]);
});

test('defer() and reject() happen once, and then it is not consumed any more', async () => {
  for (const [decline, past] of [
    ['defer', 'deferred'],
    ['reject', 'rejected'],
  ] as const) {
    const { upgrade, host } = upgradeOf();
    await upgrade[decline]();
    const state = { code: 'ERR_INVALID_STATE', detail: `the upgrade was ${past}` };
    await expect(upgrade.defer()).rejects.toMatchObject(state);
    await expect(upgrade.reject()).rejects.toMatchObject(state);
    await expect(upgrade.download('/a')).rejects.toMatchObject(state);
    await expect(upgrade.chunks().next()).rejects.toMatchObject(state);
    expect(host.calls).toHaveLength(1);
  }
});

test('a channel that is closed leaves it as it was', async () => {
  const { upgrade, host } = upgradeOf();
  host.onDefer = () => {
    throw new Error('closed');
  };
  await expect(upgrade.defer()).rejects.toThrow('closed');
  await upgrade.reject('x');
  expect(host.calls).toEqual([['reject', '1', 'x']]);
});

test('neither while it is being consumed', async () => {
  const { upgrade, job } = upgradeOf();
  const done = upgrade.download('/a');
  await expect(upgrade.defer()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(upgrade.reject()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  job.files[0]?.onEnd(0, '');
  await done;
  await upgrade.verify();
  await upgrade.defer();
});

test.each([
  ['x'.repeat(1025), 'reason must be 0-1024 characters'],
  ['ä'.repeat(513), 'reason must be at most 1,024 bytes'],
])('a reason that is too long is refused: %#', async (reason, message) => {
  await expect(upgradeOf().upgrade.reject(reason)).rejects.toThrow(message);
});

test('abort() has a reason of its own unless one is given', async () => {
  const { upgrade } = upgradeOf();
  upgrade.abort();
  const done = upgrade.download('/a');
  upgrade.abort();
  await expect(done).rejects.toMatchObject({ code: 'ERR_ABORTED', detail: 'abort() was called' });
  const again = upgrade.download('/a');
  upgrade.abort('mine');
  await expect(again).rejects.toBe('mine');
});

test('pause() and resume()', async () => {
  const { upgrade, job } = upgradeOf();
  const done = upgrade.download('/a');
  upgrade.pause();
  const { paused } = upgrade;
  upgrade.resume();
  expect([paused, upgrade.paused, job.files[0]?.pauses]).toEqual([true, false, [true, false]]);
  upgrade.abort('enough');
  await expect(done).rejects.toBe('enough');
});

test('options are checked before anything begins', async () => {
  const { upgrade, job, host } = upgradeOf();
  await expect(upgrade.download('')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  refusalOf(() => upgrade.chunks({ chunkSize: 1 }));
  refusalOf(() => upgrade.stream({ recycle: true } as object));
  refusalOf(() => upgrade.progress({ signal: 1 } as object));
  const several = upgradeOf({ files }).upgrade;
  for (const way of [() => several.chunks(), () => several.stream()]) {
    expect(way).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  }
  expect([job.files, job.readers, host.reports]).toEqual([[], [], []]);
});

describe('progress() ends when there can be none any more', () => {
  const end = { done: true, value: undefined };

  test.each(['defer', 'reject'] as const)('after %s()', async (decline) => {
    const { upgrade, host } = upgradeOf();
    const waiting = upgrade.progress().next();
    expect(host.watched.size).toBe(1);
    await upgrade[decline]();
    expect([await waiting, await upgrade.progress().next()]).toEqual([end, end]);
    expect(host.watched.size).toBe(0);
  });

  test('when the device was closed', async () => {
    const { upgrade, host } = upgradeOf();
    const waiting = upgrade.progress().next();
    host.isClosed = true;
    for (const consumption of [...host.watched]) consumption.endFeeds();
    expect([await waiting, await upgrade.progress().next()]).toEqual([end, end]);
  });

  test('but not before that of a run that is under way', async () => {
    const { upgrade, host, job } = upgradeOf();
    const done = upgrade.download('/a');
    const progress = upgrade.progress();
    for (const consumption of [...host.watched]) consumption.endFeeds();
    job.files[0]?.onProgress(0, 0);
    expect((await progress.next()).value).toMatchObject({ received: 0 });
    job.files[0]?.onEnd(0, '');
    await done;
    expect((await progress.next()).value).toMatchObject({ received: 10 });
    expect(await progress.next()).toEqual(end);
  });
});

describe('states()', () => {
  test('follows a run from the announcement to its end', async () => {
    const { upgrade, host, job } = upgradeOf();
    expect(upgrade.state).toEqual({ phase: 'announced' });
    const states = upgrade.states();
    expect(host.watched.size).toBe(1);
    const done = upgrade.download('/a');
    job.files[0]?.onPhase('downloading', 0, 0, '', 0);
    job.files[0]?.onPhase('downloading', 0, 0, '', 0);
    job.files[0]?.onEnd(0, '');
    await done;
    const seen: string[] = [];
    for await (const { phase } of states) seen.push(phase);
    expect(seen).toEqual(['announced', 'queued', 'downloading', 'done']);
    expect([upgrade.state.phase, host.watched.size]).toEqual(['done', 0]);
  });

  test.each(['defer', 'reject'] as const)('ends after %s()', async (decline) => {
    const { upgrade } = upgradeOf();
    const states = upgrade.states();
    await states.next();
    const waiting = states.next();
    await upgrade[decline]();
    expect((await waiting).done).toBe(true);
    const late = upgrade.states();
    expect((await late.next()).value).toEqual({ phase: 'announced' });
    expect((await late.next()).done).toBe(true);
  });

  test('ends when the device was closed', async () => {
    const { upgrade, host } = upgradeOf();
    const states = upgrade.states();
    await states.next();
    const waiting = states.next();
    host.isClosed = true;
    for (const consumption of [...host.watched]) consumption.endFeeds();
    expect((await waiting).done).toBe(true);
    const late = upgrade.states();
    expect((await late.next()).value).toEqual({ phase: 'announced' });
    expect((await late.next()).done).toBe(true);
  });
});

test("on('state') hears what states() does, until it is off", async () => {
  const { upgrade, job } = upgradeOf();
  const heard: string[] = [];
  const subscription = upgrade.on('state', ({ phase }) => heard.push(phase));
  for (const reason of ['one', 'two']) {
    const download = upgrade.download('/a');
    upgrade.abort(reason);
    await expect(download).rejects.toBe(reason);
  }
  expect(upgrade.state).toEqual({ phase: 'aborted', error: 'two' });
  subscription.off();
  void upgrade.download('/a');
  job.files.at(-1)?.onEnd(0, '');
  expect(heard).toEqual(['queued', 'aborted', 'queued', 'aborted']);
  refusalOf(() => upgrade.on('progress' as 'state', () => {}));
  refusalOf(() => upgrade.on('state', 'x' as never));
  refusalOf(() => upgrade.states({ signal: 1 } as object));
});

test('an announcement that comes again changes what it says, and what is fetched', async () => {
  const { upgrade, job } = upgradeOf({ digestSign: 'old' });
  const newer = new FakeJob({ id: '2', url: 'https://fw.example.com/b?x', extData: '{"a":1}' });
  upgrade.renew(newer);
  expect(upgrade).toMatchObject({ id: '2', digestSign: undefined, extData: { a: 1 } });
  expect(upgrade.url).toBe('https://fw.example.com/b?x');
  const done = upgrade.download('/a');
  newer.files[0]?.onEnd(0, '');
  await done;
  expect(job.files).toEqual([]);
});

test('defer() may be until a time', async () => {
  const at = new Date('2030-01-02T03:04:05Z');
  for (const until of [at, at.getTime()]) {
    const { upgrade, host } = upgradeOf();
    await upgrade.defer({ until });
    expect(host.calls).toEqual([['defer', '1', at.getTime()]]);
  }
  for (const until of [new Date('never'), Number.NaN, 'tomorrow', null]) {
    const { upgrade, host } = upgradeOf();
    await expect(upgrade.defer({ until: until as number })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(host.calls).toEqual([]);
  }
});

test('report() and fail() are of this upgrade', async () => {
  const { upgrade, host } = upgradeOf({ module: 'MCU' });
  await upgrade.report(80, 'flashing');
  await upgrade.report(-4);
  await upgrade.fail('the flash is full');
  expect(host.calls).toEqual([
    ['report', '1', 80, 'flashing'],
    ['report', '1', -4, ''],
    ['fail', '1', 'the flash is full'],
  ]);
  await upgrade.reject();
  const state = { code: 'ERR_INVALID_STATE' };
  for (const late of [upgrade.report(1), upgrade.fail()]) {
    await expect(late).rejects.toMatchObject(state);
  }
  const argument = { code: 'ERR_INVALID_ARGUMENT' };
  for (const wrong of [upgrade.report(101), upgrade.report(1, 'x'.repeat(1025))]) {
    await expect(wrong).rejects.toMatchObject(argument);
  }
  await expect(upgrade.fail(5 as never)).rejects.toMatchObject(argument);
});
