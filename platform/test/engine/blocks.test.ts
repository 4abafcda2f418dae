import type { Fault, Firmware, Platform, Upgrade } from '../../src/index';
import { crc16 } from '../../src/protocol/crc';
import { PRODUCT, readyDevice, type TestDevice } from '../support/device';
import { bytes, md5 } from '../support/download';
import { startPlatform } from '../support/start';

const image = bytes(300_123);
const BLOCK = 64 * 1024;
let platform: Platform;
let lamp: TestDevice;
let firmware: Firmware;
let upgrade: Upgrade;
let streamId: number;

beforeEach(async () => {
  platform = await startPlatform();
  lamp = await readyDevice(platform);
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/thing/file/download_reply`);
  firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2',
    data: image,
    signMethod: 'MD5',
  });
  upgrade = await platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    protocol: 'mqtt',
  });
});

/** Receives the notice. */
async function announced(): Promise<void> {
  const { data } = await lamp.notice();
  expect(data).toEqual({
    version: '2',
    size: image.length,
    sign: md5(image),
    md5: md5(image),
    signMethod: 'Md5',
    dProtocol: 'mqtt',
    streamId: upgrade.streamId,
    streamFileId: 1,
  });
  streamId = Number(data.streamId);
}

interface Reply {
  readonly json: {
    readonly id: string;
    readonly code: number;
    readonly data: Record<string, unknown>;
  };
  readonly block: Buffer;
  readonly crc: number;
}

async function ask(offset: number, size: number, stream = streamId, fileId = 1): Promise<void> {
  const params = { fileInfo: { streamId: stream, fileId }, fileBlock: { offset, size } };
  await lamp.send(`/sys/${lamp.names}/thing/file/download`, params);
}

async function reply(): Promise<Reply> {
  const { topic, payload } = await lamp.next();
  expect(topic).toBe(`/sys/${lamp.names}/thing/file/download_reply`);
  const length = payload.readUInt16BE(0);
  const json: Reply['json'] = JSON.parse(payload.subarray(2, 2 + length).toString());
  const rest = payload.subarray(2 + length);
  if (rest.length === 0) return { json, block: rest, crc: -1 };
  return { json, block: rest.subarray(0, -2), crc: rest.readUInt16LE(rest.length - 2) };
}

test('CRC-16/ARC', () => {
  expect(crc16(Buffer.from('123456789'))).toBe(0xbb3d);
  expect(crc16(Buffer.alloc(0))).toBe(0);
});

test('an image is announced with a stream and asked for in blocks', async () => {
  await announced();
  await lamp.progress(1);
  const parts: Buffer[] = [];
  for (let offset = 0; offset < image.length; offset += BLOCK) {
    const size = Math.min(BLOCK, image.length - offset);
    await ask(offset, size);
    const { json, block, crc } = await reply();
    expect(json).toMatchObject({
      id: expect.stringMatching(/^[0-9]+$/),
      code: 200,
      data: { bSize: size, bOffset: offset, fileLength: image.length, fileToken: '' },
    });
    expect(crc).toBe(crc16(block));
    parts.push(block);
  }
  expect(Buffer.concat(parts).equals(image)).toBe(true);
  expect(platform.firmware.traffic(firmware.id)).toEqual({ requests: 5, bytes: image.length });
  await lamp.inform('2');
  const { tasks } = await platform.upgrades.settled(upgrade.id);
  expect(tasks[0]?.state).toBe('succeeded');
  await ask(0, 256);
  expect((await reply()).json.code).toBe(404);
});

test('a device that pulls gets the stream as well', async () => {
  await announced();
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/thing/ota/firmware/get_reply`);
  await lamp.send(`/sys/${lamp.names}/thing/ota/firmware/get`, {});
  expect((await lamp.notice()).data).toMatchObject({ dProtocol: 'mqtt', streamId });
});

test('requests are answered with a code that says what is wrong', async () => {
  await announced();
  for (const [offset, size, code] of [
    [0, 255, 400],
    [0, 131_073, 400],
    [image.length - 100, 101, 400],
    [image.length, 0, 400],
    [0, 131_072, 200],
    [image.length - 1, 1, 200],
  ] as const) {
    await ask(offset, size);
    expect([offset, size, (await reply()).json.code]).toEqual([offset, size, code]);
  }
  await ask(0, 256, streamId + 1);
  expect((await reply()).json).toMatchObject({ code: 404, data: {} });
  await ask(0, 256, streamId, 2);
  expect((await reply()).json.code).toBe(404);
});

