import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { stats } from 'iotkit-ota';
import { chunks as chunked } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { startOrigin } from '../support/origin';
import { announceServed } from '../support/served';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

const image = imageOf(5_000_011);

test('chunks are the image, byte for byte', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const chunks: Uint8Array[] = [];
  for await (const chunk of upgrade) chunks.push(chunk);
  expect(chunks.length).toBeGreaterThan(1);
  expect(image.equals(Buffer.concat(chunks))).toBe(true);
});

test('memory of the last chunk has nothing else in it', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  let last: Uint8Array = new Uint8Array();
  for await (const chunk of upgrade) last = chunk;
  expect(last.byteOffset).toBe(0);
  const rest = new Uint8Array(last.buffer, last.length);
  expect(rest.every((byte) => byte === 0)).toBe(true);
});

test('no chunk holds more than twice the memory of its bytes', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image.subarray(0, 1_200_000));
  const kept: Uint8Array[] = [];
  for await (const chunk of upgrade) kept.push(chunk);
  expect(image.subarray(0, 1_200_000).equals(Buffer.concat(kept))).toBe(true);
  for (const { length, buffer } of kept) expect(buffer.byteLength).toBeLessThanOrEqual(2 * length);
});

test('an image that is smaller than a chunk has a chunk of its size', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image.subarray(0, 100_001));
  for await (const { length, buffer } of upgrade) {
    expect(buffer.byteLength).toBeLessThanOrEqual(100_001);
    expect(length).toBeLessThanOrEqual(buffer.byteLength);
  }
});

test('recycled chunks are the image, each until the next is asked for', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const copies: Buffer[] = [];
  const memory = new Set<ArrayBufferLike>();
  for await (const chunk of upgrade.chunks({ recycle: true })) {
    copies.push(Buffer.from(chunk));
    memory.add(chunk.buffer);
  }
  expect(image.equals(Buffer.concat(copies))).toBe(true);
  expect(memory.size).toBeLessThan(copies.length);
});

test('a web stream carries the image', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  expect(image.equals(await buffer(upgrade.stream()))).toBe(true);
});

test('a Node.js stream carries the image', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  expect(image.equals(await buffer(Readable.from(upgrade)))).toBe(true);
});

test('a corrupted image ends the loop with an error, after which nobody may take it for complete', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 4_999_999 }] });
  const { upgrade, upgradeId } = await world.announce(image);
  const loop = async (): Promise<void> => {
    for await (const _ of upgrade);
  };
  await expect(loop()).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -3 });
});

test('an abort after the last byte came, but before it was taken, is no complete image', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image.subarray(0, 700_000));
  const abort = new AbortController();
  const chunks = upgrade.chunks({ signal: abort.signal });
  expect((await chunks.next()).value?.length).toBeGreaterThan(0);
  while (downloadThreads().length > 0) await setImmediate();

  const reason = new Error('the user has changed their mind');
  abort.abort(reason);
  await expect(chunks.next()).rejects.toBe(reason);
  await expect(upgrade.verify()).rejects.toBe(reason);
  expect((await chunks.next()).done).toBe(true);
});

describe('an image of which all is there, but not the end of its body', () => {
  /** Ends the body when it is told to. */
  async function withhold(world: World) {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const last = '0\r\n\r\n';
    const reply: Reply = async (exchange) => {
      await exchange.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (const part of chunked({ last: '' })(exchange.image)) await exchange.write(part);
      await released;
      await exchange.write(last);
      await exchange.close();
    };
    const served = image.subarray(0, 100_003);
    const server = await FaultServer.start({ image: served, schedule: [reply] });
    const { upgrade } = await announceServed(world, server, served);
    return { server, upgrade, served, release };
  }

  test('is iterated to its end', async () => {
    await using world = await World.open();
    const { server, upgrade, served, release } = await withhold(world);
    await using _ = server;
    let received = 0;
    for await (const chunk of upgrade) {
      received += chunk.length;
      if (received === served.length) release();
    }
    expect(received).toBe(served.length);
  });

  test('is written to its end, and stored', async () => {
    await using world = await World.open();
    const { server, upgrade, served, release } = await withhold(world);
    await using _ = server;
    let received = 0;
    const write = (chunk: Uint8Array): void => {
      received += chunk.length;
      if (received === served.length) setImmediate().then(release);
    };
    await upgrade.download([world.path('firmware.bin'), { write }]);
    expect(served.equals(await readFile(world.path('firmware.bin')))).toBe(true);
  });

  test('is aborted', async () => {
    await using world = await World.open();
    const { server, upgrade, served } = await withhold(world);
    await using _ = server;
    const abort = new AbortController();
    const reason = new Error('the user has changed their mind');
    let received = 0;
    const loop = async (): Promise<void> => {
      for await (const chunk of upgrade.chunks({ signal: abort.signal })) {
        received += chunk.length;
        if (received === served.length) abort.abort(reason);
      }
    };
    await expect(loop()).rejects.toBe(reason);
    expect(downloadThreads()).toEqual([]);
  });
});

test('an abort while a loop is being left keeps nothing alive', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-stall', afterBytes: 1_000_000 }] });
  const { upgrade } = await world.announce(image);
  const { holds } = stats();
  const abort = new AbortController();
  const chunks = upgrade.chunks({ signal: abort.signal });
  await chunks.next();
  const left = chunks.return();
  abort.abort();
  expect((await left).done).toBe(true);
  expect(downloadThreads()).toEqual([]);
  expect(stats().holds).toBe(holds);
});

test('leaving a loop whose signal was aborted keeps nothing alive', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-stall', afterBytes: 1_000_000 }] });
  const { upgrade } = await world.announce(image);
  const { holds } = stats();
  const abort = new AbortController();
  const chunks = upgrade.chunks({ signal: abort.signal });
  await chunks.next();
  abort.abort();
  await chunks.return();
  expect(downloadThreads()).toEqual([]);
  expect(stats().holds).toBe(holds);
});

test('a slow consumer stops the server: memory does not grow', async () => {
  const big = imageOf(64 * 1024 * 1024);
  // What two kernels and the lent buffers hold; far below the image.
  const inFlight = 24 * 1024 * 1024;
  const origin = await startOrigin(big);
  await using world = await World.open({ firmwareBaseUrl: origin.url });
  try {
    const { upgrade } = await world.announce(big);
    const chunks = upgrade.chunks({ recycle: true })[Symbol.asyncIterator]();
    let received = (await chunks.next()).value?.length ?? 0;
    const slow = await origin.next();

    // While this consumer does nothing, another device gets the whole image from the same server.
    const other = await world.announce(big, {
      deviceName: 'other',
      firmware: { version: '2.0.1' },
    });
    await other.upgrade.download(world.path('firmware.bin'));
    const quick = await origin.next();
    expect(quick.taken()).toBe(big.length);
    expect(slow.taken() - received).toBeLessThan(inFlight);

    for (let chunk = await chunks.next(); !chunk.done; chunk = await chunks.next()) {
      received += chunk.value.length;
      expect(slow.taken() - received).toBeLessThan(inFlight);
    }
    expect(received).toBe(big.length);
  } finally {
    await origin.close();
  }
});
