import { createHash } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import type { ChunksOptions, Upgrade } from 'iotkit-ota';
import { stats } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { World } from '../support/world';

// Memory that JavaScript can free is never memory that a thread writes into: whatever a program does
// to a chunk it was given, at whatever moment, the image is right and nothing else is overwritten.

const image = imageOf(5_000_011);
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Ways in which the memory of a chunk is taken from it; each returns where the bytes are now. */
const takings: Record<string, (buffer: ArrayBuffer) => ArrayBuffer> = {
  'structuredClone()': (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  'postMessage()': (buffer) => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(buffer, [buffer]);
    port1.close();
    port2.close();
    return new ArrayBuffer(0); // nobody ever receives it
  },
  'the end of the memory': (buffer) => {
    structuredClone(buffer, { transfer: [buffer] });
    return new ArrayBuffer(0);
  },
  ...('transfer' in ArrayBuffer.prototype && {
    'transfer()': (buffer: ArrayBuffer) => (buffer as Transferable).transfer(),
    'transferToFixedLength()': (buffer: ArrayBuffer) =>
      (buffer as Transferable).transferToFixedLength(),
    'transfer() to less': (buffer: ArrayBuffer) => (buffer as Transferable).transfer(16),
  }),
};

type Transferable = ArrayBuffer & {
  readonly transfer: (length?: number) => ArrayBuffer;
  readonly transferToFixedLength: () => ArrayBuffer;
};

/** Bytes that were taken, with the digest that they had then. */
class Taken {
  readonly #all: { readonly bytes: Uint8Array; readonly digest: string }[] = [];

  add(buffer: ArrayBuffer): void {
    const bytes = new Uint8Array(buffer);
    this.#all.push({ bytes, digest: digestOf(bytes) });
  }

  /** How many have changed since. */
  changed(): number {
    return this.#all.filter(({ bytes, digest }) => digestOf(bytes) !== digest).length;
  }
}

async function announced(world: World): Promise<Upgrade> {
  return (await world.announce(image)).upgrade;
}

describe.each(Object.entries(takings))('%s', (_, take) => {
  test.each<[string, ChunksOptions]>([
    ['of a recycled chunk', { recycle: true }],
    ['of a chunk', {}],
  ])('%s, while it is used', async (_, options) => {
    await using world = await World.open();
    const upgrade = await announced(world);
    const all = createHash('sha256');
    const taken = new Taken();
    for await (const chunk of upgrade.chunks({ ...options, chunkSize: 65_536 })) {
      all.update(chunk);
      taken.add(take(chunk.buffer as ArrayBuffer));
    }
    expect([all.digest('hex'), taken.changed()]).toEqual([digestOf(image), 0]);
    expect(stats().lent).toBe(0);
  });

  test('of a recycled chunk that was kept, while the next one is received', async () => {
    await using world = await World.open();
    const upgrade = await announced(world);
    const all = createHash('sha256');
    const taken = new Taken();
    const chunks = upgrade.chunks({ recycle: true, chunkSize: 65_536 });
    let { value: chunk } = await chunks.next();
    while (chunk !== undefined) {
      all.update(chunk);
      const kept = chunk.buffer as ArrayBuffer;
      const next = chunks.next();
      taken.add(take(kept));
      ({ value: chunk } = (await next) as IteratorResult<Uint8Array, undefined>);
    }
    expect([all.digest('hex'), taken.changed()]).toEqual([digestOf(image), 0]);
  });

  test('of what a writer was given, during the write and after it', async () => {
    await using world = await World.open();
    const upgrade = await announced(world);
    const all = createHash('sha256');
    const taken = new Taken();
    let kept: ArrayBuffer | undefined;
    await upgrade.download({
      write: async (chunk, offset) => {
        all.update(chunk);
        if (offset % 2 === 0) taken.add(take(chunk.buffer as ArrayBuffer));
        await new Promise(setImmediate);
        if (kept !== undefined && kept.byteLength > 0) taken.add(take(kept));
        kept = chunk.buffer as ArrayBuffer;
      },
    });
    expect([all.digest('hex'), taken.changed()]).toEqual([digestOf(image), 0]);
    expect(stats().lent).toBe(0);
  });
});

test('the bytes of a signature are read when the call is made', async () => {
  await using world = await World.open();
  const upgrade = await announced(world);
  const value = new Uint8Array(64).fill(7);
  const chunks = upgrade.chunks({ signature: { value } });
  structuredClone(value, { transfer: [value.buffer] });
  // There are no keys to verify it with, which is what the addon says of 64 bytes and not of none.
  await expect(chunks.next()).rejects.not.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});
