import diagnostics from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { channelNames, type DownloadRetryEvent, type Progress } from 'iotkit-ota';
import { serve, status } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
import { World } from '../support/world';

// A program is told that a download is retrying; the platform only when it has given up.

const image = imageOf(600_011);
const busy = status('503 Service Unavailable', { fields: { 'Content-Length': 0 } });
const retry = { min: 1, max: 1 };

test.each(['download', 'chunks'] as const)('%s tells each failed try', async (how) => {
  await using world = await World.open();
  const schedule = [...Array.from({ length: 8 }, () => busy), serve()];
  await using server = await FaultServer.start({ image, schedule });
  const { upgrade } = await announceServed(world, server, image, { fetch: { retry } });
  const heard: DownloadRetryEvent[] = [];
  const listener = (event: unknown): void => void heard.push(event as DownloadRetryEvent);
  diagnostics.subscribe(channelNames.downloadRetry, listener);
  const seen: Progress[] = [];
  const onProgress = (progress: Progress): void => {
    seen.push(progress);
    expect(upgrade.retrying).toBe(progress.retrying);
  };
  try {
    if (how === 'download') {
      const target = world.path('firmware.bin');
      await upgrade.download(target, { onProgress });
      expect(image.equals(await readFile(target))).toBe(true);
    } else {
      const parts: Uint8Array[] = [];
      for await (const chunk of upgrade.chunks({ onProgress })) parts.push(chunk);
      expect(image.equals(Buffer.concat(parts))).toBe(true);
    }
  } finally {
    diagnostics.unsubscribe(channelNames.downloadRetry, listener);
  }
  expect(server.requests).toHaveLength(9);
  // The latest counts: a busy program may miss some of them.
  expect(heard.length).toBeGreaterThan(0);
  expect(heard.at(-1)).toMatchObject({ upgrade, error: { code: 'ERR_HTTP_UNAVAILABLE' } });
  expect(heard.at(-1)?.attempt).toBeLessThanOrEqual(8);
  expect(seen.some(({ retrying }) => retrying?.error.code === 'ERR_HTTP_UNAVAILABLE')).toBe(true);
  expect([seen.at(-1)?.retrying, upgrade.retrying]).toEqual([undefined, undefined]);
});

test('when the patience is over the download fails with the error of the last try', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [busy] });
  const { upgrade } = await announceServed(world, server, image, {
    fetch: { retry, patience: 1 },
  });
  await expect(upgrade.download(world.path('firmware.bin'))).rejects.toMatchObject({
    code: 'ERR_HTTP_UNAVAILABLE',
  });
  expect(upgrade.retrying).toBeUndefined();
});
