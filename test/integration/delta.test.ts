// An upgrade that is a difference, from the platform into a file: downloaded, applied, verified.
import diagnostics from 'node:diagnostics_channel';
import fs, { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { asExtData } from '../../lib/delta/announced';
import { encodeHeader, HEADER_SIZE } from '../../lib/delta/format';
import { deltaOf, infoOf, relatedImages } from '../support/delta';
import { imageOf, sha256 } from '../support/image';
import { type Announced, nextUpgrade, World } from '../support/world';

// New bytes for most of it, so that there is something to download.
const { old } = relatedImages(11, 300_000);
const image = Buffer.concat([old.subarray(100_000), imageOf(800_000, 12), old.subarray(0, 50_000)]);
const info = infoOf(old, image);
let delta: Buffer;
beforeAll(async () => {
  delta = await deltaOf(old, image);
});

type Given = Parameters<World['announce']>[1];
const isDiff = { isDiff: true, sourceVersions: ['1.0.0'] };

async function announced(world: World, bytes: Uint8Array, given: Given = {}): Promise<Announced> {
  await writeFile(world.path('old'), old);
  const firmware = { ...isDiff, ...given.firmware };
  return world.announce(bytes, { ...given, firmware });
}

const fails = (code: string) => expect.objectContaining({ code });
/** No process has this number. */
const DEAD = 2 ** 31 - 1;
const few = { fetch: { maxRetries: 2, retry: { min: 1, max: 1 } } };

describe('a difference with its base', () => {
  test.each(['https', 'mqtt'] as const)('over %s into a file', async (protocol) => {
    await using world = await World.open();
    const { upgrade, upgradeId, device } = await announced(world, delta, {
      protocol,
      firmware: { extData: asExtData(info) },
    });
    expect(upgrade).toMatchObject({ isDiff: true, size: delta.length });
    await upgrade.download(world.path('new'), { base: world.path('old') });
    expect((await readFile(world.path('new'))).equals(image)).toBe(true);
    expect((await world.files()).sort()).toEqual(['new', 'old']);
    await world.report(device, '2.0.0');
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'succeeded' });
  });

  test('in place of the base, and to a writer', async () => {
    await using world = await World.open();
    const { upgrade } = await announced(world, delta);
    const parts: Buffer[] = [];
    let isClosed = false;
    const writer = {
      write: (chunk: Uint8Array, offset: number) => {
        expect(offset).toBe(parts.reduce((sum, { length }) => sum + length, 0));
        parts.push(Buffer.from(chunk));
      },
      close: () => {
        isClosed = true;
      },
    };
    await upgrade.download(writer, { base: world.path('old') });
    expect([isClosed, Buffer.concat(parts).equals(image)]).toEqual([true, true]);
    await upgrade.download(world.path('old'), { base: world.path('old') });
    expect((await readFile(world.path('old'))).equals(image)).toBe(true);
  });

  test.each([false, true])('in chunks, recycle: %s', async (recycle) => {
    await using world = await World.open();
    const { upgrade } = await announced(world, delta);
    const parts: Buffer[] = [];
    let said: unknown;
    const onBase = (it: unknown): void => {
      expect(parts).toEqual([]); // before the first byte
      said = it;
    };
    for await (const chunk of upgrade.chunks({ base: world.path('old'), recycle, onBase })) {
      parts.push(Buffer.from(chunk));
    }
    expect(said).toEqual(info);
    expect(Buffer.concat(parts).equals(image)).toBe(true);
    await upgrade.verify();
  });

  test('goes on where the connection was cut', async () => {
    const faults = [{ kind: 'http-drop', afterBytes: 300_000, times: 2 } as const];
    await using world = await World.open({ faults });
    const { upgrade } = await announced(world, delta, { connect: few });
    const retries: number[] = [];
    upgrade.on('state', (state) => {
      if (state.phase === 'retrying') retries.push(state.attempt);
    });
    const received: number[] = [];
    const onProgress = (progress: { readonly received: number }) =>
      void received.push(progress.received);
    await upgrade.download(world.path('new'), { base: world.path('old'), onProgress });
    expect((await readFile(world.path('new'))).equals(image)).toBe(true);
    expect(retries.length).toBeGreaterThan(0);
    expect(received).toEqual([...received].sort((a, b) => a - b));
  });

  test('without a base it is downloaded as it is; a full image has none', async () => {
    await using world = await World.open();
    const { upgrade } = await announced(world, delta);
    await upgrade.download(world.path('delta'));
    expect((await readFile(world.path('delta'))).equals(delta)).toBe(true);
    const other = await world.announce(image, { deviceName: 'full' });
    const onBase = (): never => {
      throw new Error('there is no base');
    };
    await other.upgrade.download(world.path('new'), { base: world.path('nowhere'), onBase });
    expect((await readFile(world.path('new'))).equals(image)).toBe(true);
  });
});

