import { readFile } from 'node:fs/promises';
import { type Device, setBandwidthLimit, type Upgrade } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { World } from '../support/world';

// At this rate the image would take more than a minute: what ends within the test was let go.
const RATE = 65_536;
const image = imageOf(5_000_011);
/** What one moment may take. */
const BURST = 16_384;

afterEach(() => setBandwidthLimit(undefined));

/**
 * Downloads, and calls `letGo` when some progress was made. Up to then no more may have come than
 * the rate allows for the time it took, however long that was.
 */
async function downloadLimited(upgrade: Upgrade, file: string, letGo: () => void): Promise<void> {
  const began = performance.now();
  let limited = true;
  const seen: number[] = [];
  await upgrade.download(file, {
    onProgress: ({ received }) => {
      if (!limited) return;
      seen.push(received);
      const seconds = (performance.now() - began) / 1000;
      expect(received).toBeLessThanOrEqual(BURST + RATE * seconds);
      if (seen.length < 4 || received === 0) return;
      limited = false;
      letGo();
    },
  });
  expect(limited).toBe(false);
  expect(seen.at(-1)).toBeLessThan(image.length / 2);
}

test('a device has a limit from the beginning, which may be lifted while it downloads', async () => {
  await using world = await World.open();
  const { device, upgrade } = await world.announce(image, {
    connect: { fetch: { bytesPerSecond: RATE } },
  });
  const file = world.path('a.bin');
  await downloadLimited(upgrade, file, () => device.ota.setBandwidthLimit(undefined));
  expect(image.equals(await readFile(file))).toBe(true);
});

test('the process has a limit, besides that of the device', async () => {
  await using world = await World.open({ firmwareScheme: 'http' });
  const { upgrade } = await world.announce(image, {
    connect: { fetch: { bytesPerSecond: 1_000_000_000 } },
  });
  setBandwidthLimit(RATE);
  const file = world.path('a.bin');
  await downloadLimited(upgrade, file, () => setBandwidthLimit(undefined));
  expect(image.equals(await readFile(file))).toBe(true);
});

test('two downloads share the limit of the process, in turn', async () => {
  await using world = await World.open({ firmwareScheme: 'http' });
  const both = await Promise.all(
    ['left', 'right'].map((deviceName, i) =>
      world.announce(image, { deviceName, firmware: { version: `2.0.${i}` } }),
    ),
  );
  setBandwidthLimit(RATE);
  const received = [0, 0];
  const began = performance.now();
  let limited = true;
  const downloads = both.map(({ upgrade }, i) =>
    upgrade.download(world.path(`${i}.bin`), {
      share: false,
      onProgress: (progress) => {
        if (!limited) return;
        received[i] = progress.received;
        const [left, right] = received as [number, number];
        const seconds = (performance.now() - began) / 1000;
        expect(left + right).toBeLessThanOrEqual(BURST + RATE * seconds);
        // Neither waits for the other to end.
        if (Math.min(left, right) < BURST) return;
        limited = false;
        setBandwidthLimit(undefined);
      },
    }),
  );
  await Promise.all(downloads);
  expect(limited).toBe(false);
  for (const i of both.keys()) {
    expect(image.equals(await readFile(world.path(`${i}.bin`)))).toBe(true);
  }
});

test('a limit may be set while a download runs, and does not touch other devices', async () => {
  await using world = await World.open();
  const [slow, free] = await Promise.all(
    ['slow', 'free'].map((deviceName, i) =>
      world.announce(image, { deviceName, firmware: { version: `2.0.${i}` } }),
    ),
  );
  if (slow === undefined || free === undefined) throw new Error('two devices');
  slow.device.ota.setBandwidthLimit(RATE);
  const file = world.path('slow.bin');
  const other = free.upgrade.download(world.path('free.bin'));
  const limited = downloadLimited(slow.upgrade, file, () => {
    void other.then(() => slow.device.ota.setBandwidthLimit(undefined));
  });
  await Promise.all([other, limited]);
  for (const name of ['slow.bin', 'free.bin']) {
    expect(image.equals(await readFile(world.path(name)))).toBe(true);
  }
});

test('refused limits', async () => {
  await using world = await World.open();
  const device: Device = await world.connect(await world.register());
  for (const limit of [0, 1023, 1.5, -1, Number.POSITIVE_INFINITY]) {
    expect(() => device.ota.setBandwidthLimit(limit)).toThrow(/bytesPerSecond must be a whole/);
    expect(() => setBandwidthLimit(limit)).toThrow(RangeError);
  }
  expect(() => setBandwidthLimit('1' as never)).toThrow(TypeError);
  device.ota.setBandwidthLimit(1024);
  await device.close();
  device.ota.setBandwidthLimit(undefined);
});
