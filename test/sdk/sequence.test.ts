import {
  IOT_Ioctl,
  IOT_MQTT_Yield,
  IOT_OTA_Deinit,
  IOT_OTA_FetchYield,
  IOT_OTA_GetLastError,
  IOT_OTA_Init,
  IOT_OTA_Ioctl,
  IOT_OTA_IsFetchFinish,
  IOT_OTA_IsFetching,
  IOT_OTA_ReportProgress,
  IOT_OTA_ReportVersion,
  IOT_OTA_SetOnPushedCallback,
  IOT_OTAE_FETCH_FAILED,
  IOT_OTAE_INVALID_STATE,
  IOT_OTAG_CHECK_FIRMWARE,
  IOT_OTAG_FETCHED_SIZE,
  IOT_OTAG_FILE_SIZE,
  IOT_OTAG_MD5SUM,
  IOT_OTAG_MODULE,
  IOT_OTAG_OTA_TYPE,
  IOT_OTAG_RESET_STATE,
  IOT_OTAG_VERSION,
  IOT_OTAT_FOTA,
  IOTX_IOCTL_SET_FETCH_PATIENCE,
  type OtaHandle,
} from 'iotkit-ota/sdk';
import { imageOf, md5 } from '../support/image';
import { PRODUCT_KEY, SdkWorld, yieldUntil } from './support';

const image = imageOf(300_007);

/** The bytes of a fetch to its end, `length` at most at a time. */
async function fetchAll(ota: OtaHandle, length: number): Promise<Buffer> {
  const buffer = new Uint8Array(length);
  const parts: Buffer[] = [];
  while (IOT_OTA_IsFetchFinish(ota) === 0) {
    const got = await IOT_OTA_FetchYield(ota, buffer, 5);
    expect(got).toBeGreaterThanOrEqual(0);
    parts.push(Buffer.from(buffer.subarray(0, got)));
  }
  return Buffer.concat(parts);
}

function number(ota: OtaHandle, type: 1 | 6 | 7 | 8 | 11 | 12): number {
  const cell = new Uint32Array(1);
  expect(IOT_OTA_Ioctl(ota, type, cell)).toBe(0);
  return cell[0] as number;
}

function text(ota: OtaHandle, type: 9 | 10 | 14, length = 65): string {
  const buffer = Buffer.alloc(length, 'x');
  expect(IOT_OTA_Ioctl(ota, type, buffer)).toBe(0);
  return buffer.toString('utf8', 0, buffer.indexOf(0));
}

describe.each([
  { tls: true, signMethod: 'MD5' },
  { tls: false, signMethod: 'SHA256' },
] as const)('the documented sequence, $signMethod, TLS: $tls', (options) => {
  test('updates a device', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, ota, upgradeId } = await world.announce(image, options);
    const good = new Uint8Array(4);
    expect(IOT_OTA_Ioctl(ota, IOT_OTAG_CHECK_FIRMWARE, good)).toBe(-1);
    expect(IOT_OTA_GetLastError(ota)).toBe(IOT_OTAE_INVALID_STATE);
    expect(number(ota, IOT_OTAG_OTA_TYPE)).toBe(IOT_OTAT_FOTA);

    const buffer = new Uint8Array(5000);
    const parts: Buffer[] = [];
    let told = -1;
    do {
      const got = await IOT_OTA_FetchYield(ota, buffer, 1);
      parts.push(Buffer.from(buffer.subarray(0, got)));
      const percent = Math.trunc(
        (number(ota, IOT_OTAG_FETCHED_SIZE) * 100) / number(ota, IOT_OTAG_FILE_SIZE),
      );
      if (percent > told) expect(IOT_OTA_ReportProgress(ota, percent, 'fetching')).toBe(0);
      told = percent;
      expect(await IOT_MQTT_Yield(mqtt, 100)).toBe(0);
    } while (!IOT_OTA_IsFetchFinish(ota));

    expect(Buffer.concat(parts).equals(image)).toBe(true);
    expect(text(ota, IOT_OTAG_VERSION)).toBe('2.0.0');
    expect(text(ota, IOT_OTAG_VERSION, 4)).toBe('2.0');
    expect(text(ota, IOT_OTAG_MODULE)).toBe('');
    if (options.signMethod === 'MD5') expect(text(ota, IOT_OTAG_MD5SUM)).toBe(md5(image));
    else expect(IOT_OTA_Ioctl(ota, IOT_OTAG_MD5SUM, Buffer.alloc(33))).toBe(-1);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(1);
    expect(await IOT_OTA_Deinit(ota)).toBe(0);

    // The restart.
    const again = IOT_OTA_Init(PRODUCT_KEY, 'lamp', mqtt);
    expect(IOT_OTA_ReportVersion(again, '2.0.0')).toBe(0);
    let isSettled = false;
    const settled = world.platform.upgrades.settled(upgradeId).finally(() => {
      isSettled = true;
    });
    await yieldUntil(mqtt, () => isSettled);
    const { tasks } = await settled;
    expect(tasks[0]).toMatchObject({ state: 'succeeded', step: 100 });
  });
});

