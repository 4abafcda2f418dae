import diagnostics from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { channelNames, type Progress } from 'iotkit-ota';
import { imageOf, sha256 } from '../support/image';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

const image = imageOf(1_000_003);
/** Stops in the middle for as long as the client stays. */
const stall = { kind: 'http-stall', afterBytes: 400_000, times: 1 } as const;
const once = { fetch: { maxRetries: 1, retry: { min: 1, max: 1 } } };

test('one consumption at a time, and again after it has ended', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const first = upgrade.download(world.path('a.bin'));
  await expect(upgrade.download(world.path('b.bin'))).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(upgrade.chunks().next()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  upgrade.abort();
  await expect(first).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await upgrade.download(world.path('b.bin'));
  expect((await world.files()).sort()).toEqual(['a.bin.part', 'a.bin.part.journal', 'b.bin']);
});

test('abort() gives its reason to who waits', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const reason = { why: 'enough' };
  const download = upgrade.download(world.path('a.bin'));
  upgrade.abort(reason);
  await expect(download).rejects.toBe(reason);
  expect(downloadThreads()).toEqual([]);
});

test('what onProgress throws cancels the download', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const bug = new Error('a bug in onProgress');
  const onProgress = (): void => {
    throw bug;
  };
  await expect(upgrade.download(world.path('a.bin'), { onProgress })).rejects.toBe(bug);
  expect(await world.files()).not.toContain('a.bin');
});

test('verify() tells the outcome of the running or the last consumption', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-corrupt', offset: 500_000, times: 1 }],
  });
  const { upgrade } = await world.announce(image, { connect: once });
  await expect(upgrade.verify()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
  const download = upgrade.download(world.path('a.bin'));
  const running = upgrade.verify();
  await expect(download).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  await expect(running).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  await expect(upgrade.verify()).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  for await (const _ of upgrade);
  await upgrade.verify();
});

test('a corrupted image is handed out whole, then the iteration throws', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 999_999 }] });
  const { upgrade } = await world.announce(image, { connect: once });
  let received = 0;
  const consume = async (): Promise<void> => {
    for await (const chunk of upgrade) received += chunk.length;
  };
  await expect(consume()).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(received).toBe(image.length);
});

test('progress() begins at 0 %, ends at 100 % and grows', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const views = [upgrade.progress(), upgrade.progress()];
  const collected = views.map(async (view) => {
    const seen: Progress[] = [];
    for await (const progress of view) seen.push(progress);
    return seen;
  });
  await upgrade.download(world.path('a.bin'));
  for (const seen of await Promise.all(collected)) {
    const received = seen.map((progress) => progress.received);
    expect(received[0]).toBe(0);
    expect(received.at(-1)).toBe(image.length);
    expect(received).toEqual([...received].sort((a, b) => a - b));
    expect(new Set(seen.map(({ size }) => size))).toEqual(new Set([image.length]));
  }
});

test('progress() ends when the consumption fails', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-status', status: 404 }] });
  const { upgrade } = await world.announce(image, { connect: once });
  const view = upgrade.progress();
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_HTTP_STATUS',
  });
  const seen: number[] = [];
  for await (const { received } of view) seen.push(received);
  // Of what is told at 0 % a slow consumer may see the latest besides the first.
  expect(new Set(seen)).toEqual(new Set([0]));
});

test.each([4_096, 65_536, 1_048_576])(
  'chunks of at most %i bytes make up the image',
  async (chunkSize) => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    for (const recycle of [false, true]) {
      const parts: Buffer[] = [];
      for await (const chunk of upgrade.chunks({ chunkSize, recycle, report: false })) {
        expect(chunk.length).toBeLessThanOrEqual(chunkSize);
        parts.push(Buffer.from(chunk));
      }
      expect(sha256(Buffer.concat(parts))).toBe(sha256(image));
    }
  },
);

