// The platform's time over the real addon. The broker is one that knows nothing of the platform's
// protocol, and who tells the time sits beside it.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { connect, type Device, type WrongClock } from 'iotkit-ota';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { type Registered, World } from '../support/world';

const HOUR_MS = 3_600_000;
const request = /^\/ext\/ntp\/(.+)\/request$/;
const image = imageOf(1000);

let directory: string;
let identity: TlsIdentity;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-time-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
});
afterAll(() => rm(directory, { recursive: true }));

const stops: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A broker over TLS whose clock is so far ahead of this machine's; what it answers to each request. */
async function startBroker(
  offset: number,
  answer = (sent: string, now: number): object | undefined => ({
    deviceSendTime: sent,
    serverRecvTime: String(now),
    serverSendTime: String(now),
  }),
): Promise<string> {
  const broker = await Aedes.createBroker();
  // The stand-in would tell its own time.
  broker.authorizeSubscribe = (_client, subscription, done) =>
    done(null, subscription.topic === '/ext/ntp/+/+/request' ? null : subscription);
  broker.on('publish', ({ topic, payload }) => {
    const [, names] = request.exec(topic) ?? [];
    if (names === undefined) return;
    const { deviceSendTime } = JSON.parse(payload.toString());
    const response = answer(deviceSendTime, Date.now() + offset);
    if (response === undefined) return;
    broker.publish(
      {
        cmd: 'publish',
        topic: `/ext/ntp/${names}/response`,
        payload: JSON.stringify(response),
        qos: 0,
        retain: false,
        dup: false,
      },
      () => {},
    );
  });
  const server = createServer(identity, broker.handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(async () => {
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise((resolve) => server.close(resolve));
  });
  return `mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function connectTo(
  url: string,
  { productKey, deviceName, deviceSecret }: Registered,
  fetch: object,
): Promise<Device> {
  const tls = { ca: identity.ca };
  const device = await connect({ productKey, deviceName, deviceSecret, url, tls, fetch });
  stops.unshift(() => device.close());
  return device;
}

/** A platform on such a broker, with a device. */
async function open(
  offset: number,
  fetch: object = {},
  answer?: Parameters<typeof startBroker>[1],
) {
  const url = await startBroker(offset, answer);
  const { ca } = identity;
  const world = await World.open({ tls: identity, broker: { url, ca, username: 'platform' } });
  stops.unshift(() => world[Symbol.asyncDispose]());
  return { world, url, device: await connectTo(url, await world.register(), fetch) };
}

function clockOf(device: Device): WrongClock[] {
  const told: WrongClock[] = [];
  device.on('clock', (wrong) => told.push(wrong));
  return told;
}

test('the time is the platform’s, and a clock that is wrong is told once', async () => {
  const { device } = await open(HOUR_MS);
  const told = clockOf(device);
  const { time, offset, uncertainty } = await device.time();
  expect(Math.abs(offset - HOUR_MS)).toBeLessThanOrEqual(uncertainty);
  expect(time).toBeGreaterThanOrEqual(Date.now() - 60_000 + offset);
  expect(time).toBeLessThanOrEqual(Date.now() + offset);
  await device.time({ exchanges: 1 });
  expect(told).toEqual([{ offset, uncertainty, error: undefined }]);
});

test('a clock that is right is no event', async () => {
  const { device } = await open(0);
  const told = clockOf(device);
  const { offset, uncertainty } = await device.time();
  expect(Math.abs(offset)).toBeLessThanOrEqual(uncertainty);
  expect(told).toEqual([]);
});

test('an answer that cannot be read is an error of the one who asked', async () => {
  const { device } = await open(0, {}, (sent) => ({
    deviceSendTime: sent,
    serverRecvTime: 'noon',
  }));
  await expect(device.time({ exchanges: 2 })).rejects.toMatchObject({
    code: 'ERR_NOTICE_FIELD',
    detail: 'serverRecvTime: is not a number of milliseconds',
  });
});

test('closing the device ends the wait', async () => {
  const { device } = await open(0, {}, () => undefined);
  const asked = expect(device.time()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await device.close();
  await asked;
});

type Opened = Awaited<ReturnType<typeof open>>;

const CENTURY_MS = 100 * 365 * 24 * HOUR_MS;

/** What a download over https ends with; undefined: it went well. */
async function outcomeOf({ world, device }: Opened): Promise<unknown> {
  await world.report(device, '1.0.0');
  const firmware = await world.store(image);
  await world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const upgrade = await device.ota.nextUpgrade();
  return upgrade.download(world.path('firmware.bin')).catch((error: unknown) => error);
}

test('certificates of firmware servers are held against this machine’s clock', async () => {
  const opened = await open(CENTURY_MS, { ca: identity.ca });
  await opened.device.time();
  expect(await outcomeOf(opened)).toBeUndefined();
});

test('with certificateTime they are held against the platform’s, and the broker’s never', async () => {
  const opened = await open(CENTURY_MS, { ca: identity.ca, certificateTime: 'platform' });
  const { world, device, url } = opened;
  await device.time(); // as the device does by itself
  expect(await outcomeOf(opened)).toMatchObject({
    code: 'ERR_TLS_EXPIRED',
    detail: expect.stringMatching(/the clock that was set for it says 21/),
  });
  // The same certificate, for the connection to the broker.
  const registered = await world.register('other');
  const other = await connectTo(url, registered, { certificateTime: 'platform' });
  expect(other.state).toBe('connected');
});