/** Memory that can change its size, which the types of Node.js 20 do not know. */
function resizable(bytes: number): ArrayBuffer & { resize(bytes: number): void } {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: 2 * bytes }]);
}

describe('the buffer of a fetch, while the fetch runs', () => {
  test.each<[string, () => [Uint8Array, () => void], boolean]>([
    [
      'is detached',
      () => {
        const buffer = new Uint8Array(65_536);
        return [buffer, () => structuredClone(buffer, { transfer: [buffer.buffer] })];
      },
      false,
    ],
    [
      'shrinks to nothing',
      () => {
        const memory = resizable(65_536);
        return [new Uint8Array(memory), () => memory.resize(0)];
      },
      false,
    ],
    [
      'shrinks below what it looks at',
      () => {
        const memory = resizable(65_536);
        return [new Uint8Array(memory, 1024, 32_768), () => memory.resize(16_384)];
      },
      false,
    ],
    [
      'grows',
      () => {
        const memory = resizable(65_536);
        return [new Uint8Array(memory), () => memory.resize(131_072)];
      },
      true,
    ],
    [
      'is shared, and changed by others',
      () => {
        const buffer = new Uint8Array(new SharedArrayBuffer(65_536));
        return [buffer, () => buffer.fill(1)];
      },
      true,
    ],
    [
      'is a part of a larger one',
      () => [Buffer.alloc(200_000).subarray(70_000, 135_536), () => {}],
      true,
    ],
  ])('%s', async (_, make, holds) => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image);
    const [buffer, change] = make();
    const fetching = IOT_OTA_FetchYield(ota, buffer, 5);
    change();
    if (!holds) {
      await expect(fetching).rejects.toThrow('buf must be left alone until the fetch has ended');
      return;
    }
    const got = await fetching;
    expect(got).toBeGreaterThan(0);
    expect(Buffer.from(buffer.slice(0, got)).equals(image.subarray(0, got))).toBe(true);
  });
});

