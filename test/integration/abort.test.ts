import { FirmwareRequests } from '../support/firmware-requests';
import { imageOf } from '../support/image';
import { addonThreads, downloadThreads } from '../support/threads';
import { World } from '../support/world';

const image = imageOf(4_000_037);
/** What is left of a download that may go on another time. */
const part = ['firmware.bin.part', 'firmware.bin.part.journal'];
/** However slow this process is, it is told of a download that is in the middle. */
const stall = { kind: 'http-stall', afterBytes: 2_000_000 } as const;

test('a download aborted half way leaves no file but its part, and no thread', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const abort = new AbortController();
  const reason = new Error('the user has changed their mind');
  const ended = world.platform.waitFor('download');
  let running: string[] = [];
  const download = upgrade.download(world.path('firmware.bin'), {
    signal: abort.signal,
    onProgress: ({ received }) => {
      // What had come by the abort is told as well, when the threads are gone.
      if (received === 0 || abort.signal.aborted) return;
      running = downloadThreads();
      abort.abort(reason);
    },
  });
  await expect(download).rejects.toBe(reason);
  expect(running).toContain('iotkit-recv');
  expect(downloadThreads()).toEqual([]);
  expect((await world.files()).sort()).toEqual(part);
  expect((await ended).complete).toBe(false);
});

test('a download whose server falls silent tells how far it has come, and can be aborted', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const reason = new Error('it takes too long');
  const download = upgrade.download(world.path('firmware.bin'), {
    onProgress: ({ received }) => {
      if (received === 2_000_000) upgrade.abort(reason);
    },
  });
  await expect(download).rejects.toBe(reason);
  expect((await world.files()).sort()).toEqual(part);
});

test('a signal that is aborted already keeps a download from starting', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const requests = new FirmwareRequests(world);
  const reason = new Error('too late');
  const signal = AbortSignal.abort(reason);
  await expect(upgrade.download(world.path('firmware.bin'), { signal })).rejects.toBe(reason);
  expect(await world.files()).toEqual([]);
  // The server still answers, and this was its first request.
  await upgrade.download(world.path('firmware.bin'));
  expect(await requests.told(1)).toHaveLength(1);
});

test('leaving a loop over chunks ends the download', async () => {
  await using world = await World.open({ faults: [stall] });
  const { upgrade } = await world.announce(image);
  const ended = world.platform.waitFor('download');
  for await (const chunk of upgrade) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect((await ended).complete).toBe(false);
  expect(downloadThreads()).toEqual([]);
});

test('closing the device ends its download and every thread', async () => {
  await using world = await World.open({ faults: [stall] });
  const { device, upgrade } = await world.announce(image);
  expect(addonThreads()).toEqual(['iotkit-io']);
  const download = upgrade.download(world.path('firmware.bin'), {
    onProgress: ({ received }) => {
      if (received > 0) void device.close();
    },
  });
  await expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await device.close();
  expect(addonThreads()).toEqual([]);
  expect((await world.files()).sort()).toEqual(part);
});
