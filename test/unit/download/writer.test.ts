import { ChunkReader } from '../../../lib/download/chunk-reader';
import { ProgressReporter } from '../../../lib/download/reporter';
import { endRuns } from '../../../lib/download/run';
import type { OpenWriter } from '../../../lib/download/stream-writers';
import { writeImage } from '../../../lib/download/writer';
import { errorCodes } from '../../../lib/generated/error-codes';
import { type FakeChunkDownload, FakeJob, runOf } from '../support';

const SIZE = 6;

/** A download into `writer`, which notes its calls. */
function begin(writer: Partial<OpenWriter> = {}) {
  const calls: string[] = [];
  const steps: number[] = [];
  const job = new FakeJob({ size: SIZE });
  const reporter = new ProgressReporter(SIZE, (step) => steps.push(step));
  const run = runOf(SIZE, { reporter, onEnd: () => calls.push('end') });
  const noting: OpenWriter = {
    write: (chunk, offset) => void calls.push(`write ${[...chunk]} at ${offset}`),
    close: () => void calls.push('close'),
    abort: (reason) => void calls.push(`abort ${reason}`),
    ...writer,
  };
  const options = {
    size: SIZE,
    targets: [],
    download: { resume: false, share: false, signatures: [], chunkSize: 4, recycle: true },
    stopEndsRun: false,
  };
  let warn = (_: string): void => {};
  const open = (given: typeof warn): OpenWriter => {
    warn = given;
    return noting;
  };
  const target = { keepsChunks: false, open };
  const done = writeImage(run, target, () => new ChunkReader(job, run, options));
  return { calls, steps, run, done, warn, native: job.readers[0] as FakeChunkDownload };
}

function deliverAll({ native }: ReturnType<typeof begin>): void {
  native.deliver(1, 2, 3, 4);
  native.deliver(5, 6);
  native.end();
}

test('writes in order, then lets the targets be completed, then closes, then ends', async () => {
  const it = begin();
  deliverAll(it);
  await it.done;
  expect(it.calls).toEqual(['write 1,2,3,4 at 0', 'write 5,6 at 4', 'close', 'end']);
  expect([it.native.settles, it.native.closes, it.steps]).toEqual([1, 1, [0, 66, 100]]);
});

test('what is missing of a success is a warning of the process', async () => {
  const emitted = jest.spyOn(process, 'emitWarning').mockReturnValue();
  try {
    const it = begin({ close: () => it.warn('not yet durable') });
    deliverAll(it);
    await it.done;
    expect(emitted.mock.calls).toEqual([['not yet durable', { code: 'IOTKIT_NOT_DURABLE' }]]);
  } finally {
    emitted.mockRestore();
  }
});

test('waits for one write before the next', async () => {
  const order: string[] = [];
  const it = begin({
    write: async (_, offset) => {
      order.push(`begin ${offset}`);
      await null;
      order.push(`end ${offset}`);
    },
  });
  deliverAll(it);
  await it.done;
  expect(order).toEqual(['begin 0', 'end 0', 'begin 4', 'end 4']);
});

test('a download that fails aborts the writer, and reports its own code', async () => {
  const it = begin();
  it.native.deliver(1);
  it.native.end(errorCodes.ERR_DIGEST_MISMATCH.errno);
  await expect(it.done).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(it.calls).toEqual(['write 1 at 0', expect.stringMatching(/^abort IotkitError/), 'end']);
  expect(it.steps).toEqual([0, 16, -3]);
});

test('a writer that throws fails the download, and is reported as writing', async () => {
  const error = new Error('full');
  const it = begin({
    write: () => {
      throw error;
    },
  });
  it.native.deliver(1);
  await expect(it.done).rejects.toBe(error);
  expect(it.calls).toEqual(['abort Error: full', 'end']);
  expect([it.steps, it.native.closes]).toEqual([[0, -4], 1]);
});

test('a writer that cannot close is not aborted, and is reported as writing', async () => {
  const error = new Error('no');
  const it = begin({ close: () => Promise.reject(error) });
  deliverAll(it);
  await expect(it.done).rejects.toBe(error);
  expect(it.calls.at(-1)).toBe('end');
  expect(it.calls.join()).not.toContain('abort');
  expect(it.steps.at(-1)).toBe(-4);
});

test('who cancels gets the reason, and so does the writer, whatever it says to that', async () => {
  const reasons: unknown[] = [];
  const it = begin({
    abort: (reason) => {
      reasons.push(reason);
      throw new Error('of abort()');
    },
  });
  it.run.cancel('enough');
  await expect(it.done).rejects.toBe('enough');
  expect([reasons, it.steps]).toEqual([['enough'], [0]]);
});

test('close and abort may be missing', async () => {
  const bare = { close: undefined, abort: undefined } as unknown as Partial<OpenWriter>;
  const good = begin(bare);
  deliverAll(good);
  await good.done;
  const bad = begin(bare);
  bad.native.end(errorCodes.ERR_FILE.errno);
  await expect(bad.done).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('a writer may give the memory of its chunks away', async () => {
  const offsets: number[] = [];
  const it = begin({
    write: (chunk, offset) => {
      offsets.push(offset);
      structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
    },
  });
  deliverAll(it);
  await it.done;
  expect([offsets, it.steps, it.native.settles]).toEqual([[0, 4], [0, 66, 100], 1]);
});

describe('work that never ends', () => {
  const never = (): Promise<void> => new Promise(() => {});

  test.each([
    ['write', { write: never }, ['end']],
    ['close', { close: never }, ['end']],
    ['abort', { abort: never }, ['end']],
  ])('%s(): the end of the device gives it up after 2 s', async (name, writer, calls) => {
    jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] });
    try {
      const it = begin(writer);
      if (name === 'abort') it.native.deliver(1);
      else deliverAll(it);
      await jest.advanceTimersByTimeAsync(0);
      let ended = false;
      const end = endRuns([it.run], 'closed').then(() => {
        ended = true;
      });
      const outcome = expect(it.done).rejects.toBe('closed');
      await jest.advanceTimersByTimeAsync(1_999);
      expect(ended).toBe(false);
      await jest.advanceTimersByTimeAsync(1);
      await Promise.all([end, outcome]);
      expect(it.calls.slice(-1)).toEqual(calls);
      expect(it.steps.every((step) => step >= 0)).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });

  test('an end that is not needed waits for nothing', async () => {
    await endRuns([], 'closed');
  });
});

describe('a writer that fails between two writes', () => {
  test('ends the download, which is reported as writing', async () => {
    const error = new Error('the socket is gone');
    let fail = (_: unknown): void => {};
    let watched = true;
    const it = begin({
      watch: (onFailure) => {
        fail = onFailure;
        return () => {
          watched = false;
        };
      },
    });
    it.native.deliver(1);
    fail(error);
    await expect(it.done).rejects.toBe(error);
    expect([it.steps.at(-1), watched]).toEqual([-4, false]);
  });

  test('and one that cannot be opened as well', async () => {
    const error = new Error('locked');
    const steps: number[] = [];
    const reporter = new ProgressReporter(SIZE, (step) => steps.push(step));
    const run = runOf(SIZE, { reporter });
    const open = (): OpenWriter => {
      throw error;
    };
    const neverRead = (): ChunkReader => {
      throw new Error('opened');
    };
    await expect(writeImage(run, { keepsChunks: true, open }, neverRead)).rejects.toBe(error);
    expect([steps, run.running]).toEqual([[-4], false]);
  });
});