test('what a process that was killed has left goes with the next download of the full image', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const left = `${world.path('new')}.${DEAD}-00000000.delta.part`;
  const written = `${world.path('new')}.${process.ppid}.delta.part`;
  for (const name of [left, written]) await writeFile(name, 'half');
  await upgrade.download(world.path('new'));
  expect((await world.files()).sort()).toEqual(['new', path.basename(written)]);
});

test('a directory that cannot be synced after the rename is a warning', async () => {
  await using world = await World.open();
  const { upgrade } = await announced(world, delta);
  const ends: object[] = [];
  const onEnd = (end: unknown): void => void ends.push(end as object);
  diagnostics.subscribe('iotkit-ota:download:end', onEnd);
  const emitted = jest.spyOn(process, 'emitWarning').mockReturnValue();
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    if (given[0] === path.dirname(world.path('new')))
      file.sync = () => Promise.reject(new Error('EIO'));
    return file;
  });
  try {
    await upgrade.download(world.path('new'), { base: world.path('old') });
    expect((await readFile(world.path('new'))).equals(image)).toBe(true);
    const warning = expect.stringMatching(/^installed, not yet durable: .*EIO/);
    expect(ends).toEqual([expect.objectContaining({ error: undefined, warning })]);
    expect(emitted.mock.calls).toEqual([[warning, { code: 'IOTKIT_NOT_DURABLE' }]]);
  } finally {
    diagnostics.unsubscribe('iotkit-ota:download:end', onEnd);
    jest.restoreAllMocks();
  }
});

