import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { createGzip, gunzipSync } from 'node:zlib';
import type { ImageWriter } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

// Writers that do what writers do: give their chunks away, close the device, never end, or are
// streams.

const image = imageOf(3_000_017);
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a writer that gives its chunks away', () => {
  test('to a stream of bytes, which takes their memory, gets the right offsets', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const offsets: number[] = [];
    let controller: ReadableByteStreamController | undefined;
    const stream = new ReadableStream({
      type: 'bytes',
      start: (it) => {
        controller = it;
      },
    });
    const received = buffer(stream as never);
    await upgrade.download({
      write: (chunk, offset) => {
        offsets.push(offset);
        controller?.enqueue(chunk);
        expect(chunk.byteLength).toBe(0);
      },
      close: () => controller?.close(),
    });
    expect(image.equals(await received)).toBe(true);
    expect([offsets[0], new Set(offsets).size]).toEqual([0, offsets.length]);
  });

  test('has its file beside it completed, and its progress counted', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    let latest = 0;
    const write = (chunk: Uint8Array): void => {
      structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
    };
    await upgrade.download([{ write }, world.path('a.bin')], {
      onProgress: ({ received }) => {
        latest = received;
      },
    });
    expect(latest).toBe(image.length);
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });
});

describe('close() ends in its 2 s', () => {
  test.each(['write', 'close', 'abort'] as const)('awaited inside %s()', async (where) => {
    await using world = await World.open();
    const { upgrade, device } = await world.announce(image);
    const closing: ImageWriter = {
      write: () => {
        if (where === 'abort') throw new Error('on purpose');
      },
      [where]: () => device.close(),
    };
    const download = upgrade.download(closing);
    await expect(download).rejects.toBeDefined();
    await device.close();
    expect([device.state, downloadThreads()]).toEqual(['closed', []]);
  });

  test('beside a write() that never ends', async () => {
    await using world = await World.open();
    const { upgrade, device } = await world.announce(image);
    let begun = (): void => {};
    const writing = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const download = upgrade.download([
      {
        write: () => {
          begun();
          return new Promise(() => {});
        },
      },
      world.path('a.bin'),
    ]);
    download.catch(() => {});
    await writing;
    await device.close();
    await expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect([await world.files(), downloadThreads()]).toEqual([[], []]);
  });

  test('beside a write() that waits for close(), which is waited for', async () => {
    await using world = await World.open();
    const { upgrade, device } = await world.announce(image);
    const log: string[] = [];
    let closed: Promise<void> | undefined;
    await upgrade
      .download({
        write: async () => {
          closed ??= device.close();
          await setImmediate();
          log.push('written');
        },
        abort: () => void log.push('aborted'),
      })
      .catch(({ code }) => log.push(code));
    await closed;
    expect(log).toEqual(['written', 'aborted', 'ERR_CLOSED']);
  });
});

describe('a write() that never ends', () => {
  test.each(['signal', 'abort'] as const)(
    'is given up after %s, and the upgrade is free',
    async (how) => {
      await using world = await World.open();
      const { upgrade } = await world.announce(image);
      const controller = new AbortController();
      const why = new Error('on purpose');
      const stop = (): void => (how === 'signal' ? controller.abort(why) : upgrade.abort(why));
      const download = upgrade.download(
        {
          write: () => {
            setImmediate().then(stop);
            return new Promise(() => {});
          },
        },
        { signal: controller.signal },
      );
      await expect(download).rejects.toBe(why);
      await upgrade.download(world.path('a.bin'));
      expect(await world.files()).toEqual(['a.bin']);
    },
  );
});

describe('a stream as the target', () => {
  test('of Node.js gets the image and is ended, beside a file', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const stream = createWriteStream(world.path('by-node.bin'));
    await upgrade.download([stream, world.path('by-addon.bin')]);
    expect(stream.writableFinished).toBe(true);
    for (const name of ['by-node.bin', 'by-addon.bin']) {
      expect(image.equals(await readFile(world.path(name)))).toBe(true);
    }
  });

  test('may hand the chunks on, which are its own', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const through = new PassThrough({ highWaterMark: 4 * 1024 * 1024 });
    await upgrade.download(through);
    expect(digestOf(await buffer(through))).toBe(digestOf(image));
    const gzip = createGzip({ level: 1 });
    const [zipped] = await Promise.all([buffer(gzip), upgrade.download(gzip)]);
    expect(digestOf(gunzipSync(zipped))).toBe(digestOf(image));
  });

  test('may be a request of HTTP', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const server = createServer(async (incoming, response) => {
      response.end(digestOf(await buffer(incoming)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ port, host: '127.0.0.1', method: 'PUT' });
    const answered = new Promise<Buffer>((resolve) => {
      outgoing.once('response', (response) => resolve(buffer(response)));
    });
    await upgrade.download(outgoing);
    expect((await answered).toString()).toBe(digestOf(image));
    server.close();
  });

  test('of the web gets the image and is closed, transforms included', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const [received] = await Promise.all([buffer(readable as never), upgrade.download(writable)]);
    expect(digestOf(received)).toBe(digestOf(image));
    expect(writable.locked).toBe(false);
  });

  test('is destroyed when the image proves wrong, and takes nothing for complete', async () => {
    await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 5 }] });
    const { upgrade } = await world.announce(image);
    const stream = createWriteStream(world.path('a.bin'));
    await expect(upgrade.download(stream)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect([stream.destroyed, stream.writableFinished]).toEqual([true, false]);
    const reasons: unknown[] = [];
    const web = new WritableStream({ abort: (reason) => void reasons.push(reason) });
    await expect(upgrade.download(web)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(reasons).toMatchObject([{ code: 'ERR_DIGEST_MISMATCH' }]);
  });

  test('that fails ends the download, which is reported as a failure of writing', async () => {
    await using world = await World.open({
      faults: [{ kind: 'http-stall', afterBytes: 1_000_000 }],
    });
    const { upgrade, upgradeId } = await world.announce(image);
    const stream = new PassThrough().resume();
    const download = upgrade.download(stream);
    download.catch(() => {});
    await new Promise((resolve) => stream.once('data', resolve));
    const error = new Error('the socket is gone');
    stream.destroy(error);
    await expect(download).rejects.toBe(error);
    expect(downloadThreads()).toEqual([]);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -4 });
  });

  test('that nobody reads holds the download back, until it is read', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const through = new PassThrough();
    const download = upgrade.download(through);
    while (through.readableLength === 0) await setImmediate();
    expect(through.readableLength).toBeLessThan(2 * 1024 * 1024);
    expect(digestOf(await buffer(through))).toBe(digestOf(image));
    await download;
  });
});

test('an upgrade is a source of streams as well', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const file = createWriteStream(world.path('a.bin'));
  await new Promise<void>((resolve, reject) => {
    Readable.from(upgrade).pipe(file).on('finish', resolve).on('error', reject);
  });
  expect(digestOf(await buffer(createReadStream(world.path('a.bin'))))).toBe(digestOf(image));
});
