import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { channelNames } from '../../../lib/base/diagnostics';
import { IotkitError } from '../../../lib/base/errors';
import { type Progress, ProgressFeeds } from '../../../lib/download/progress';
import { ProgressReporter } from '../../../lib/download/reporter';
import type { DownloadRun, DownloadRunOptions } from '../../../lib/download/run';
import { type UpgradeState, UpgradeStates } from '../../../lib/download/state';
import { runOf } from '../support';

const image = { module: undefined, version: '2', size: 10, digest: 'ab', files: [] };

/** A run, and all that is known of it outside. */
function begin(options: Partial<DownloadRunOptions> = {}) {
  const steps: number[] = [];
  const calls: string[] = [];
  const feeds = new ProgressFeeds();
  const view = feeds.open(undefined);
  const run: DownloadRun = runOf(image.size, {
    upgrade: image,
    path: '/a',
    reporter: new ProgressReporter(image.size, (step) => steps.push(step)),
    feeds,
    onEnd: (ended) => calls.push(ended === run ? 'end' : 'another'),
    ...options,
  });
  const start = (): void =>
    run.start({
      stop: () => calls.push('stop'),
      pause: (paused) => calls.push(paused ? 'pause' : 'resume'),
    });
  return { run, steps, calls, view, start };
}

const seenBy = async (view: AsyncIterable<Progress>): Promise<number[]> => {
  const seen: number[] = [];
  for await (const { received } of view) seen.push(received);
  return seen;
};

test('a success is reported, seen and resolved once', async () => {
  const { run, steps, calls, view, start } = begin();
  start();
  run.received(4, 4);
  expect(run.running).toBe(true);
  run.succeed();
  run.succeed();
  expect(run.fail(new Error('too late'))).toEqual(new Error('too late'));
  await run.outcome;
  expect([steps, calls, run.running]).toEqual([[0, 40, 100], ['end'], false]);
  expect(await seenBy(view)).toEqual([4, 10]);
});

test('a run that is stopped waits 2 s for work of the user, and not for ever', async () => {
  jest.useFakeTimers();
  try {
    const { run, start } = begin();
    start();
    const waited = run.whileWanted(new Promise(() => {}));
    const why = new Error('stopped');
    run.cancel(why);
    jest.advanceTimersByTime(1_999);
    expect(run.abandoned).toBe(false);
    jest.advanceTimersByTime(1);
    await expect(waited).rejects.toBe(why);
    expect(run.abandoned).toBe(true);
    expect(run.fail(why)).toBe(why);
    run.outcome.catch(() => {});
  } finally {
    jest.useRealTimers();
  }
});

test('a run that has ended leaves no timer', () => {
  jest.useFakeTimers();
  try {
    const { run, start } = begin();
    start();
    run.cancel(new Error('stopped'));
    run.fail(new Error('stopped'));
    run.outcome.catch(() => {});
    expect([jest.getTimerCount(), run.abandoned]).toEqual([0, false]);
  } finally {
    jest.useRealTimers();
  }
});

test('a warning of a success is one of the process, and stands in the event', async () => {
  const warnings: unknown[] = [];
  const emit = jest.spyOn(process, 'emitWarning').mockImplementation((...all) => {
    warnings.push(all);
  });
  const events: unknown[] = [];
  const listener = (event: unknown): number => events.push(event);
  diagnostics.subscribe(channelNames.downloadEnd, listener);
  try {
    const { run, start } = begin();
    start();
    run.succeed('installed, not yet durable: cannot sync /a');
    await run.outcome;
  } finally {
    diagnostics.unsubscribe(channelNames.downloadEnd, listener);
    emit.mockRestore();
  }
  const warning = 'installed, not yet durable: cannot sync /a';
  expect(warnings).toEqual([[warning, { code: 'IOTKIT_NOT_DURABLE' }]]);
  expect(events).toEqual([expect.objectContaining({ error: undefined, warning })]);
});

test('a failure is reported with its code, or the step of whoever knows it better', async () => {
  const error = new IotkitError('ERR_DIGEST_MISMATCH');
  for (const step of [undefined, -4] as const) {
    const { run, steps, start } = begin();
    start();
    expect(run.fail(error, step)).toBe(error);
    expect(run.fail(new Error('again'))).toBe(error);
    await expect(run.outcome).rejects.toBe(error);
    expect(steps).toEqual([0, step ?? -3]);
  }
});

