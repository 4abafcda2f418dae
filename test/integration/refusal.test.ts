import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type ConnectOptions,
  channelNames,
  connect,
  type IotkitError,
  type StateEvent,
} from 'iotkit-ota';
import { localIdentity } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { freePorts } from '../support/ports';
import { nextRefusal } from '../support/refusals';
import { addonThreads } from '../support/threads';
import { World } from '../support/world';

/** Why the first attempt of a device fails that would go on trying. */
async function firstFailure(options: ConnectOptions): Promise<IotkitError> {
  const stop = new AbortController();
  const failure = new Promise<IotkitError>((resolve) => {
    const listen = (message: unknown): void => {
      const { error } = message as StateEvent;
      if (error === undefined) return;
      unsubscribe(channelNames.state, listen);
      resolve(error);
    };
    subscribe(channelNames.state, listen);
  });
  const attempt = connect({ ...options, signal: stop.signal });
  const [error] = await Promise.all([
    failure.finally(() => stop.abort()),
    expect(attempt).rejects.toBeDefined(),
  ]);
  return error;
}

describe('a connection is refused', () => {
  test('with a wrong secret', async () => {
    await using world = await World.open();
    const key = await world.register();
    const refused = world.platform.waitFor('device-refused');
    const attempt = world.connect({ ...key, deviceSecret: 'not-the-secret' });
    await expect(attempt).rejects.toMatchObject({
      name: 'IotkitError',
      code: 'ERR_MQTT_CREDENTIALS',
      retryable: false,
    });
    await expect(attempt).rejects.not.toThrow('not-the-secret');
    expect((await refused).returnCode).toBe(4);
    expect(addonThreads()).toEqual([]);
  });

  test('for a device that is not registered', async () => {
    await using world = await World.open();
    const stranger = { productKey: 'a1World', deviceName: 'stranger', deviceSecret: 'secret' };
    await expect(world.connect(stranger)).rejects.toMatchObject({ code: 'ERR_MQTT_CREDENTIALS' });
  });

  test('by a server whose CA is not trusted', async () => {
    await using world = await World.open();
    await using other = await World.open();
    const attempt = world.connect(await world.register(), {
      tls: { ca: other.platform.ca },
    });
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_TLS_CERTIFICATE' });
  });

  test('by a server with the certificate of another host', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    try {
      const tls = await localIdentity(directory, ['other.example']);
      await using world = await World.open({ tls });
      const attempt = world.connect(await world.register());
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_TLS_HOSTNAME' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  // As at boot, where there is no battery for the clock: to the device it is 1970, to us years ahead.
  test('by a server whose certificate is not valid yet, and is tried again', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    const ahead = Date.now() + 10 * 24 * 3600 * 1000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(ahead);
    const tls = await localIdentity(directory, ['localhost', '127.0.0.1']).finally(() =>
      clock.mockRestore(),
    );
    try {
      await using world = await World.open({ tls });
      const { productKey, deviceName, deviceSecret } = await world.register();
      const before = Date.now();
      const error = await firstFailure({
        ...{ productKey, deviceName, deviceSecret },
        ...world.address(),
        tls: { ca: tls.ca },
      });
      expect(error).toMatchObject({ code: 'ERR_TLS_NOT_YET_VALID', retryable: true });
      const [, said = ''] = /this device's clock says (\S+Z)/.exec(error.detail) ?? [];
      expect(Date.parse(said)).toBeGreaterThanOrEqual(before - 1000);
      expect(Date.parse(said)).toBeLessThanOrEqual(Date.now());
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('where nobody listens', async () => {
    await using world = await World.open();
    const { productKey, deviceName, deviceSecret } = await world.register();
    const [port] = await freePorts(1);
    const nobody = { ...world.address(), url: `mqtts://127.0.0.1:${port}` };
    const error = await firstFailure({ productKey, deviceName, deviceSecret, ...nobody });
    expect(error).toMatchObject({ code: 'ERR_CONNECT', retryable: true });
  });
});

describe('a firmware server is refused', () => {
  test('when its certificate is of a CA that is not trusted', async () => {
    await using world = await World.open();
    await using other = await World.open();
    const { upgrade, upgradeId } = await world.announce(imageOf(1000), {
      connect: { fetch: { ca: other.platform.ca } },
    });
    await expect(upgrade.download(world.path('firmware.bin'))).rejects.toMatchObject({
      code: 'ERR_TLS_CERTIFICATE',
    });
    expect(await world.files()).toEqual([]);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -2 });
  });
});

describe('a notice is refused and the platform told', () => {
  const notices = [
    { name: 'text that is not JSON', payload: '{"code":"1000","data":{', code: 'ERR_NOTICE_JSON' },
    { name: 'no data', payload: '{"code":"1000","id":1}', code: 'ERR_NOTICE_FIELD' },
  ];
  const patches = [
    { name: 'no url', data: { url: null }, code: 'ERR_NOTICE_FIELD' },
    { name: 'a url that is none', data: { url: 'http://' }, code: 'ERR_URL' },
    { name: 'a url of another kind', data: { url: 'ftp://127.0.0.1/f' }, code: 'ERR_URL_SCHEME' },
    { name: 'no version', data: { version: null }, code: 'ERR_NOTICE_FIELD' },
    { name: 'a negative size', data: { size: -1 }, code: 'ERR_NOTICE_FIELD' },
    { name: 'a fractional size', data: { size: 1.5 }, code: 'ERR_NOTICE_FIELD' },
    { name: 'an unknown digest method', data: { signMethod: 'CRC32' }, code: 'ERR_DIGEST_METHOD' },
    { name: 'a digest of the wrong length', data: { sign: 'abcd' }, code: 'ERR_NOTICE_FIELD' },
    { name: 'no digest', data: { sign: null, md5: null }, code: 'ERR_NOTICE_FIELD' },
  ];
  const cases = [
    ...notices.map(({ payload, ...rest }) => ({
      ...rest,
      fault: { kind: 'notice-malformed' as const, payload },
    })),
    ...patches.map(({ data, ...rest }) => ({
      ...rest,
      fault: { kind: 'notice-patch' as const, data },
    })),
  ];

  test.each(cases)('$name: $code, step -1', async ({ fault, code }) => {
    await using world = await World.open({ faults: [fault] });
    const device = await world.connect(await world.register());
    await world.report(device, '1.0.0');
    const refused = nextRefusal(device);
    const firmware = await world.store(imageOf(1000));
    const { id } = await world.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
    });
    expect((await refused).code).toBe(code);
    expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
  });
});