test('a request that cannot be read is reported and not answered', async () => {
  await announced();
  const event = platform.waitFor('bad-message');
  await lamp.send(`/sys/${lamp.names}/thing/file/download`, { fileInfo: {} });
  expect((await event).reason).toContain('fileBlock');
  const next = platform.waitFor('bad-message');
  await ask(-1, 256);
  expect((await next).reason).toContain('fileBlock.offset');
  await lamp.settle();
  expect(lamp.unread).toBe(0);
});

test('no other device gets at the image', async () => {
  await announced();
  const fan = await readyDevice(platform, 'fan');
  await fan.client.subscribeAsync(`/sys/${fan.names}/thing/file/download_reply`);
  const params = { fileInfo: { streamId, fileId: 1 }, fileBlock: { offset: 0, size: 256 } };
  await fan.send(`/sys/${fan.names}/thing/file/download`, params);
  const { payload } = await fan.next();
  expect(JSON.parse(payload.subarray(2).toString())).toMatchObject({ code: 404 });
});

describe('faults:', () => {
  beforeEach(announced);

  function set(fault: Fault): void {
    platform.faults.set(fault);
  }

  test('an answer is lost', async () => {
    set({ kind: 'mqtt-block-lost', times: 1 });
    const event = platform.waitFor('block-requested');
    await ask(0, 256);
    expect(await event).toMatchObject({ deviceName: 'lamp', firmwareId: firmware.id, offset: 0 });
    await ask(256, 256);
    expect((await reply()).json.data).toMatchObject({ bOffset: 256 });
  });

  test('an answer comes twice', async () => {
    set({ kind: 'mqtt-block-duplicate', times: 1 });
    await ask(0, 256);
    expect(await reply()).toEqual(await reply());
  });

  test('a block is damaged', async () => {
    set({ kind: 'mqtt-block-corrupt', times: 1 });
    await ask(0, 256);
    const { block, crc } = await reply();
    expect(block.equals(image.subarray(0, 256))).toBe(false);
    expect(crc).toBe(crc16(image.subarray(0, 256)));
  });

  test('a request is refused', async () => {
    set({ kind: 'mqtt-block-error', code: 429, times: 1 });
    set({ kind: 'mqtt-block-error', skip: 1 });
    await ask(0, 256);
    expect((await reply()).json.code).toBe(429);
    await ask(0, 256);
    expect((await reply()).json.code).toBe(500);
  });

  test('an answer is late: two others go first', async () => {
    set({ kind: 'mqtt-block-late', blocks: 2, times: 1 });
    const offsets: unknown[] = [];
    for (const offset of [0, 256, 512]) await ask(offset, 256);
    for (let i = 0; i < 3; i++) offsets.push((await reply()).json.data.bOffset);
    expect(offsets.at(-1)).toBe(0);
  });

  test('an answer says something else', async () => {
    set({ kind: 'mqtt-block-patch', data: { bOffset: 7, fileToken: null } });
    await ask(0, 256);
    expect((await reply()).json.data).toEqual({
      bSize: 256,
      bOffset: 7,
      fileLength: image.length,
    });
  });
});

test('an image that is too large, or several files, are not for MQTT', async () => {
  const over = async (options: object): Promise<unknown> => {
    const { id } = await platform.firmware.add({
      productKey: PRODUCT,
      version: '3',
      allowSameVersion: true,
      ...options,
    });
    return platform.upgrades.start({ firmwareId: id, devices: ['lamp'], protocol: 'mqtt' });
  };
  const wrong = { code: 'ERR_INVALID_ARGUMENT' };
  await expect(over({ data: Buffer.alloc(16 * 1024 * 1024 + 1) })).rejects.toMatchObject(wrong);
  const files = [{ name: 'a', data: Buffer.from('a') }];
  await expect(over({ files })).rejects.toMatchObject(wrong);
  await expect(
    platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
      protocol: 'smoke' as 'mqtt',
    }),
  ).rejects.toMatchObject(wrong);
});
