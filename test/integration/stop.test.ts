import { readFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { setMaxDownloads, stats, type Upgrade } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

// Whoever stops a download is done with it at once, whatever it waits for: its slot, its target and
// the upgrade itself are free again.

const image = imageOf(2_000_003);

/** What a download waits for when it is stopped. Resolves when it does; ends what keeps it so. */
type Wait = (
  world: World,
  upgrade: Upgrade,
  begun: () => Promise<unknown>,
) => Promise<() => Promise<void>>;

const waits: Record<string, Wait> = {
  'a stalled server': async (_world, _upgrade, begun) => {
    await begun();
    return async () => {};
  },
  'a pause': async (_world, upgrade, begun) => {
    await begun();
    upgrade.pause();
    return async () => {};
  },
};

/** Reads until nothing more comes, and leaves a read waiting. */
interface Stopper {
  readonly begin: () => Promise<unknown>;
  readonly stop: () => Promise<unknown>;
}

const destroying = (readable: Readable): Stopper => ({
  begin: () => new Promise((resolve) => readable.once('data', resolve)),
  stop: () => {
    const closed = new Promise((resolve) => readable.once('close', resolve));
    readable.destroy();
    return closed;
  },
});

const ways: Record<string, (upgrade: Upgrade) => Stopper> = {
  'return()': (upgrade) => {
    const chunks = upgrade.chunks();
    return { begin: () => chunks.next(), stop: () => chunks.return() };
  },
  'return(), while next() waits': (upgrade) => {
    const chunks = upgrade.chunks();
    return {
      begin: () => chunks.next(),
      stop: async () => {
        const all = Array.from({ length: 20 }, () => chunks.next());
        await chunks.return();
        expect((await Promise.all(all)).at(-1)?.done).toBe(true);
      },
    };
  },
  'throw(), while next() waits': (upgrade) => {
    const chunks = upgrade.chunks({ recycle: true });
    return {
      begin: () => chunks.next(),
      stop: async () => {
        const all = Promise.allSettled(Array.from({ length: 20 }, () => chunks.next()));
        await chunks.throw(new Error('on purpose')).catch(() => {});
        await all;
      },
    };
  },
  asyncDispose: (upgrade) => {
    const chunks = upgrade.chunks();
    return { begin: () => chunks.next(), stop: async () => chunks[Symbol.asyncDispose]() };
  },
  'reader.cancel()': (upgrade) => {
    const reader = upgrade.stream().getReader();
    return {
      begin: () => reader.read(),
      stop: async () => {
        const all = Array.from({ length: 20 }, () => reader.read());
        await reader.cancel('enough');
        expect((await Promise.all(all)).at(-1)?.done).toBe(true);
      },
    };
  },
  'pipeTo({ signal })': (upgrade) => {
    const abort = new AbortController();
    let first = (): void => {};
    const begun = new Promise<void>((resolve) => {
      first = resolve;
    });
    const sink = new WritableStream<Uint8Array>({ write: () => first() });
    const piped = (): Promise<void> => upgrade.stream().pipeTo(sink, { signal: abort.signal });
    let done: Promise<void> | undefined;
    return {
      begin: () => {
        done = piped();
        done.catch(() => {});
        return begun;
      },
      stop: async () => {
        abort.abort();
        await expect(done).rejects.toMatchObject({ name: 'AbortError' });
      },
    };
  },
  'pipeline({ signal })': (upgrade) => {
    const abort = new AbortController();
    const through = new PassThrough().resume();
    let done: Promise<void> | undefined;
    return {
      begin: () => {
        done = pipeline(Readable.from(upgrade), through, { signal: abort.signal });
        done.catch(() => {});
        return new Promise((resolve) => through.once('data', resolve));
      },
      stop: async () => {
        abort.abort();
        await expect(done).rejects.toMatchObject({ name: 'AbortError' });
      },
    };
  },
  'Readable.destroy()': (upgrade) => destroying(Readable.from(upgrade)),
  'Readable.fromWeb().destroy()': (upgrade) =>
    destroying(Readable.fromWeb(upgrade.stream() as never)),
  'a signal of download()': (upgrade) => {
    const abort = new AbortController();
    let done: Promise<void> | undefined;
    return {
      begin: () =>
        new Promise<void>((resolve) => {
          const write = (): void => resolve();
          done = upgrade.download({ write }, { signal: abort.signal });
          done.catch(() => {});
        }),
      stop: async () => {
        abort.abort();
        await expect(done).rejects.toMatchObject({ name: 'AbortError' });
      },
    };
  },
};

/** All is free again: the upgrade, its slot, and its target. */
async function expectFree(world: World, upgrade: Upgrade): Promise<void> {
  while (downloadThreads().length > 0) await setImmediate();
  world.platform.faults.clear();
  const target = world.path('firmware.bin');
  await upgrade.download(target);
  expect(image.equals(await readFile(target))).toBe(true);
  expect(stats()).toMatchObject({ waiting: 0, lent: 0 });
}

beforeEach(() => setMaxDownloads(1));
afterEach(() => setMaxDownloads(2));

describe.each(Object.entries(waits))('on %s', (_, wait) => {
  test.each(Object.entries(ways))('%s ends the download at once', async (_, way) => {
    await using world = await World.open({
      faults: [{ kind: 'http-stall', afterBytes: 1_000_000 }],
    });
    const { upgrade } = await world.announce(image);
    const { begin, stop } = way(upgrade);
    await wait(world, upgrade, begin);
    await stop();
    await expect(upgrade.verify()).rejects.toBeDefined();
    await expectFree(world, upgrade);
  });
});

describe('while it waits for its turn', () => {
  test.each(['return', 'cancel', 'abort'] as const)('%s ends the download at once', async (how) => {
    await using world = await World.open({
      faults: [{ kind: 'http-stall', afterBytes: 1_000_000 }],
    });
    const first = await world.announce(image, { deviceName: 'first' });
    const { upgrade } = await world.announce(image, { firmware: { version: '2.0.1' } });
    // A second later it would have given its slot away: until then nothing is awaited.
    const busy = first.upgrade.chunks();
    await busy.next();
    if (how === 'cancel') {
      const reader = upgrade.stream().getReader();
      const read = reader.read();
      await reader.cancel();
      expect((await read).done).toBe(true);
    } else {
      const chunks = upgrade.chunks();
      const next = chunks.next();
      next.catch(() => {});
      expect(stats().waiting).toBe(1);
      if (how === 'return') await chunks.return();
      else upgrade.abort();
      await expect(upgrade.verify()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
    expect(stats().waiting).toBe(0);
    await busy.return();
    await expectFree(world, upgrade);
  });
});

test('a consumer that fails has failed the upgrade; one that stops has not', async () => {
  await using world = await World.open();
  const { upgrade, upgradeId } = await world.announce(image);
  const abort = new AbortController();
  const stopped = pipeline(upgrade, new PassThrough(), { signal: abort.signal });
  abort.abort();
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  const error = new Error('the disk is full');
  const full = new PassThrough({
    transform: (_chunk, _encoding, callback) => callback(error),
  });
  await expect(pipeline(Readable.from(upgrade), full)).rejects.toBe(error);
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -1 });
});
