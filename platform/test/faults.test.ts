import { type Fault, type Firmware, ManualClock, type Platform } from '../src/index';
import { PRODUCT, readyDevice, TestDevice } from './support/device';
import { bytes, type Download, download, md5 } from './support/download';
import { startPlatform } from './support/start';

const image = bytes(900_000);
let platform: Platform;
let lamp: TestDevice;
let firmware: Firmware;
let url: string;

beforeEach(async () => {
  platform = await startPlatform();
  lamp = await readyDevice(platform);
  firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
});

async function notice() {
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  return lamp.notice();
}

describe('of the firmware server', () => {
  beforeEach(async () => {
    ({ url } = (await notice()).data);
  });

  async function withFault(fault: Fault, headers: Record<string, string> = {}): Promise<Download> {
    platform.faults.clear();
    platform.faults.set(fault);
    return download(platform, url, { headers });
  }

  test('http-status, with Retry-After', async () => {
    for (const status of [404, 500, 503]) {
      const answer = await withFault({ kind: 'http-status', status, retryAfterSeconds: 7 });
      expect([answer.status, answer.headers['retry-after']]).toEqual([status, '7']);
      expect(answer.body.equals(image)).toBe(false);
    }
  });

  test('http-drop, a number of times', async () => {
    platform.faults.set({ kind: 'http-drop', afterBytes: 500_000, times: 2 });
    for (let i = 0; i < 2; i++) {
      const { error, body } = await download(platform, url);
      expect(error).toBeDefined();
      expect(body.equals(image.subarray(0, 500_000))).toBe(true);
    }
    expect((await download(platform, url)).body.equals(image)).toBe(true);
    expect(platform.faults.list()).toMatchObject([{ kind: 'http-drop', hits: 2, times: 2 }]);
  });

  test('http-drop before the first byte still sends the head', async () => {
    const { status, body, error } = await withFault({ kind: 'http-drop', afterBytes: 0 });
    expect([status, body.length]).toEqual([200, 0]);
    expect(error).toBeDefined();
  });

  test('http-stall', async () => {
    platform.faults.set({ kind: 'http-stall', afterBytes: 100_000 });
    const given = new AbortController();
    const event = platform.waitFor('download');
    const stalled = download(platform, url, {
      signal: given.signal,
      onData: (received) => received === 100_000 && given.abort(),
    });
    const { body, error } = await stalled;
    expect(body.length).toBe(100_000);
    expect(error?.message).toMatch(/aborted/);
    expect(await event).toMatchObject({ bytes: 100_000, complete: false });
  });

  test('http-no-answer', async () => {
    platform.faults.set({ kind: 'http-no-answer', times: 1 });
    const event = platform.waitFor('download');
    const given = new AbortController();
    // Whichever of them comes first waits, and the other is answered.
    const both = [1, 2].map(() => download(platform, url, { signal: given.signal }));
    const outcome = Promise.allSettled(both);
    expect((await Promise.race(both)).status).toBe(200);
    await event;
    given.abort();
    expect((await outcome).map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await outcome).toContainEqual({
      status: 'rejected',
      reason: expect.objectContaining({ message: 'aborted' }),
    });
  });

  test('http-corrupt', async () => {
    const { status, body } = await withFault({ kind: 'http-corrupt', offset: 700_001 });
    expect(status).toBe(200);
    const right = Buffer.from(image);
    right[700_001] = ~(right[700_001] as number) & 0xff;
    expect(body.equals(right)).toBe(true);
    const later = await download(platform, url, { headers: { range: 'bytes=700000-' } });
    expect(later.body.equals(right.subarray(700_000))).toBe(true);
  });

  test('http-short-body', async () => {
    const { headers, body, error } = await withFault({ kind: 'http-short-body', missingBytes: 10 });
    expect(headers['content-length']).toBe(String(image.length));
    expect(body.equals(image.subarray(0, -10))).toBe(true);
    expect(error).toBeDefined();
  });

  test('http-short-length', async () => {
    const answer = await withFault({ kind: 'http-short-length', missingBytes: 10 });
    expect(answer.headers['content-length']).toBe(String(image.length - 10));
    expect(answer.body.equals(image.subarray(0, -10))).toBe(true);
    expect(answer.error).toBeUndefined();
  });

  test('http-long-body', async () => {
    const { headers, body, error } = await withFault({ kind: 'http-long-body', extraBytes: 20 });
    expect(headers['content-length']).toBe(String(image.length + 20));
    expect(body.equals(Buffer.concat([image, Buffer.alloc(20)]))).toBe(true);
    expect(error).toBeUndefined();
  });

  test('http-redirect, a chain', async () => {
    platform.faults.set({ kind: 'http-redirect', hops: 3, status: 307 });
    let at = url;
    for (let hop = 0; hop < 3; hop++) {
      const { status, headers } = await download(platform, at);
      expect(status).toBe(307);
      at = String(headers.location);
      expect(at).toMatch(/^https:/);
    }
    expect((await download(platform, at)).body.equals(image)).toBe(true);
  });

  test('http-redirect, to somewhere else or to plain HTTP', async () => {
    const location = 'https://example.invalid/x';
    const away = await withFault({ kind: 'http-redirect', location });
    expect([away.status, away.headers.location]).toEqual([302, location]);
    const down = await withFault({ kind: 'http-redirect', downgrade: true });
    expect(down.headers.location).toMatch(/^http:/);
    const plain = await download(platform, String(down.headers.location));
    expect(plain.body.equals(image)).toBe(true);
  });

  test('http-expired', async () => {
    const { status, body } = await withFault({ kind: 'http-expired' });
    expect([status, body.toString()]).toEqual([403, expect.stringContaining('AccessDenied')]);
  });

  test('http-ignore-range', async () => {
    const answer = await withFault({ kind: 'http-ignore-range' }, { range: 'bytes=5-' });
    expect([answer.status, answer.headers['content-range']]).toEqual([200, undefined]);
    expect(answer.body.equals(image)).toBe(true);
  });

  test('http-wrong-content-range', async () => {
    const fault = { kind: 'http-wrong-content-range', shift: 1 } as const;
    const { status, headers } = await withFault(fault, { range: 'bytes=5-' });
    expect([status, headers['content-range']]).toEqual([206, 'bytes 6-899999/900000']);
  });

  test('http-chunked', async () => {
    const answer = await withFault({ kind: 'http-chunked', chunkBytes: 7777 });
    expect(answer.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
    expect(answer.headers['content-length']).toBeUndefined();
    expect(answer.body.equals(image)).toBe(true);
  });

  test('http-slow', async () => {
    let pieces = 0;
    platform.faults.set({ kind: 'http-slow', bytesPerSecond: 9_000_000 });
    const { body } = await download(platform, url, { onData: () => pieces++ });
    expect(body.equals(image)).toBe(true);
    // A twentieth of a second each: no more than 450,000 bytes at once.
    expect(pieces).toBeGreaterThan(1);
  });

  test('http-no-etag, http-etag and http-headers', async () => {
    const bare = await withFault({ kind: 'http-no-etag' });
    expect([bare.headers.etag, bare.headers['last-modified']]).toEqual([undefined, undefined]);
    const other = await withFault({ kind: 'http-etag', etag: '"x"' });
    expect(other.headers.etag).toBe('"x"');
    const many = await withFault({ kind: 'http-headers', count: 3, bytes: 100 });
    expect(many.headers['x-padding-2']).toBe('x'.repeat(100));
  });

  test('strike only where they are set, after what they skip', async () => {
    platform.faults.set({ kind: 'http-status', status: 500, firmwareId: 'another' });
    platform.faults.set({ kind: 'http-status', status: 503, skip: 1, times: 1 });
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await download(platform, url)).status);
    expect(statuses).toEqual([200, 503, 200]);
  });
});

