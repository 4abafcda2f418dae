import { getEventListeners } from 'node:events';
import type { NativeUpgradeInfo } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import { Consumption } from '../../../lib/download/consumption';
import {
  type ChunksOptions,
  checkChunks,
  checkDownload,
  type DownloadOptions,
} from '../../../lib/download/options';
import { checkTargets, type Target } from '../../../lib/download/targets';
import { errorCodes } from '../../../lib/generated/error-codes';
import { FakeHost, FakeJob } from '../support';

function consumptionOf(info: Partial<NativeUpgradeInfo> = {}, assertWanted = (): void => {}) {
  const job = new FakeJob(info);
  const host = new FakeHost();
  const { version, size, digest, files } = job.info;
  const image = { module: undefined, version, size, digest, files };
  const consumption = new Consumption(image, job, host, assertWanted);
  const download = (target: Target | readonly Target[] = '/a', options: DownloadOptions = {}) =>
    consumption.download(checkTargets(target), checkDownload(options));
  const chunks = (options: ChunksOptions = {}) => consumption.chunks(checkChunks(options));
  const end = (errno = 0): void => job.files.at(-1)?.onEnd(errno, '');
  return { job, host, consumption, download, chunks, end };
}

const files = ['a', 'b'].map((name) => ({
  name,
  size: 5,
  digestMethod: 'sha256' as const,
  digest: name.repeat(64),
}));
const writer = { write: () => {} };

test('one run at a time, and again after it has ended, in whatever way', async () => {
  const { consumption, download, chunks, end, host } = consumptionOf();
  consumption.assertIdle();
  const first = download();
  expect(host.running.size).toBe(1);
  await expect(download()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(chunks().next()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  expect(() => consumption.assertIdle()).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }));
  end(errorCodes.ERR_TRUNCATED.errno);
  await expect(first).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
  const second = download();
  end();
  await second;
  expect([host.running.size, host.steps()]).toEqual([0, [0, -2, 0, 100]]);
});

test('the outcome is that of the run under way, or else of the last one', async () => {
  const { consumption, download, end } = consumptionOf();
  await expect(consumption.outcome()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
  const first = download();
  const outcome = consumption.outcome();
  end(errorCodes.ERR_DIGEST_MISMATCH.errno);
  await expect(first).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  await expect(outcome).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  const second = download();
  end();
  await Promise.all([second, consumption.outcome()]);
});

test('targets and a writer: the addon writes the ones, JavaScript the other', async () => {
  const { job, download } = consumptionOf({ size: 2 });
  const done = download(['/a', writer], { resume: true });
  const [reader] = job.readers;
  expect(reader?.targets).toMatchObject([{ path: '/a' }]);
  // A writer needs every byte.
  expect(reader?.options.resume).toBe(false);
  reader?.deliver(1, 2);
  reader?.end();
  await done;
  expect([job.files.length, reader?.settles]).toEqual([0, 1]);
});

test('pause, resume and cancel reach the run under way, and without one do nothing', async () => {
  const { consumption, download, job } = consumptionOf();
  consumption.pause(true);
  consumption.cancel('nobody');
  expect(consumption.paused).toBe(false);
  const done = download();
  consumption.pause(true);
  expect([consumption.paused, job.files[0]?.pauses]).toEqual([true, [true]]);
  consumption.pause(false);
  consumption.cancel('enough');
  await expect(done).rejects.toBe('enough');
});

test('progress is that of the run under way, or else of the next one', async () => {
  const { consumption, download, job, end } = consumptionOf();
  const progress = consumption.progress(undefined);
  const done = download();
  job.files[0]?.onProgress(4, 4);
  end();
  await done;
  const seen: number[] = [];
  for await (const { received } of progress) seen.push(received);
  expect(seen).toEqual([4, 10]);
});

test('reports go up to the share that was asked for, or not at all', async () => {
  const { download, end, host } = consumptionOf();
  for (const report of [{ upTo: 60 }, false] as const) {
    const done = download('/a', { report });
    end();
    await done;
  }
  expect(host.steps()).toEqual([0, 60]);
});

test('what is not wanted any more is not begun, nor what was cancelled before', async () => {
  const refusal = new IotkitError('ERR_INVALID_STATE');
  const refused = consumptionOf({}, () => {
    throw refusal;
  });
  await expect(refused.download()).rejects.toBe(refusal);
  const { download, chunks, host, job } = consumptionOf();
  const signal = AbortSignal.abort('early');
  await expect(download('/a', { signal })).rejects.toBe('early');
  await expect(chunks({ signal }).next()).rejects.toBe('early');
  expect([host.reports, job.files, job.readers]).toEqual([[], [], []]);
});

test('a consumption that is refused leaves nothing that listens to its signal', async () => {
  const { download } = consumptionOf({}, () => {
    throw new IotkitError('ERR_CLOSED');
  });
  const { signal } = new AbortController();
  await expect(download('/a', { signal })).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('an onProgress that is async cancels the download by rejecting', async () => {
  const { download, job } = consumptionOf();
  const error = new Error('disk of the log is full');
  const done = download('/a', { onProgress: async () => Promise.reject(error) });
  job.files[0]?.onProgress(0, 0);
  await expect(done).rejects.toBe(error);
  expect(job.files[0]?.aborts).toBe(1);
});

describe('several files', () => {
  test('go into directories, and have no chunks', async () => {
    const { download, consumption, end } = consumptionOf({ files });
    for (const target of [writer, { device: '/d' }, ['/a', writer]]) {
      await expect(download(target)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    }
    expect(() => consumption.assertOneImage()).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
    consumptionOf().consumption.assertOneImage();
    const done = download('/directory');
    end();
    await done;
  });

  test('have a signature each, in the order of the files', async () => {
    const { download, job, end } = consumptionOf({ files });
    const done = download('/directory', { signatures: { b: { value: 'AQID' } } });
    end();
    await done;
    const signature = { value: Uint8Array.of(1, 2, 3), over: 0 as const };
    expect(job.files[0]?.options.signatures).toEqual([undefined, signature]);
  });
});

test.each([
  [{ files }, { signatures: { c: { value: 'AQID' } } }, 'signatures has "c", which is no file'],
  [{ files }, { signature: { value: 'AQID' } }, 'signature is of one image'],
  [{}, { signatures: { a: { value: 'AQID' } } }, 'signatures has "a", which is no file'],
])('a signature of what there is not is refused: %#', async (info, options, message) => {
  const { download, host } = consumptionOf(info);
  await expect(download('/a', options)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  });
  expect(host.reports).toEqual([]);
});
