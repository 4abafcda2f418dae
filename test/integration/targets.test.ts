import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { DownloadOptions, ImageWriter, Target } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { startOrigin } from '../support/origin';
import { announceServed, quick } from '../support/served';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

// Where an image may go: files, places inside of files and devices, writers, several at once.

const image = imageOf(3_000_017);

/** A writer that notes what it is asked to do. */
class Notes implements ImageWriter {
  readonly bytes = Buffer.alloc(image.length);
  readonly calls: string[] = [];
  end = 0;
  busy = false;
  reason: unknown;

  async write(chunk: Uint8Array, offset: number): Promise<void> {
    expect(this.busy).toBe(false);
    expect(offset).toBe(this.end);
    this.busy = true;
    await setImmediate();
    this.bytes.set(chunk, offset);
    this.end = offset + chunk.length;
    this.busy = false;
  }

  close(): void {
    expect(this.busy).toBe(false);
    this.calls.push('close');
  }

  abort(reason: unknown): void {
    expect(this.busy).toBe(false);
    this.calls.push('abort');
    this.reason = reason;
  }
}

describe('files', () => {
  test('several get the same bytes, of one request', async () => {
    await using world = await World.open();
    await using server = await FaultServer.start({ image, schedule: [serve()] });
    const { upgrade } = await announceServed(world, server, image);
    await mkdir(world.path('b'));
    const paths = [world.path('a.bin'), world.path('b/a.bin'), world.path('c.bin')];
    await upgrade.download(paths);
    for (const each of paths) expect(image.equals(await readFile(each))).toBe(true);
    expect(server.requests.length).toBe(1);
    expect(await world.files()).toEqual(expect.arrayContaining(['a.bin', 'b', 'c.bin']));
    expect((await world.files()).length).toBe(3);
  });

  test('a new one gets the mode that is asked for, an old one keeps its own', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const fresh = world.path('new.bin');
    const before = world.path('before.bin');
    await writeFile(before, '', { mode: 0o640 });
    await upgrade.download([
      { path: fresh, mode: 0o700 },
      { path: before, mode: 0o700 },
    ]);
    expect((await stat(fresh)).mode & 0o777).toBe(0o700);
    expect((await stat(before)).mode & 0o777).toBe(0o640);
  });

  test('if one of them cannot be opened nothing is fetched, and the others are as they were', async () => {
    await using world = await World.open();
    await using server = await FaultServer.start({ image, schedule: [serve()] });
    const { upgrade } = await announceServed(world, server, image);
    await writeFile(world.path('a.bin'), 'the image before');
    const missing = world.path('missing/a.bin');
    const download = upgrade.download([world.path('a.bin'), missing]);
    await expect(download).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    await expect(download).rejects.toThrow(missing);
    expect(server.requests.length).toBe(0);
    expect(await world.files()).toEqual(['a.bin']);
    expect(await readFile(world.path('a.bin'), 'utf8')).toBe('the image before');
  });
});

describe('a place in a file', () => {
  test('is written where it is, and nothing around it', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const disk = world.path('disk');
    await writeFile(disk, Buffer.alloc(image.length + 10_000, 0xa5), { mode: 0o600 });
    const { ino } = await stat(disk);
    await upgrade.download({ device: disk, offset: 4096 });
    const written = await readFile(disk);
    expect((await stat(disk)).ino).toBe(ino);
    expect(image.equals(written.subarray(4096, 4096 + image.length))).toBe(true);
    const around = [written.subarray(0, 4096), written.subarray(4096 + image.length)];
    expect(Buffer.concat(around).equals(Buffer.alloc(10_000, 0xa5))).toBe(true);
    expect(await world.files()).toEqual(['disk']);
  });

  test('must be large enough', async () => {
    await using world = await World.open();
    await using server = await FaultServer.start({ image, schedule: [serve()] });
    const { upgrade } = await announceServed(world, server, image);
    const disk = world.path('disk');
    await writeFile(disk, Buffer.alloc(image.length));
    const download = upgrade.download({ device: disk, offset: 1 });
    await expect(download).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
    expect(server.requests.length).toBe(0);
  });

  test('must be there', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const download = upgrade.download({ device: world.path('disk') });
    await expect(download).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    expect(await world.files()).toEqual([]);
  });
});

