import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import {
  type AttachedDevice,
  type AttachOptions,
  type AttachReceive,
  attach,
  stats,
} from 'iotkit-ota';
import { imageOf, sha256 } from '../support/image';
import { World } from '../support/world';

// A device over functions of the program's, with the platform's side in this file: what is sent, what
// is answered, what fails.

const image = imageOf(300_001);
const names = { productKey: 'a1World', deviceName: 'lamp' };
const upgradeTopic = '/ota/device/upgrade/a1World/lamp';
const blockTopic = '/sys/a1World/lamp/thing/file/download';

interface Sent {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
}

/** A connection in memory. */
class Line {
  readonly sent: Sent[] = [];
  readonly subscribed: string[] = [];
  receive: AttachReceive = () => false;
  changed: (connected: boolean) => void = () => {};
  /** What happens to a message. */
  onPublish: (sent: Sent) => unknown = () => {};
  readonly #waiting: Array<{ count: number; resolve: () => void }> = [];

  options(more: Partial<AttachOptions> = {}): AttachOptions {
    return {
      ...names,
      publish: (topic, payload, { qos }) => {
        const sent = { topic, payload: Buffer.from(payload).toString(), qos };
        this.sent.push(sent);
        for (const { count, resolve } of this.#waiting) if (this.sent.length >= count) resolve();
        return this.onPublish(sent);
      },
      subscribe: (topic) => {
        this.subscribed.push(topic);
      },
      unsubscribe: (topic) => {
        this.subscribed.splice(this.subscribed.indexOf(topic), 1);
      },
      onMessage: (receive) => {
        this.receive = receive;
      },
      onConnection: (changed) => {
        this.changed = changed;
      },
      ...more,
    };
  }

  /** Until so many messages were sent. */
  messages(count: number): Promise<void> {
    if (this.sent.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  push(data: object): boolean {
    const notice = { code: '1000', id: 1, message: 'success', data };
    return this.receive(upgradeTopic, Buffer.from(JSON.stringify(notice)));
  }
}

const inBlocks = {
  size: image.length,
  version: '2.0.0',
  dProtocol: 'mqtt',
  streamId: 5,
  streamFileId: 1,
  sign: sha256(image),
  signMethod: 'SHA256',
};

/** The table of CRC-16/IBM, as blocks carry it. */
function crc16(data: Uint8Array): number {
  let crc = 0;
  for (const byte of data) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

function replyTo(payload: string): Buffer {
  const { id, params } = JSON.parse(payload);
  const { offset, size } = params.fileBlock;
  const head = Buffer.from(
    JSON.stringify({
      id,
      code: 200,
      data: { fileToken: 'x', fileLength: image.length, bSize: size, bOffset: offset },
    }),
  );
  const block = image.subarray(offset, offset + size);
  const around = Buffer.alloc(4);
  around.writeUInt16BE(head.length, 0);
  around.writeUInt16LE(crc16(block), 2);
  return Buffer.concat([around.subarray(0, 2), head, block, around.subarray(2)]);
}

const opened: AttachedDevice[] = [];
function open(line: Line, more: Partial<AttachOptions> = {}): AttachedDevice {
  const device = attach(line.options(more));
  opened.push(device);
  return device;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((device) => device.close()));
});

test('subscribes its topics before it reports what was reported without a connection', async () => {
  const line = new Line();
  const device = open(line, { connected: false });
  expect(device.state).toBe('waiting');
  const reported = device.ota.reportVersion('1.0.0');
  await expect(device.ota.reportProgress(1)).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
  const subscribedFirst = new Promise((resolve) => {
    line.onPublish = () => resolve([...line.subscribed].sort());
  });
  line.changed(true);
  await reported;
  expect(await subscribedFirst).toEqual([
    '/ota/device/request/a1World/lamp',
    upgradeTopic,
    '/sys/a1World/lamp/thing/ota/firmware/get_reply',
  ]);
  expect(line.sent).toMatchObject([{ topic: '/ota/device/inform/a1World/lamp', qos: 1 }]);
  await device.close();
  expect(line.subscribed).toEqual([]);
  expect(await device.closed).toBeUndefined();
});

test('downloads an image in blocks that the program passes on', async () => {
  await using world = await World.open();
  const line = new Line();
  const device = open(line);
  line.onPublish = ({ topic, payload }) => {
    if (topic === blockTopic) setImmediate(() => line.receive(`${topic}_reply`, replyTo(payload)));
  };
  const next = device.ota.nextUpgrade();
  await device.ota.reportVersion('1.0.0');
  expect(line.push(inBlocks)).toBe(true);
  const upgrade = await next;
  await upgrade.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  expect(line.sent.filter(({ topic }) => topic.includes('progress')).at(-1)?.payload).toContain(
    '"step":"100"',
  );
});

test('a report that was lost with the connection is sent again by the next one', async () => {
  const line = new Line();
  const device = open(line);
  const failures = [new Error('the connection is gone')];
  line.onPublish = () => {
    const failure = failures.pop();
    if (failure === undefined) return undefined;
    line.changed(false);
    return Promise.reject(failure);
  };
  const reported = device.ota.reportVersion('1.0.0');
  await line.messages(1);
  await new Promise((resolve) => setImmediate(resolve));
  line.changed(true);
  await reported;
  expect(line.sent.map(({ payload }) => payload)).toEqual([
    line.sent[0]?.payload,
    line.sent[0]?.payload,
  ]);
});

test('what the program fails to send fails with its words', async () => {
  const line = new Line();
  const device = open(line);
  line.onPublish = () => Promise.reject(new Error('out of ink'));
  await expect(device.ota.reportVersion('1.0.0')).rejects.toMatchObject({
    code: 'ERR_NETWORK',
    detail: 'publish to /ota/device/inform/a1World/lamp: out of ink',
  });
});

test('a subscription that is refused is told by the state', async () => {
  const line = new Line();
  const refused = new Promise((resolve) => {
    const device = open(line, { subscribe: () => Promise.reject(new Error('not allowed')) });
    device.on('refused', resolve);
  });
  expect(await refused).toMatchObject({
    code: 'ERR_MQTT_SUBSCRIBE',
    detail: expect.stringContaining('not allowed'),
  });
  expect(opened[0]).toMatchObject({ state: 'connected', error: { code: 'ERR_MQTT_SUBSCRIBE' } });
});

test('a bad notice is refused and reported; other topics are left', async () => {
  const line = new Line();
  const device = open(line);
  const refused = new Promise((resolve) => device.on('refused', resolve));
  await device.ota.reportVersion('1.0.0');
  expect(line.receive('/a1World/lamp/user/get', Buffer.from('x'))).toBe(false);
  expect(line.push({ size: -1 })).toBe(true);
  expect(await refused).toMatchObject({ code: 'ERR_NOTICE_FIELD' });
  await line.messages(2);
  expect(line.sent[1]).toMatchObject({ topic: '/ota/device/progress/a1World/lamp', qos: 0 });
});

test('what a handler throws is the answer of attach()', () => {
  const line = new Line();
  const onMessage = (): never => {
    throw new Error('no messages here');
  };
  expect(() => attach(line.options({ onMessage }))).toThrow('no messages here');
});

test('many sub-devices stand over one connection, each with its own topics', async () => {
  const lines = Array.from({ length: 20 }, () => new Line());
  const devices = lines.map((line, i) => open(line, { deviceName: `sub${i}` }));
  await Promise.all(devices.map((device) => device.ota.reportVersion('1.0.0')));
  lines.forEach((line, i) => {
    expect(line.sent[0]?.topic).toBe(`/ota/device/inform/a1World/sub${i}`);
  });
});

const worker = `
const { attach } = require('iotkit-ota');
const { parentPort, workerData } = require('node:worker_threads');
let receive;
const device = attach({
  ...workerData.names,
  publish: (topic) => {
    if (topic.endsWith('/thing/file/download')) parentPort.postMessage('asked');
  },
  subscribe: (topic) => {
    const notice = Buffer.from(workerData.notice);
    if (topic.includes('upgrade')) setImmediate(() => receive(topic, notice));
  },
  onMessage: (given) => { receive = given; },
});
device.ref();
device.ota.nextUpgrade().then((upgrade) => upgrade.download(workerData.target)).catch(() => {});
`;

test('a worker may be ended while a download waits for its blocks', async () => {
  await using world = await World.open();
  const { threads } = stats();
  const notice = JSON.stringify({ code: '1000', id: 1, message: 'success', data: inBlocks });
  const target = world.path('a.bin');
  const running = new Worker(worker, { eval: true, workerData: { names, notice, target } });
  const asked = new Promise((resolve, reject) => {
    running.once('message', resolve);
    running.once('error', reject);
  });
  expect(await asked).toBe('asked');
  await running.terminate();
  expect(stats().threads).toBe(threads);
});
