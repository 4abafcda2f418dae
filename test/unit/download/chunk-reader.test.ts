import { ChunkReader } from '../../../lib/download/chunk-reader';
import { errorCodes } from '../../../lib/generated/error-codes';
import { type FakeChunkDownload, FakeJob, runOf } from '../support';

function open(size: number, stopEndsRun = true, chunkSize = 4) {
  const job = new FakeJob({ size });
  const run = runOf(size);
  const download = { resume: false, share: false, signatures: [], chunkSize, recycle: true };
  const options = { size, targets: [], download, stopEndsRun };
  const reader = new ChunkReader(job, run, options);
  return { reader, run, native: job.readers[0] as FakeChunkDownload };
}

test('lends room for four chunks, or for as many as the image needs', () => {
  expect([100, 9, 0].map((size) => open(size).native.lent)).toEqual([4, 3, 0]);
});

test('lends room for a megabyte, in two to four chunks', () => {
  const room = [1024, 256, 255, 512, 600, 16_384].map(
    (kilobytes) => open(2 ** 30, true, kilobytes * 1024).native.lent,
  );
  expect(room).toEqual([2, 4, 4, 2, 2, 2]);
});

test('hands out the bytes, then the end', async () => {
  const { reader, native } = open(6);
  native.deliver(1, 2, 3, 4);
  native.deliver(5, 6);
  native.end();
  expect(await reader.next()).toEqual(new Uint8Array([1, 2, 3, 4]));
  expect(await reader.next()).toEqual(new Uint8Array([5, 6]));
  expect(await reader.next()).toBeUndefined();
});

test('lends again when a chunk was used, and never more than four', async () => {
  const { reader, native } = open(100);
  native.deliver(1);
  await reader.next();
  expect(native.lent).toBe(3);
  reader.lend();
  reader.lend();
  expect(native.lent).toBe(4);
});

test('throws when there is no memory to lend', async () => {
  const { reader, native } = open(100);
  native.deliver(1);
  await reader.next();
  native.lend = () => false;
  expect(() => reader.lend()).toThrow(expect.objectContaining({ code: 'ERR_NO_MEMORY' }));
});

test('the run hears of phases', () => {
  const { run, native } = open(10);
  native.onPhase('retrying', 3, errorCodes.ERR_CONNECT.errno, '', 0);
  expect(run.retrying).toMatchObject({ attempt: 3, error: { code: 'ERR_CONNECT' } });
});

test('a failure rejects', async () => {
  const { reader, native } = open(10);
  native.end(errorCodes.ERR_TRUNCATED.errno, 'x');
  await expect(reader.next()).rejects.toMatchObject({ code: 'ERR_TRUNCATED', detail: 'x' });
});

test('a run that is cancelled ends by itself, or is left to the reader', async () => {
  const alone = open(10);
  alone.run.cancel('enough');
  await expect(alone.run.outcome).rejects.toBe('enough');
  const read = open(10, false);
  const next = read.reader.next();
  read.run.cancel('enough');
  await expect(next).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(read.run.running).toBe(true);
});

test('pause, settle and close reach the addon', async () => {
  const { reader, run, native } = open(10);
  run.pause(true);
  reader.settle();
  await reader.close();
  expect([native.pauses, native.settles, native.closes]).toEqual([[true], 1, 1]);
});