describe('of the notice', () => {
  test('notice-digest and notice-size', async () => {
    platform.faults.set({ kind: 'notice-digest' });
    platform.faults.set({ kind: 'notice-size', delta: -1 });
    const { data } = await notice();
    expect(data.size).toBe(image.length - 1);
    expect(data.sign).toMatch(/^[0-9a-f]{32}$/);
    expect(data.sign).not.toBe(md5(image));
  });

  test('notice-malformed', async () => {
    platform.faults.set({ kind: 'notice-malformed', times: 1 });
    await expect(notice()).rejects.toThrow(SyntaxError);
  });

  test('notice-patch replaces and takes away', async () => {
    const data = { signMethod: 'Sha256', url: null, files: [] };
    platform.faults.set({ kind: 'notice-patch', data });
    const { data: got } = await notice();
    expect(got).toMatchObject({ signMethod: 'Sha256', files: [], sign: md5(image) });
    expect(got).not.toHaveProperty('url');
  });

  test('notice-lost', async () => {
    platform.faults.set({ kind: 'notice-lost', times: 1 });
    const upgrade = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    expect(upgrade.tasks[0]?.state).toBe('pushed');
    await lamp.settle();
    expect(lamp.unread).toBe(0);
    await lamp.inform('1.0.0');
    await lamp.notice();
  });
});