describe('a writer', () => {
  test('gets every byte in order, one call at a time, and is closed at the end', async () => {
    await using world = await World.open();
    const { upgrade, upgradeId, device } = await world.announce(image);
    const writer = new Notes();
    await upgrade.download(writer);
    expect(image.equals(writer.bytes)).toBe(true);
    expect(writer.calls).toEqual(['close']);
    await upgrade.verify();
    await world.report(device, '2.0.0');
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'succeeded' });
  });

  test('needs neither close() nor abort(), nor a promise', async () => {
    await using world = await World.open({
      faults: [{ kind: 'http-corrupt', offset: 5, times: 1 }],
    });
    const { upgrade } = await world.announce(image, { connect: { fetch: quick } });
    let received = 0;
    const writer: ImageWriter = {
      write: (chunk) => {
        received += chunk.length;
      },
    };
    await expect(upgrade.download(writer)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(received).toBe(image.length);
    await upgrade.download(writer);
    expect(received).toBe(2 * image.length);
  });

  test('is told when the image proves wrong, and not closed', async () => {
    await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 5 }] });
    const { upgrade, upgradeId } = await world.announce(image, { connect: { fetch: quick } });
    const writer = new Notes();
    const file = world.path('a.bin');
    await writeFile(file, 'the image before');
    await expect(upgrade.download([writer, file])).rejects.toMatchObject({
      code: 'ERR_DIGEST_MISMATCH',
    });
    expect(writer.calls).toEqual(['abort']);
    expect(writer.reason).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(await readFile(file, 'utf8')).toBe('the image before');
    expect(await world.files()).toEqual(['a.bin']);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -3 });
  });

  test('that throws ends the download, which is reported as a failure of writing', async () => {
    await using world = await World.open();
    const { upgrade, upgradeId } = await world.announce(image);
    const reason = new Error('the flash is worn');
    const calls: string[] = [];
    const writer: ImageWriter = {
      write: (_, offset) => {
        if (offset > 1_000_000) throw reason;
      },
      close: () => void calls.push('close'),
      abort: (why) => {
        calls.push('abort');
        expect(why).toBe(reason);
        throw new Error('nobody hears this');
      },
    };
    const file = world.path('a.bin');
    await expect(upgrade.download([file, writer])).rejects.toBe(reason);
    expect(calls).toEqual(['abort']);
    expect(await world.files()).toEqual([]);
    expect(downloadThreads()).toEqual([]);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -4 });
  });

  test('that fails at its last byte keeps the file beside it from being replaced', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const reason = new Error('the flash is worn');
    const file = world.path('a.bin');
    await writeFile(file, 'the image before');
    const writer: ImageWriter = {
      write: async (chunk, offset) => {
        // By then everything is received and digested.
        while (offset + chunk.length === image.length && downloadThreads().length > 1) {
          await setImmediate();
        }
        if (offset + chunk.length === image.length) throw reason;
      },
    };
    await expect(upgrade.download([file, writer])).rejects.toBe(reason);
    expect(await readFile(file, 'utf8')).toBe('the image before');
    expect(await world.files()).toEqual(['a.bin']);
  });

  test('is closed when the file beside it has its name', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const file = world.path('a.bin');
    let atClose: string[] = [];
    const writer: ImageWriter = {
      write: () => {},
      close: async () => {
        atClose = await world.files();
      },
    };
    await upgrade.download([writer, file]);
    expect(atClose).toEqual(['a.bin']);
    expect(image.equals(await readFile(file))).toBe(true);
  });

  test('whose close() throws has failed, and is not aborted', async () => {
    await using world = await World.open();
    const { upgrade, upgradeId } = await world.announce(image);
    const reason = new Error('no boot slot');
    const calls: string[] = [];
    const writer: ImageWriter = {
      write: () => {},
      close: () => Promise.reject(reason),
      abort: () => void calls.push('abort'),
    };
    await expect(upgrade.download(writer)).rejects.toBe(reason);
    expect(calls).toEqual([]);
    await expect(upgrade.verify()).rejects.toBe(reason);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -4 });
  });

  test('is let finish its write before an abort reaches it', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const reason = new Error('the user has changed their mind');
    const writer = new Notes();
    const write = writer.write.bind(writer);
    writer.write = async (chunk, offset) => {
      if (offset > 0) upgrade.abort(reason);
      await write(chunk, offset);
    };
    await expect(upgrade.download(writer)).rejects.toBe(reason);
    expect(writer.calls).toEqual(['abort']);
    expect(writer.reason).toBe(reason);
    expect(writer.end).toBeLessThan(image.length);
  });

  test('that is slow stops the server: memory does not grow', async () => {
    const big = imageOf(64 * 1024 * 1024);
    const inFlight = 24 * 1024 * 1024;
    const origin = await startOrigin(big);
    await using world = await World.open({ firmwareBaseUrl: origin.url });
    try {
      const { upgrade } = await world.announce(big);
      let largest = 0;
      let looks = 0;
      const sending = origin.next();
      await upgrade.download({
        write: async (chunk, offset) => {
          const { taken } = await sending;
          // Long enough for the server to run ahead as far as it is let.
          for (let before = -1; before !== taken() && looks < 5; looks += 1) {
            before = taken();
            for (let turn = 0; turn < 200; turn += 1) await setImmediate();
          }
          largest = Math.max(largest, taken() - offset - chunk.length);
        },
      });
      expect(largest).toBeLessThan(inFlight);
    } finally {
      await origin.close();
    }
  });

  test('and what it is lent is the same memory again', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const memory = new Set<ArrayBufferLike>();
    await upgrade.download({ write: (chunk) => void memory.add(chunk.buffer) });
    expect(memory.size).toBeLessThanOrEqual(4);
  });

  test('can be a file that Node.js writes, beside one of the addon', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const handle = await open(world.path('by-node.bin'), 'w');
    await upgrade.download([
      {
        write: async (chunk, offset) => {
          await handle.write(chunk, 0, chunk.length, offset);
        },
        close: () => handle.close(),
      },
      world.path('by-addon.bin'),
    ]);
    const [left, right] = await Promise.all(
      ['by-node.bin', 'by-addon.bin'].map((name) => readFile(world.path(name))),
    );
    expect(image.equals(left as Buffer)).toBe(true);
    expect(image.equals(right as Buffer)).toBe(true);
  });
});