test('who cancels gets the reason; nothing is reported', async () => {
  const { run, steps, calls, start } = begin();
  start();
  const reason = new Error('enough');
  run.cancel(reason);
  run.cancel(new Error('once more'));
  expect(run.reasonOf(new Error('x'))).toBe(reason);
  expect(run.fail(new IotkitError('ERR_ABORTED'))).toBe(reason);
  await expect(run.outcome).rejects.toBe(reason);
  expect([steps, calls]).toEqual([[0], ['stop', 'end']]);
  run.cancel('after its end');
});

test('who breaks off gets the reason as well, but it is a failure', async () => {
  const { run, steps, calls, start } = begin();
  start();
  const reason = new Error('the disk is full');
  run.breakOff(reason, -4);
  run.cancel('too late');
  expect(run.fail(new IotkitError('ERR_ABORTED'))).toBe(reason);
  await expect(run.outcome).rejects.toBe(reason);
  expect([steps, calls]).toEqual([
    [0, -4],
    ['stop', 'end'],
  ]);
});

test('what it calls of the user has the asynchronous context in which it began', () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const listener = (): number => seen.push(storage.getStore());
  const names = [channelNames.downloadStart, channelNames.downloadEnd];
  const onProgress = listener as () => void;
  const { run, start } = storage.run('mine', () => begin({ onProgress }));
  for (const name of names) diagnostics.subscribe(name, listener);
  storage.run('another', () => {
    start();
    run.received(3);
    run.succeed();
  });
  for (const name of names) diagnostics.unsubscribe(name, listener);
  expect(seen).toEqual(['mine', 'mine', 'mine', 'mine']);
});

test('a run that is left is no failure for the platform', () => {
  const { run, steps, start } = begin();
  start();
  run.fail(new IotkitError('ERR_ABORTED', 'the iteration was left'));
  expect(steps).toEqual([0]);
});

test('what was asked for before the start is done at the start', () => {
  const { run, calls, start } = begin();
  run.pause(true);
  run.cancel('early');
  expect(calls).toEqual([]);
  start();
  expect(calls).toEqual(['pause', 'stop']);
});

test('pausing twice is pausing once, and over with the run', () => {
  const { run, calls, start } = begin();
  start();
  for (const paused of [true, true, false, false, true]) run.pause(paused);
  expect([calls, run.paused]).toEqual([['pause', 'resume', 'pause'], true]);
  run.succeed();
  run.pause(false);
  expect([calls, run.paused]).toEqual([['pause', 'resume', 'pause', 'end'], false]);
});

test('a signal cancels, before or during the run, and not after it', async () => {
  const abort = new AbortController();
  const { run, calls, start } = begin({ signal: abort.signal });
  start();
  abort.abort('signal');
  expect(calls).toEqual(['stop']);
  expect(run.fail(new IotkitError('ERR_ABORTED'))).toBe('signal');
  const late = new AbortController();
  const other = begin({ signal: late.signal });
  other.start();
  other.run.succeed();
  late.abort();
  await other.run.outcome;
  expect(other.calls).toEqual(['end']);
});

test('what onProgress throws cancels, as long as bytes are missing', async () => {
  const error = new Error('of the user');
  const onProgress = ({ received, size }: Progress): void => {
    if (received === size) throw error;
  };
  const done = begin({ onProgress });
  done.start();
  done.run.received(0);
  done.run.succeed();
  await done.run.outcome;
  const cancelled = begin({
    onProgress: () => {
      throw error;
    },
  });
  cancelled.start();
  cancelled.run.received(0);
  expect(cancelled.calls).toEqual(['stop']);
  expect(cancelled.run.fail(new IotkitError('ERR_ABORTED'))).toBe(error);
});

test('a retry is seen, published and over with the next bytes', () => {
  const events: unknown[] = [];
  const listener = (event: unknown): number => events.push(event);
  diagnostics.subscribe(channelNames.downloadRetry, listener);
  const seen: Progress[] = [];
  const { run, start } = begin({ onProgress: (progress) => seen.push(progress) });
  start();
  run.received(0);
  const { errno } = new IotkitError('ERR_CONNECT');
  const begun = Date.now();
  run.entered('retrying', 2, errno, 'fw.example.com', 1_500);
  diagnostics.unsubscribe(channelNames.downloadRetry, listener);
  const { retrying } = run;
  expect(retrying).toMatchObject({ attempt: 2, error: { code: 'ERR_CONNECT' } });
  expect(retrying?.at.getTime()).toBeGreaterThanOrEqual(begun + 1_500);
  expect(events).toEqual([{ upgrade: image, path: '/a', ...retrying }]);
  expect(seen.map((progress) => progress.retrying)).toEqual([undefined, retrying]);
  run.entered('downloading');
  expect(run.retrying).toBeUndefined();
  expect(seen.at(-1)).toEqual({ received: 0, size: 10, bytesPerSecond: 0 });
  run.entered('retrying', 1, errno, '', 0);
  run.fail(new IotkitError('ERR_CONNECT'));
  run.entered('retrying', 2, errno, '', 0);
  expect(run.retrying).toBeUndefined();
});