describe('IOT_OTA_FetchYield', () => {
  test.each([1, 3, 65_536, 1_048_576])('hands out the image through %i bytes', async (length) => {
    await using world = await SdkWorld.open();
    const data = length < 4 ? image.subarray(0, 64) : image;
    const { ota } = await world.announce(data);
    expect((await fetchAll(ota, length)).equals(data)).toBe(true);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(1);
  });

  test('writes nothing beyond what it returns, also into a part of a buffer', async () => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image.subarray(0, 10));
    const memory = Buffer.alloc(32, 0xee);
    expect(await IOT_OTA_FetchYield(ota, memory.subarray(7, 27), 5)).toBe(10);
    const expected = Buffer.alloc(32, 0xee);
    image.copy(expected, 7, 0, 10);
    expect(memory.equals(expected)).toBe(true);
  });

  test('calls at the same time are answered one after the other, in order', async () => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image);
    const buffers = Array.from({ length: 5 }, () => new Uint8Array(1000));
    const got = await Promise.all(buffers.map((buffer) => IOT_OTA_FetchYield(ota, buffer, 5)));
    expect(got).toEqual([1000, 1000, 1000, 1000, 1000]);
    expect(Buffer.concat(buffers).equals(image.subarray(0, 5000))).toBe(true);
  });

  test('and IOT_MQTT_Yield run at the same time', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, ota } = await world.announce(image);
    let over = false;
    const yields = (async () => {
      while (!over) expect(await IOT_MQTT_Yield(mqtt, 1000)).toBe(0);
    })();
    expect((await fetchAll(ota, 5000)).equals(image)).toBe(true);
    over = true;
    await yields;
  });

  test('of two handles of one client run at the same time', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, ota, firmwareId } = await world.announce(image);
    world.platform.faults.set({ kind: 'http-stall', afterBytes: 1000, firmwareId, times: 1 });
    const stalled = IOT_OTA_FetchYield(ota, new Uint8Array(5000), 60);
    const second = IOT_OTA_Init(PRODUCT_KEY, 'lamp', mqtt) as OtaHandle;
    expect(await IOT_OTA_FetchYield(second, new Uint8Array(5000), 60)).toBe(-3);
    expect(await IOT_OTA_Deinit(second)).toBe(0);
    expect(await IOT_OTA_Deinit(ota)).toBe(0);
    expect(await stalled).toBe(0);
  });

  test('is patient when told so: no 0 while bytes are still to come', async () => {
    await using world = await SdkWorld.open();
    const { ota, firmwareId } = await world.announce(image);
    world.platform.faults.set({ kind: 'http-drop', afterBytes: 1000, firmwareId, times: 1 });
    expect(IOT_Ioctl(IOTX_IOCTL_SET_FETCH_PATIENCE, -1)).toBe(-1);
    expect(IOT_Ioctl(IOTX_IOCTL_SET_FETCH_PATIENCE, 60)).toBe(0);
    try {
      const buffer = new Uint8Array(5000);
      const parts: Buffer[] = [];
      while (!IOT_OTA_IsFetchFinish(ota)) {
        const got = await IOT_OTA_FetchYield(ota, buffer, 0);
        expect(got).toBeGreaterThan(0);
        parts.push(Buffer.from(buffer.subarray(0, got)));
      }
      expect(Buffer.concat(parts).equals(image)).toBe(true);
    } finally {
      expect(IOT_Ioctl(IOTX_IOCTL_SET_FETCH_PATIENCE, new Int32Array([0]))).toBe(0);
    }
  });

  test('ends with 0 when the handle is closed, begun or waiting', async () => {
    await using world = await SdkWorld.open();
    const { ota, firmwareId } = await world.announce(image);
    world.platform.faults.set({ kind: 'http-stall', afterBytes: 1000, firmwareId });
    expect(await IOT_OTA_FetchYield(ota, new Uint8Array(1000), 10)).toBe(1000);
    const fetches = [1, 2, 3].map(() => IOT_OTA_FetchYield(ota, new Uint8Array(5000), 3600));
    expect(await IOT_OTA_Deinit(ota)).toBe(0);
    expect(await Promise.all(fetches)).toEqual([0, 0, 0]);
  });

  test('rejects when the buffer was taken away', async () => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image);
    const buffer = new Uint8Array(5000);
    const fetch = IOT_OTA_FetchYield(ota, buffer, 5);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    await expect(fetch).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_INVALID_ARGUMENT' });
    // Nothing else is affected.
    expect(await IOT_OTA_FetchYield(ota, new Uint8Array(10), 5)).toBe(10);
  });

  test('fails for good with -1, and says so', async () => {
    await using world = await SdkWorld.open();
    const { ota, firmwareId } = await world.announce(image);
    world.platform.faults.set({ kind: 'http-status', status: 404, firmwareId });
    expect(await IOT_OTA_FetchYield(ota, new Uint8Array(5000), 5)).toBe(-1);
    expect(IOT_OTA_GetLastError(ota)).toBe(IOT_OTAE_FETCH_FAILED);
    expect([IOT_OTA_IsFetching(ota), IOT_OTA_IsFetchFinish(ota)]).toEqual([0, 1]);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(0);
  });

  test('hands out a corrupt image that is not called good', async () => {
    await using world = await SdkWorld.open();
    const { ota, firmwareId } = await world.announce(image);
    world.platform.faults.set({ kind: 'http-corrupt', offset: 1234, firmwareId });
    expect((await fetchAll(ota, 5000)).length).toBe(image.length);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(0);
  });
});

