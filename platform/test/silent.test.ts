import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { get, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ManualClock, type Platform, type PlatformOptions } from '../src/index';
import { atEnd } from './support/clean-up';
import { PRODUCT, readyDevice } from './support/device';
import { bytes } from './support/download';
import { startPlatform } from './support/start';

const LONG_MS = 3_600_000;

/** A connection that says no more than this. */
async function silent(port = 0, text = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  atEnd(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return socket;
}

/**
 * What the API answers with. A machine that is busy for longer than a head may take ends the
 * connection before the request is read, as it may: it is asked again on another.
 */
function status(platform: Platform): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${platform.operatorToken}` };
    const ask = (): void => {
      const asked = get(`${platform.apiUrl}/status`, { headers, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', ask);
    };
    ask();
  });
}

describe('a connection that says nothing, or half a head, is ended', () => {
  const limits = { headMs: 150, idleMs: LONG_MS };

  test.each<[keyof Platform['ports'], string]>([
    ['api', ''],
    ['api', 'GET /api/status HTTP/1.1\r\nhost: '],
    ['http', ''],
    ['http', 'GET /firmware/'],
    ['https', ''],
    ['mqtt', ''],
    ['mqtt', '\x10\x40'],
    ['mqtts', ''],
  ])('%s, after %j', async (listener, text) => {
    const platform = await startPlatform({ limits });
    const socket = await silent(platform.ports[listener], text);
    if (!socket.closed) await once(socket, 'close');
    expect(await status(platform)).toBe(200);
  });

  test.each(['https', 'mqtts'] as const)('%s, after the handshake of TLS', async (listener) => {
    const platform = await startPlatform({ limits });
    const socket = connectTls({
      host: '127.0.0.1',
      port: platform.ports[listener] ?? 0,
      ca: platform.ca,
    });
    atEnd(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'close');
  });
});

test('a connection that is kept and idle is ended', async () => {
  const platform = await startPlatform({ limits: { idleMs: 150 } });
  const socket = await silent(platform.ports.api, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(socket, 'close');
});

test('220 silent connections without a token do not stop the API', async () => {
  const limits = { headMs: LONG_MS, idleMs: LONG_MS };
  const platform = await startPlatform({ limits });
  for (let i = 0; i < 220; i++) await silent(platform.ports.api, i % 2 === 0 ? '' : 'GET /api');
  expect(await status(platform)).toBe(200);
});

test('many who follow the events from one address keep no command out', async () => {
  const platform = await startPlatform();
  const headers = { authorization: `Bearer ${platform.operatorToken}` };
  for (let i = 0; i < 200; i++) {
    const asked = get(`${platform.apiUrl}/events`, { headers, agent: false });
    atEnd(() => asked.destroy());
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    answer.on('error', () => undefined).resume();
  }
  expect(await status(platform)).toBe(200);
});

describe('an upload', () => {
  function upload(platform: Platform) {
    const query = `productKey=${PRODUCT}&version=2.0.0`;
    const sent = request(`${platform.apiUrl}/firmware?${query}`, {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${platform.operatorToken}`,
        'content-type': 'application/octet-stream',
        'content-length': '1000000',
      },
    });
    atEnd(() => sent.destroy());
    sent.on('error', () => undefined);
    return sent;
  }

  async function begun(options: PlatformOptions) {
    const platform = await startPlatform(options);
    const sent = upload(platform);
    const [socket] = (await once(sent, 'socket')) as [Socket];
    sent.write(bytes(1000));
    const folder = `${platform.stateDir}/firmware`;
    while (!socket.closed && (await readdir(folder)).length === 0) {
      await new Promise(setImmediate);
    }
    return { platform, sent, socket, folder };
  }

  test('that stalls is given up, and leaves nothing', async () => {
    const { platform, socket, folder } = await begun({ limits: { idleMs: 150 } });
    if (!socket.closed) await once(socket, 'close');
    while ((await readdir(folder)).length > 0) await new Promise(setImmediate);
    expect(platform.firmware.list()).toEqual([]);
  });

  test('that trickles is given up', async () => {
    const clock = new ManualClock();
    const { socket } = await begun({ clock, limits: { idleMs: LONG_MS } });
    // The first window has the bytes of the head in it.
    clock.advance(10_000);
    clock.advance(10_000);
    await once(socket, 'close');
  });

  test('that moves is not', async () => {
    const clock = new ManualClock();
    const { platform, sent } = await begun({ clock });
    clock.advance(9_000);
    const answered = once(sent, 'response');
    sent.end(bytes(999_000));
    const [answer] = await answered;
    expect(answer.statusCode).toBe(201);
    expect(platform.firmware.list()).toMatchObject([{ size: 1_000_000 }]);
  });
});

test('an answer that nobody takes is given up', async () => {
  const platform = await startPlatform({ limits: { idleMs: 500 }, firmwareScheme: 'http' });
  const lamp = await readyDevice(platform);
  // More than two kernels hold.
  const data = Buffer.alloc(12_000_000, 1);
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const { url } = (await lamp.notice()).data;
  const ended = platform.waitFor('download');
  let isTaken = false;
  const ask = (): void => {
    const asked = get(url, { agent: false }, (answer) => {
      isTaken = true;
      answer.on('error', () => undefined);
      answer.pause();
    });
    atEnd(() => asked.destroy());
    // A busy machine may let the connection idle before the request is on its way.
    asked.on('error', () => isTaken || ask());
  };
  ask();
  expect(await ended).toMatchObject({ complete: false });
});

test('a request that the platform has not answered yet waits for it', async () => {
  const clock = new ManualClock();
  const platform = await startPlatform({ clock, limits: { idleMs: 300 } });
  const lamp = await readyDevice(platform);
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/thing/config/push`);
  await platform.configs.set({ productKey: PRODUCT, data: '{}' });
  const pushed = request(`${platform.apiUrl}/configs/${PRODUCT}/push`, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${platform.operatorToken}` },
  });
  const answered = once(pushed, 'response');
  pushed.end();
  const [socket] = (await once(pushed, 'socket')) as [Socket];
  await lamp.notice();
  // Twice as long as anything else may be silent.
  const silence = connect(platform.ports.http ?? 0, '127.0.0.1');
  silence.resume();
  silence.write('GET /x HTTP/1.1\r\nhost: x\r\n\r\n');
  await once(silence, 'close');
  expect(socket.closed).toBe(false);
  clock.advance(30_000);
  const [answer] = await answered;
  expect(answer.statusCode).toBe(200);
});

test('the API has a listener of its own, and the one of devices knows nothing of it', async () => {
  const platform = await startPlatform({ firmwareScheme: 'http' });
  const headers = { authorization: `Bearer ${platform.operatorToken}` };
  const at = `http://127.0.0.1:${platform.ports.http}`;
  const answer = await fetch(`${at}/api/status`, { headers });
  expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('NoSuchKey')]);
  expect((await fetch(`${platform.apiUrl}/status`, { headers })).status).toBe(200);
  expect(platform.ports.api).not.toBe(platform.ports.http);
});
