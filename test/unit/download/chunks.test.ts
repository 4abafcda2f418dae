import { streamOf } from '../../../lib/download/chunks';
import { Consumption } from '../../../lib/download/consumption';
import { checkChunks } from '../../../lib/download/options';
import { errorCodes } from '../../../lib/generated/error-codes';
import { type FakeChunkDownload, FakeHost, FakeJob } from '../support';

function begin(options: Parameters<typeof checkChunks>[0] = {}, pages = 3) {
  const job = new FakeJob({ size: pages * 4096 });
  const host = new FakeHost();
  const { version, size, digest, files } = job.info;
  const image = { module: undefined, version, size, digest, files };
  const consumption = new Consumption(image, job, host, () => {});
  const chunks = consumption.chunks(checkChunks({ chunkSize: 4096, ...options }));
  return { job, host, chunks, consumption };
}

const page = (fill: number): number[] => Array<number>(4096).fill(fill);
const readerOf = ({ job }: ReturnType<typeof begin>) => job.readers[0] as FakeChunkDownload;

test('begins when the first chunk is asked for', async () => {
  const it = begin();
  expect(it.job.readers).toHaveLength(0);
  await it.chunks.return();
  expect([it.job.readers.length, it.host.reports]).toEqual([0, []]);
});

test('hands out every chunk, and ends', async () => {
  const it = begin();
  const first = it.chunks.next();
  for (const fill of [1, 2, 3]) readerOf(it).deliver(...page(fill));
  readerOf(it).end();
  const fills = [(await first).value?.[0]];
  for await (const chunk of it.chunks) fills.push(chunk[0]);
  expect(fills).toEqual([1, 2, 3]);
  const { closes, options } = readerOf(it);
  expect([it.host.steps(), it.host.running.size, closes]).toEqual([[0, 33, 66, 100], 0, 1]);
  expect(options).toMatchObject({ chunkSize: 4096, recycle: false });
});

test('with recycled memory there is room again when the next chunk is asked for, and not before', async () => {
  const it = begin({ recycle: true }, 100);
  const first = it.chunks.next();
  readerOf(it).deliver(...page(1));
  await first;
  expect(readerOf(it).lent).toBe(3);
  const second = it.chunks.next();
  readerOf(it).deliver(...page(2));
  await second;
  expect([readerOf(it).lent, readerOf(it).options.recycle]).toEqual([3, true]);
  await it.chunks.return();
});

test('leaving the loop ends the run, and is no failure for the platform', async () => {
  const it = begin();
  const first = it.chunks.next();
  readerOf(it).deliver(...page(1));
  await first;
  await it.chunks.return();
  expect([it.host.running.size, it.host.steps()]).toEqual([0, [0, 33]]);
  await expect(it.consumption.outcome()).rejects.toMatchObject({
    code: 'ERR_ABORTED',
    detail: 'the iteration was left',
  });
});

describe('while next() waits', () => {
  /** An iteration that waits for its first chunk. */
  function waiting() {
    const it = begin();
    return { ...it, next: it.chunks.next() };
  }

  test('return() ends the run at once, and next() has no chunk', async () => {
    const it = waiting();
    expect(await it.chunks.return()).toEqual({ done: true, value: undefined });
    expect(await it.next).toEqual({ done: true, value: undefined });
    expect([it.host.running.size, it.host.steps()]).toEqual([0, [0]]);
    await expect(it.consumption.outcome()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  test('so does disposing of it', async () => {
    const it = waiting();
    await it.chunks[Symbol.asyncDispose]();
    expect([(await it.next).done, it.host.running.size]).toEqual([true, 0]);
  });

  test('throw() ends the run with its error, which is a failure', async () => {
    const it = waiting();
    const error = new Error('the disk is full');
    it.next.catch(() => {});
    await expect(it.chunks.throw(error)).rejects.toBe(error);
    await expect(it.next).rejects.toBe(error);
    expect([it.host.running.size, it.host.steps()]).toEqual([0, [0, -1]]);
  });

  test('what a signal aborts is none', async () => {
    const it = waiting();
    const { reason } = AbortSignal.abort();
    it.next.catch(() => {});
    await expect(it.chunks.throw(reason)).rejects.toBe(reason);
    expect([it.host.running.size, it.host.steps()]).toEqual([0, [0]]);
  });

  test('a stream that is cancelled ends it as well', async () => {
    const it = begin();
    const reader = streamOf(it.chunks).getReader();
    const read = reader.read();
    await it.job.reader;
    await reader.cancel();
    expect([(await read).done, it.host.running.size]).toEqual([true, 0]);
  });
});

test('throw() between two chunks fails the run', async () => {
  const it = begin();
  const first = it.chunks.next();
  readerOf(it).deliver(...page(1));
  await first;
  const error = new Error('the disk is full');
  await expect(it.chunks.throw(error)).rejects.toBe(error);
  expect([it.host.running.size, it.host.steps()]).toEqual([0, [0, 33, -1]]);
});

test('an image that is not the announced one throws instead of ending', async () => {
  const it = begin();
  const first = it.chunks.next();
  readerOf(it).end(errorCodes.ERR_DIGEST_MISMATCH.errno);
  await expect(first).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect((await it.chunks.next()).done).toBe(true);
  expect(it.host.steps()).toEqual([0, -3]);
});

describe('a stream', () => {
  test('reads when it is asked, and ends with the chunks', async () => {
    const it = begin();
    const reader = streamOf(it.chunks).getReader();
    expect(it.job.readers).toHaveLength(0);
    const first = reader.read();
    const native = await it.job.reader;
    for (const fill of [1, 2, 3]) native.deliver(...page(fill));
    native.end();
    expect((await first).value?.[0]).toBe(1);
    expect((await reader.read()).value?.[0]).toBe(2);
    expect((await reader.read()).value?.[0]).toBe(3);
    expect((await reader.read()).done).toBe(true);
  });

  test('of a failed image errors; one that is cancelled leaves the iteration', async () => {
    const failed = begin();
    const read = streamOf(failed.chunks).getReader().read();
    (await failed.job.reader).end(errorCodes.ERR_TRUNCATED.errno);
    await expect(read).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
    const cancelled = begin();
    const reader = streamOf(cancelled.chunks).getReader();
    const first = reader.read();
    (await cancelled.job.reader).deliver(...page(1));
    await first;
    await reader.cancel();
    expect(cancelled.host.running.size).toBe(0);
  });

  test('fills the memory of who brings their own', async () => {
    const it = begin();
    const reader = streamOf(it.chunks).getReader({ mode: 'byob' });
    const first = reader.read(new Uint8Array(4));
    (await it.job.reader).deliver(...page(7));
    expect((await first).value).toEqual(new Uint8Array([7, 7, 7, 7]));
    await reader.cancel();
  });
});