test('recycled chunks share few buffers, others have their own; a buffer given away is replaced', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const own = new Set<ArrayBufferLike>();
  for await (const chunk of upgrade.chunks({ chunkSize: 8192, report: false }))
    own.add(chunk.buffer);
  expect(own.size).toBeGreaterThanOrEqual(Math.ceil(image.length / 8192));

  const shared = new Set<ArrayBufferLike>();
  const options = { chunkSize: 8192, recycle: true, report: false };
  for await (const chunk of upgrade.chunks(options)) shared.add(chunk.buffer);
  expect(shared.size).toBeLessThanOrEqual(4);

  let received = 0;
  for await (const chunk of upgrade.chunks(options)) {
    received += chunk.length;
    structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] });
  }
  expect(received).toBe(image.length);
});

test('asking for several chunks at once hands them out in order', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const chunks = upgrade.chunks({ chunkSize: 65_536 });
  const parts: Uint8Array[] = [];
  for (;;) {
    const batch = await Promise.all([chunks.next(), chunks.next(), chunks.next()]);
    for (const { value } of batch) if (value !== undefined) parts.push(value);
    if (batch.some(({ done }) => done)) break;
  }
  expect(sha256(Buffer.concat(parts))).toBe(sha256(image));
});

test('a stream can be read with buffers of the reader, and cancelled', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const reader = upgrade.stream().getReader({ mode: 'byob' });
  const parts: Buffer[] = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(100_000));
    if (value !== undefined) parts.push(Buffer.from(value));
    if (done) break;
  }
  expect(sha256(Buffer.concat(parts))).toBe(sha256(image));

  const other = upgrade.stream().getReader();
  expect((await other.read()).done).toBe(false);
  await other.cancel();
  expect(downloadThreads()).toEqual([]);
});

test('what is shown of an upgrade has no credentials', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image, { firmware: { extData: { key1: 'value1' } } });
  const query = new URL(upgrade.url).search.slice(1);
  expect(query.length).toBeGreaterThan(20);
  for (const shown of [
    inspect(upgrade),
    JSON.stringify(upgrade),
    String(upgrade),
    `${inspect({ upgrade })}`,
  ]) {
    expect(shown).not.toContain(query);
  }
  expect(upgrade).toMatchObject({ version: '2.0.0', size: image.length, isDiff: false });
  expect(upgrade.extData).toMatchObject({ key1: 'value1' });
});

test('refused arguments name the option, and nothing is begun', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const refused = (message: string) =>
    expect.objectContaining({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  const wrong = (value: unknown) => value as never;
  await expect(upgrade.download('/x', wrong({ report: 1 }))).rejects.toEqual(refused('report'));
  await expect(upgrade.download('/x', wrong({ onprogress: 1 }))).rejects.toEqual(
    refused('onprogress'),
  );
  await expect(upgrade.download('/x', wrong({ onProgress: 1 }))).rejects.toEqual(
    refused('onProgress'),
  );
  expect(() => upgrade.chunks({ chunkSize: 4095 })).toThrow(refused('chunkSize'));
  expect(() => upgrade.chunks(wrong({ recycle: 1 }))).toThrow(refused('recycle'));
  expect(() => upgrade.stream(wrong({ recycle: true }))).toThrow(refused('recycle'));
  expect(() => upgrade.progress(wrong({ signal: 1 }))).toThrow(refused('signal'));
  await expect(upgrade.verify()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
});

test('begin and end of a download are told on the diagnostics channels', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const told: unknown[] = [];
  const listener = (message: unknown, name: string | symbol): void => {
    told.push([name, message]);
  };
  diagnostics.subscribe(channelNames.downloadStart, listener);
  diagnostics.subscribe(channelNames.downloadEnd, listener);
  try {
    const path = world.path('a.bin');
    await upgrade.download(path);
    expect(told).toEqual([
      ['iotkit-ota:download:start', { upgrade, path }],
      [
        'iotkit-ota:download:end',
        { upgrade, path, received: image.length, resumed: 0, error: undefined },
      ],
    ]);
    expect(sha256(await readFile(path))).toBe(upgrade.digest);
  } finally {
    diagnostics.unsubscribe(channelNames.downloadStart, listener);
    diagnostics.unsubscribe(channelNames.downloadEnd, listener);
  }
});