test('a verified image is retrying nothing, though the end of a retry is not told yet', () => {
  const seen: Progress[] = [];
  const { run, start } = begin({ onProgress: (progress) => seen.push(progress) });
  start();
  run.received(0);
  run.entered('retrying', 1, new IotkitError('ERR_CONNECT').errno, '', 0);
  run.succeed();
  expect(run.retrying).toBeUndefined();
  expect(seen.at(-1)).toMatchObject({ received: 10, size: 10 });
  expect(seen.at(-1)).not.toHaveProperty('retrying');
});

test('its phases are the states of the upgrade', async () => {
  const states = new UpgradeStates();
  const heard: UpgradeState[] = [];
  const events: unknown[] = [];
  const listener = (event: unknown): number => events.push(event);
  diagnostics.subscribe(channelNames.downloadState, listener);
  states.listen((state) => heard.push(state));
  const { run, start } = begin({ states });
  start();
  run.entered('proving');
  run.received(4, 4);
  run.entered('downloading');
  const { errno } = new IotkitError('ERR_CONNECT');
  run.entered('retrying', 1, errno, '', 60_000);
  const { retrying } = run;
  run.entered('paused');
  expect(run.retrying).toBe(retrying);
  run.entered('retrying', 1, errno, '', 50_000);
  run.entered('downloading');
  expect(run.retrying).toBeUndefined();
  run.entered('verifying');
  run.succeed();
  run.entered('downloading');
  await run.outcome;
  diagnostics.unsubscribe(channelNames.downloadState, listener);
  expect(events).toEqual(heard.map((state) => ({ upgrade: image, path: '/a', state })));
  expect(heard.map(({ phase }) => phase)).toEqual([
    'queued',
    'proving',
    'downloading',
    'retrying',
    'paused',
    'retrying',
    'downloading',
    'verifying',
    'done',
  ]);
  expect(heard[3]).toEqual({ phase: 'retrying', ...retrying });
});

test('what goes wrong has failed, what the program ends is aborted', () => {
  const failure = new IotkitError('ERR_CONNECT');
  const left = new IotkitError('ERR_ABORTED');
  const ends: Array<[(run: DownloadRun) => void, UpgradeState]> = [
    [(run) => run.fail(failure), { phase: 'failed', error: failure }],
    [(run) => run.fail(left), { phase: 'aborted', error: left }],
    [(run) => run.cancel('enough'), { phase: 'aborted', error: 'enough' }],
    [(run) => run.breakOff(failure), { phase: 'failed', error: failure }],
  ];
  for (const [end, state] of ends) {
    const states = new UpgradeStates();
    const { run, start } = begin({ states });
    start();
    end(run);
    run.fail(left);
    expect(states.current).toEqual(state);
  }
});

test('a state that is told finds the run ended, and the upgrade free for another', () => {
  const states = new UpgradeStates();
  const { run, start, calls } = begin({ states });
  states.listen(({ phase }) => calls.push(`${phase} ${run.running}`));
  start();
  run.succeed();
  expect(calls).toEqual(['queued true', 'end', 'done false']);
});

test('what onProgress throws when a retry is told cancels as well', () => {
  const error = new Error('of the user');
  const onProgress = ({ retrying }: Progress): void => {
    if (retrying !== undefined) throw error;
  };
  const { run, calls, start } = begin({ onProgress });
  start();
  run.received(0);
  run.entered('retrying', 1, new IotkitError('ERR_CONNECT').errno, '', 0);
  expect(calls).toEqual(['stop']);
  expect(run.fail(new IotkitError('ERR_ABORTED'))).toBe(error);
});

test('begin and end are published, with the bytes', () => {
  const heard: Array<[string | symbol, object]> = [];
  const listener = (event: unknown, name: string | symbol): void =>
    void heard.push([name, event as object]);
  const names = [channelNames.downloadStart, channelNames.downloadEnd];
  for (const name of names) diagnostics.subscribe(name, listener);
  const { run, start } = begin();
  start();
  run.received(3, 3);
  run.received(5, 3);
  const error = new IotkitError('ERR_FILE');
  run.fail(error);
  for (const name of names) diagnostics.unsubscribe(name, listener);
  expect(heard).toEqual([
    [channelNames.downloadStart, { upgrade: image, path: '/a' }],
    [channelNames.downloadEnd, { upgrade: image, path: '/a', received: 5, resumed: 3, error }],
  ]);
});