test('an answer that is refused is what check() rejects with', async () => {
  const fault = { kind: 'notice-patch', data: { url: null } } as const;
  await using world = await World.open({ faults: [fault] });
  const device = await world.connect(await world.register());
  await world.report(device, '1.0.0');
  const firmware = await world.store(imageOf(1000));
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    delivery: 'pull',
  });
  await expect(device.ota.check()).rejects.toMatchObject({ code: 'ERR_NOTICE_FIELD' });
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
});

test('an error of the platform in place of a notice is no failed upgrade', async () => {
  const payload = '{"code":"500","id":1,"data":{}}';
  await using world = await World.open({ faults: [{ kind: 'notice-malformed', payload }] });
  const device = await world.connect(await world.register());
  await world.report(device, '1.0.0');
  const refused = nextRefusal(device);
  const firmware = await world.store(imageOf(1000));
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  expect((await refused).code).toBe('ERR_NOTICE_CODE');
  // Whatever the device had to say about it would have come before this.
  await world.report(device, '1.0.0', { module: 'MCU' });
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('pushed');
});

describe('what answers is no broker', () => {
  /** A TCP server that says this to whoever connects. */
  async function startTalker(words: string): Promise<{ port: number; close: () => void }> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      // The client hangs up on it; how does not matter here.
      socket.on('error', () => undefined);
      socket.write(words, 'latin1');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return {
      port: (server.address() as AddressInfo).port,
      close: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  const stranger = { productKey: 'a1World', deviceName: 'lamp', deviceSecret: 'secret' };

  test.each([
    {
      name: 'another protocol',
      words: 'HTTP/1.1 400 Bad Request\r\n\r\n',
      code: 'ERR_MQTT_PROTOCOL',
    },
    { name: 'a packet of 256 MB', words: '\x20\xff\xff\xff\x7f', code: 'ERR_MQTT_PROTOCOL' },
    { name: 'a length without end', words: '\x20\xff\xff\xff\xff', code: 'ERR_MQTT_PROTOCOL' },
    { name: 'a refusal', words: '\x20\x02\x00\x05', code: 'ERR_MQTT_NOT_AUTHORIZED' },
  ])('$name: $code', async ({ words, code }) => {
    const talker = await startTalker(words);
    try {
      const url = `mqtt://127.0.0.1:${talker.port}`;
      expect((await firstFailure({ ...stranger, url })).code).toBe(code);
    } finally {
      talker.close();
    }
  });

  test('plain text where TLS is expected: ERR_TLS', async () => {
    const talker = await startTalker('220 mail.example ESMTP\r\n');
    try {
      const url = `mqtts://127.0.0.1:${talker.port}`;
      expect((await firstFailure({ ...stranger, url })).code).toBe('ERR_TLS');
    } finally {
      talker.close();
    }
  });
});