describe('IOT_OTA_Ioctl', () => {
  test('takes sizes of 4 and 8 bytes, at addresses that are multiples of 4', async () => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image);
    const long = new BigUint64Array(1);
    expect(IOT_OTA_Ioctl(ota, IOT_OTAG_FILE_SIZE, long)).toBe(0);
    expect(long[0]).toBe(BigInt(image.length));
    expect(number(ota, IOT_OTAG_FILE_SIZE)).toBe(image.length);
    expect(number(ota, IOT_OTAG_FETCHED_SIZE)).toBe(0);
    for (const length of [1, 2, 3, 5, 7, 9]) {
      expect(IOT_OTA_Ioctl(ota, IOT_OTAG_FILE_SIZE, new Uint8Array(length))).toBe(-1);
    }
    const memory = new Uint8Array(16);
    expect(IOT_OTA_Ioctl(ota, IOT_OTAG_FILE_SIZE, memory.subarray(4, 8))).toBe(0);
    expect(IOT_OTA_Ioctl(ota, IOT_OTAG_FILE_SIZE, memory.subarray(5, 9))).toBe(-1);
  });

  test('forgets an upgrade', async () => {
    await using world = await SdkWorld.open();
    const { ota } = await world.announce(image);
    expect(IOT_OTA_Ioctl(ota, IOT_OTAG_RESET_STATE, new Uint8Array(1))).toBe(0);
    expect(IOT_OTA_IsFetching(ota)).toBe(0);
    expect(await IOT_OTA_FetchYield(ota, new Uint8Array(10), 5)).toBe(-3);
  });
});

describe('IOT_OTA_SetOnPushedCallback', () => {
  test('calls with the handle, before the yield in which the notice came resolves', async () => {
    await using world = await SdkWorld.open();
    const mqtt = await world.connect(await world.register());
    const ota = IOT_OTA_Init(PRODUCT_KEY, 'lamp', mqtt) as OtaHandle;
    const log: unknown[] = [];
    const first = jest.fn();
    expect(IOT_OTA_SetOnPushedCallback(ota, first)).toBe(0);
    expect(
      IOT_OTA_SetOnPushedCallback(ota, (handle) => log.push(handle, IOT_OTA_IsFetching(handle))),
    ).toBe(0);
    IOT_OTA_ReportVersion(ota, '1.0.0');
    await world.upgrade(image);
    await yieldUntil(mqtt, () => IOT_OTA_IsFetching(ota) === 1);
    await IOT_MQTT_Yield(mqtt, 0);
    expect(log).toEqual([ota, 1]);
    expect(first).not.toHaveBeenCalled();
  });

  test('a second upgrade on the same handle begins when the first has ended', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, ota, upgradeId } = await world.announce(image);
    let pushed = 0;
    IOT_OTA_SetOnPushedCallback(ota, () => (pushed += 1));
    expect((await fetchAll(ota, 65_536)).equals(image)).toBe(true);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(1);
    let settled = false;
    world.platform.upgrades.settled(upgradeId).then(() => (settled = true));
    IOT_OTA_ReportVersion(ota, '2.0.0');
    while (!settled) await IOT_MQTT_Yield(mqtt, 100);
    const next = imageOf(100_003, 2);
    await world.upgrade(next, { version: '3.0.0', signMethod: 'SHA256' });
    await yieldUntil(mqtt, () => pushed === 1);
    expect(IOT_OTA_IsFetching(ota)).toBe(1);
    expect(text(ota, IOT_OTAG_VERSION)).toBe('3.0.0');
    expect((await fetchAll(ota, 65_536)).equals(next)).toBe(true);
    expect(number(ota, IOT_OTAG_CHECK_FIRMWARE)).toBe(1);
  });
});