describe('of the broker', () => {
  function closed(device: TestDevice): Promise<void> {
    return new Promise((resolve) => device.client.once('close', resolve));
  }

  test('mqtt-drop when a device publishes', async () => {
    platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1, deviceName: 'lamp' });
    const gone = closed(lamp);
    lamp.client.publish(`/ota/device/inform/${lamp.names}`, '{"id":"1","params":{"version":"9"}}');
    await gone;
    expect(platform.devices.get(lamp.device)?.versions).toEqual({ default: '1.0.0' });
  });

  test('mqtt-drop when a notice is sent: it is sent again', async () => {
    platform.faults.set({ kind: 'mqtt-drop', on: 'notice', times: 1 });
    const gone = closed(lamp);
    await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    await gone;
    const again = await TestDevice.connect(platform, lamp.device);
    await again.subscribe();
    await again.notice();
  });

  test('mqtt-drop on connect, mqtt-refuse', async () => {
    platform.faults.set({ kind: 'mqtt-drop', on: 'connect', times: 1 });
    const dropped = platform.waitFor('device-disconnected', undefined, {});
    await TestDevice.connect(platform, lamp.device).catch(() => undefined);
    await dropped;
    platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3, times: 1 });
    await expect(TestDevice.connect(platform, lamp.device)).rejects.toMatchObject({ code: 3 });
    await TestDevice.connect(platform, lamp.device);
  });

  test('mqtt-rate-limit: what is over the rate vanishes, until the second is over', async () => {
    const clock = new ManualClock();
    const own = await startPlatform({ clock });
    const fan = await readyDevice(own, 'fan');
    clock.advance(1000);
    own.faults.set({ kind: 'mqtt-rate-limit', deviceName: 'fan' });
    const heard = [0, 0];
    let acknowledged = 0;
    own.on('message', ({ payload }) => {
      const qos = Number(payload);
      heard[qos] = (heard[qos] ?? 0) + 1;
    });
    const say = (qos: 0 | 1): Promise<unknown> =>
      fan.client.publishAsync(`/${fan.names}/user/x`, String(qos), { qos });
    for (let i = 0; i < 31; i++) await say(0);
    for (let i = 0; i < 12; i++)
      void say(1).then(
        () => acknowledged++,
        () => undefined,
      );
    // Answered after all of that.
    await fan.client.subscribeAsync(`/${fan.names}/user/y`);
    clock.advance(1000);
    await say(1);
    expect([...heard, acknowledged]).toEqual([30, 11, 10]);
    expect(own.faults.list()).toMatchObject([{ kind: 'mqtt-rate-limit', hits: 3 }]);
  });

  test('mqtt-no-puback: the message counts, the acknowledgement is missing', async () => {
    platform.faults.set({ kind: 'mqtt-no-puback', times: 1 });
    const reported = platform.waitFor('version-reported');
    let acknowledged = false;
    lamp.client.publish(
      `/ota/device/inform/${lamp.names}`,
      '{"id":"1","params":{"version":"1.5"}}',
      { qos: 1 },
      (error) => {
        acknowledged = !error;
      },
    );
    expect(await reported).toMatchObject({ version: '1.5' });
    await lamp.settle();
    expect(acknowledged).toBe(false);
  });
});