describe('nothing appears, and the platform knows why', () => {
  async function refused(
    world: World,
    { upgrade, upgradeId }: Announced,
    code: string,
    step: number,
  ): Promise<void> {
    await writeFile(world.path('new'), 'from before');
    const attempt = upgrade.download(world.path('new'), { base: world.path('old') });
    await expect(attempt).rejects.toEqual(fails(code));
    expect(await readFile(world.path('new'), 'utf8')).toBe('from before');
    expect((await world.files()).sort()).toEqual(['new', 'old']);
    const { state, history } = await world.outcome(upgradeId);
    expect({ state, last: JSON.stringify(history.at(-1)) }).toEqual({
      state: 'failed',
      last: expect.stringContaining(code),
    });
    expect(JSON.stringify(history)).toContain(String(step));
  }

  test('with another base; the full image is asked for, if the platform has it', async () => {
    await using world = await World.open();
    const all = await announced(world, delta);
    await writeFile(world.path('old'), imageOf(old.length, 99));
    await refused(world, all, 'ERR_DELTA_BASE', -1);
    // The operator starts the upgrade to the full image; the same call takes it.
    const full = await world.store(image, { version: '2.0.1' });
    const next = nextUpgrade(all.device);
    await world.platform.upgrades.start({ firmwareId: full.id, devices: ['lamp'] });
    const upgrade = await next;
    expect(upgrade.isDiff).toBe(false);
    await upgrade.download(world.path('new'), { base: world.path('old') });
    expect((await readFile(world.path('new'))).equals(image)).toBe(true);
  });

  test('with a difference that is damaged on the way', async () => {
    await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 400_000 }] });
    const all = await announced(world, delta, { connect: few });
    await writeFile(world.path('new'), 'from before');
    const attempt = all.upgrade.download(world.path('new'), { base: world.path('old') });
    const codes = /^ERR_(DIGEST_MISMATCH|DELTA_FORMAT|DELTA_RESULT)$/;
    await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(codes) });
    expect(await readFile(world.path('new'), 'utf8')).toBe('from before');
    expect((await world.files()).sort()).toEqual(['new', 'old']);
    expect(await world.outcome(all.upgradeId)).toMatchObject({ state: 'failed' });
  });

  test('with a difference that was published damaged, or is none', async () => {
    await using world = await World.open();
    await refused(world, await announced(world, imageOf(5000)), 'ERR_DELTA_FORMAT', -3);
    const cut = await announced(world, delta.subarray(0, -100), { deviceName: 'cut' });
    await refused(world, cut, 'ERR_DELTA_FORMAT', -3);
    const wrong = { ...info, result: { ...info.result, sha256: sha256(old) } };
    const lying = Buffer.concat([encodeHeader(wrong), delta.subarray(HEADER_SIZE)]);
    const all = await announced(world, lying, { deviceName: 'lying' });
    await refused(world, all, 'ERR_DELTA_RESULT', -3);
  });

  test('with another base than extData says: refused by its header', async () => {
    await using world = await World.open();
    const extData = asExtData({ ...info, base: info.result });
    const all = await announced(world, delta, { firmware: { extData } });
    await refused(world, all, 'ERR_DELTA_FORMAT', -3);
  });

  test('with a difference that makes more than maxSize: whatever the target', async () => {
    await using world = await World.open();
    const connect = { fetch: { maxSize: image.length - 1 } };
    expect(delta.length).toBeLessThan(image.length - 1);
    const all = await announced(world, delta, { connect });
    await refused(world, all, 'ERR_NO_SPACE', -4);
    const { upgrade } = all;
    const base = world.path('old');
    const written: number[] = [];
    const writer = { write: ({ length }: Uint8Array) => void written.push(length) };
    await expect(upgrade.download(writer, { base })).rejects.toEqual(fails('ERR_NO_SPACE'));
    await expect(upgrade.chunks({ base }).next()).rejects.toEqual(fails('ERR_NO_SPACE'));
    expect(written).toEqual([]);
  });

  test('with a difference that makes more than is free', async () => {
    await using world = await World.open();
    const all = await announced(world, delta);
    const { statfs } = fs;
    jest.spyOn(fs, 'statfs').mockImplementation(async (...given) => {
      const found = await statfs(...given);
      return Object.assign(found, { bavail: Math.ceil(image.length / Number(found.bsize)) });
    });
    try {
      await refused(world, all, 'ERR_NO_SPACE', -4);
    } finally {
      jest.restoreAllMocks();
    }
  });

  test('when it is cancelled in the middle', async () => {
    const faults = [{ kind: 'http-stall', afterBytes: 400_000, times: 1 } as const];
    await using world = await World.open({ faults });
    const { upgrade } = await announced(world, delta);
    const download = upgrade.download(world.path('new'), { base: world.path('old') });
    for await (const { received } of upgrade.progress()) if (received > 0) break;
    upgrade.abort();
    await expect(download).rejects.toEqual(fails('ERR_ABORTED'));
    expect(await world.files()).toEqual(['old']);
  });

  test('in chunks the iteration throws instead of ending', async () => {
    await using world = await World.open();
    const { upgrade, upgradeId } = await announced(world, delta.subarray(0, -100));
    const consume = async (): Promise<void> => {
      for await (const _ of upgrade.chunks({ base: world.path('old') }));
    };
    await expect(consume()).rejects.toEqual(fails('ERR_DELTA_FORMAT'));
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed' });
  });
});

test('several targets and devices are refused before anything is fetched', async () => {
  await using world = await World.open();
  const { upgrade } = await announced(world, delta);
  const base = world.path('old');
  for (const target of [[world.path('a'), world.path('b')], { device: base }]) {
    await expect(upgrade.download(target, { base })).rejects.toEqual(fails('ERR_UNSUPPORTED'));
  }
  await expect(upgrade.download(world.path('a'), { base: '' })).rejects.toThrow(/base must be/);
});
