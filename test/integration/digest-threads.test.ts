/** A download on one thread, and with a second one that digests. */
import { readFile } from 'node:fs/promises';
import { setDigestsBeside } from '../support/digest-threads';
import { imageOf } from '../support/image';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

const image = imageOf(5_000_011);
const stall = { kind: 'http-stall', afterBytes: 2_000_000 } as const;

describe.each([
  { beside: false, threads: ['iotkit-recv'] },
  { beside: true, threads: ['iotkit-digest', 'iotkit-recv'] },
])('$threads', ({ beside, threads }) => {
  beforeAll(() => setDigestsBeside(beside));

  test('are all that a download has', async () => {
    await using world = await World.open({ faults: [stall] });
    const { upgrade } = await world.announce(image);
    const abort = new AbortController();
    let running: string[] = [];
    const download = upgrade.download(world.path('a.bin'), {
      signal: abort.signal,
      onProgress: ({ received }) => {
        if (received === 0 || abort.signal.aborted) return;
        running = downloadThreads();
        abort.abort(new Error('enough'));
      },
    });
    await expect(download).rejects.toThrow('enough');
    expect(running).toEqual(threads);
    expect(downloadThreads()).toEqual([]);
  });

  test('bring an image into two files', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    await upgrade.download([world.path('a.bin'), world.path('b.bin')]);
    for (const name of ['a.bin', 'b.bin'])
      expect(image.equals(await readFile(world.path(name)))).toBe(true);
  });

  test.each([false, true])('bring it in chunks, recycled: %s', async (recycle) => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image);
    const copies: Buffer[] = [];
    for await (const chunk of upgrade.chunks({ recycle })) copies.push(Buffer.from(chunk));
    expect(image.equals(Buffer.concat(copies))).toBe(true);
  });

  test('refuse one with a wrong byte', async () => {
    await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 4_999_999 }] });
    const { upgrade } = await world.announce(image);
    const download = upgrade.download(world.path('a.bin'));
    await expect(download).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(await world.files()).toEqual([]);
  });
});
