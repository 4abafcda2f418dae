import { PassThrough, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { openNodeWritable, openWebWritable } from '../../../lib/download/stream-writers';

const bytes = Uint8Array.of(1, 2, 3);
const error = new Error('on purpose');

/** A Writable that notes what reaches it, and calls back when it is told to. */
function sink(options: { hold?: boolean; final?: Error } = {}) {
  const log: string[] = [];
  let release = (_?: Error): void => {};
  const stream = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      log.push([...chunk].join());
      release = callback;
      if (options.hold !== true) callback();
    },
    final(callback) {
      log.push('final');
      callback(options.final);
    },
    destroy(reason, callback) {
      log.push(`destroy ${reason?.message}`);
      callback(reason);
    },
  });
  return { log, stream, release: (reason?: Error): void => release(reason) };
}

describe('a Writable of Node.js', () => {
  test('gets the bytes, and is ended', async () => {
    const { log, stream } = sink();
    const writer = openNodeWritable(stream);
    await writer.write(bytes, 0);
    await writer.close?.();
    expect(log.slice(0, 2)).toEqual(['1,2,3', 'final']);
    expect(stream.writableFinished).toBe(true);
  });

  test('is waited for', async () => {
    const { stream, release } = sink({ hold: true });
    const writer = openNodeWritable(stream);
    let done = false;
    const written = Promise.resolve(writer.write(bytes, 0)).then(() => {
      done = true;
    });
    await setImmediate();
    expect(done).toBe(false);
    release();
    await written;
  });

  test('that fails to write, or to end, rejects', async () => {
    const writing = sink({ hold: true });
    const written = openNodeWritable(writing.stream).write(bytes, 0);
    writing.release(error);
    await expect(written).rejects.toBe(error);
    const ending = openNodeWritable(sink({ final: error }).stream);
    await expect(ending.close?.()).rejects.toBe(error);
  });

  test('that is destroyed during a write rejects, although the write never calls back', async () => {
    const { stream } = sink({ hold: true });
    const writer = openNodeWritable(stream);
    const written = writer.write(bytes, 0);
    stream.destroy(error);
    await expect(written).rejects.toBe(error);
    await expect(writer.write(bytes, 3)).rejects.toBe(error);
  });

  test('that ends between two writes is told of, until nobody watches', async () => {
    const { stream } = sink();
    const failed = new Promise((resolve) => openNodeWritable(stream).watch?.(resolve));
    stream.destroy(error);
    expect(await failed).toBe(error);
    const ended = sink();
    const other = new Promise((resolve) => openNodeWritable(ended.stream).watch?.(resolve));
    ended.stream.end();
    expect(await other).toMatchObject({ message: expect.stringContaining('ended before') });
    const unwatched = sink();
    const seen: unknown[] = [];
    openNodeWritable(unwatched.stream).watch?.((it) => seen.push(it))();
    unwatched.stream.destroy();
    await setImmediate();
    expect(seen).toEqual([]);
  });

  test('is destroyed with the reason, which ends no process', async () => {
    const { log, stream } = sink();
    await openNodeWritable(stream).abort?.(error);
    await setImmediate();
    expect([log, stream.errored]).toEqual([['destroy on purpose'], error]);
    const bare = sink();
    await openNodeWritable(bare.stream).abort?.('enough');
    expect(bare.log).toEqual(['destroy undefined']);
  });

  test('may keep the chunks that a transform hands on', async () => {
    const through = new PassThrough();
    const writer = openNodeWritable(through);
    await writer.write(bytes, 0);
    expect(through.read()).toEqual(Buffer.from(bytes));
  });

  test('of the process itself is neither ended nor destroyed', async () => {
    const writer = openNodeWritable(process.stderr);
    await writer.close?.();
    await writer.abort?.(error);
    expect(process.stderr.writable).toBe(true);
  });
});

describe('a WritableStream', () => {
  function web(sink: ConstructorParameters<typeof WritableStream<Uint8Array>>[0] = {}) {
    const stream = new WritableStream<Uint8Array>(sink);
    return { stream, writer: openWebWritable(stream) };
  }

  test('gets the bytes, is closed, and is free again', async () => {
    const log: unknown[] = [];
    const { stream, writer } = web({
      write: (chunk) => void log.push(...chunk),
      close: () => void log.push('close'),
    });
    expect(stream.locked).toBe(true);
    await writer.write(bytes, 0);
    await writer.close?.();
    expect([log, stream.locked]).toEqual([[1, 2, 3, 'close'], false]);
  });

  test('is aborted with the reason', async () => {
    const log: unknown[] = [];
    const { stream, writer } = web({ abort: (reason) => void log.push(reason) });
    await writer.abort?.(error);
    expect([log, stream.locked]).toEqual([[error], false]);
  });

  test('that fails between two writes is told of', async () => {
    let fail = (_: unknown): void => {};
    const { writer } = web({
      start: (controller) => {
        fail = (reason) => controller.error(reason);
      },
    });
    const failed = new Promise((resolve) => writer.watch?.(resolve));
    fail(error);
    expect(await failed).toBe(error);
    await expect(writer.write(bytes, 0)).rejects.toBe(error);
  });
});