test('refused targets and options name what is wrong, and nothing is begun', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  const { upgrade } = await announceServed(world, server, image);
  const write = (): void => {};
  const refused: readonly [unknown, string][] = [
    ['', 'target must be'],
    ['a\0b', 'target must be'],
    ['a'.repeat(4096), 'target must be'],
    [undefined, 'target must be a path, { path }'],
    [null, 'target must be a path, { path }'],
    [7, 'target must be a path, { path }'],
    [{}, 'target must be a path, { path }'],
    [[], 'target must be 1-8 targets, got 0'],
    [Array.from({ length: 9 }, (_, i) => `/x${i}`), 'target must be 1-8 targets, got 9'],
    [['/x', []], 'target[1] must be a path, { path }'],
    [['/x', ''], 'target[1] must be'],
    [['/x', '/x'], 'target[1] is among the targets already'],
    [['/x', { path: '/x' }], 'target[1] is among the targets already'],
    [{ path: 7 }, 'target.path must be a string, got 7'],
    [{ path: '/x', mode: '644' }, 'target.mode must be a whole number'],
    [{ path: '/x', mode: 0o10000 }, 'target.mode must be a whole number'],
    [{ path: '/x', offset: 1 }, 'target has no option offset'],
    [[{ device: '' }], 'target[0].device must be'],
    [{ device: '/x', offset: -1 }, 'target.offset must be a whole number'],
    [{ device: '/x', offset: 0.5 }, 'target.offset must be a whole number'],
    [{ device: '/x', journal: '' }, 'target.journal must be'],
    [{ device: '/x', path: '/y' }, 'target has no option path'],
    [{ write: 1 }, 'target.write must be a function, got 1'],
    [{ write, close: 1 }, 'target.close must be a function'],
    [{ write, abort: {} }, 'target.abort must be a function'],
    [[{ write }, '/x', { write }], 'target[2] is another writer'],
  ];
  for (const [target, message] of refused) {
    await expect(upgrade.download(target as Target)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  }
  const options: readonly [object, string][] = [
    [{ resume: 1 }, 'resume must be a boolean'],
    [{ recycle: true }, 'options has no option recycle'],
    [{ report: { upTo: 0 } }, 'report.upTo must be a whole number from 1 to 100, got 0'],
    [{ report: { upTo: 101 } }, 'report.upTo'],
    [{ report: {} }, 'report.upTo'],
    [{ report: null }, 'report'],
    [{ report: { upto: 5 } }, 'report has no option upto'],
    [{ signature: 'x' }, 'signature must be an object'],
    [{ signature: {} }, 'signature.value must be a Uint8Array or base64, got undefined'],
    [{ signature: { value: '%%%%' } }, 'signature.value must be base64'],
    [{ signature: { value: '' } }, 'signature.value must be 1-1024 bytes, got 0'],
    [{ signature: { value: new Uint8Array(1025) } }, 'signature.value must be 1-1024 bytes'],
    [{ signature: { value: 'AAAA', over: 'all' } }, 'signature.over must be one of digest, image'],
  ];
  for (const [given, message] of options) {
    await expect(upgrade.download('/x', given as DownloadOptions)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  }
  expect(server.requests.length).toBe(0);
  await expect(upgrade.verify()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
});
