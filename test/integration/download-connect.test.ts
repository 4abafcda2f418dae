import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ErrorCode, FetchOptions } from 'iotkit-ota';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { serve } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { freePorts } from '../support/ports';
import { reset } from '../support/reset';
import { announceServed, quick } from '../support/served';
import { World } from '../support/world';

// Firmware servers that are reached in a wrong way, or not at all.

const image = imageOf(100_003);

/** What a client is told that wants to fetch an image from there. */
async function download(url: string, fetch: FetchOptions = {}): Promise<unknown> {
  await using world = await World.open();
  const { upgrade, upgradeId } = await announceServed(world, { url }, image, {
    fetch: { ...quick, ...fetch },
  });
  const outcome = await upgrade.download(world.path('firmware.bin')).then(
    () => 'ok',
    (error) => error.code ?? error,
  );
  if (outcome !== 'ok') {
    expect(await readdir(world.directory)).toEqual([]);
    expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -2 });
  }
  return outcome;
}

/** A server that does something else than HTTP with each connection. */
async function listen(
  answer: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly port: number; readonly connections: () => number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    answer(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const strange: ReadonlyArray<{
  readonly name: string;
  readonly answer: (socket: Socket) => void;
  readonly code: ErrorCode;
  readonly fetch?: FetchOptions;
}> = [
  {
    name: 'speaks HTTP without TLS',
    answer: (socket) =>
      socket.once('data', () =>
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
      ),
    code: 'ERR_TLS',
  },
  {
    name: 'sends garbage',
    answer: (socket) => socket.once('data', () => socket.end(imageOf(5_000, 3))),
    code: 'ERR_TLS',
  },
  {
    name: 'says nothing in the handshake',
    answer: () => {},
    code: 'ERR_CONNECT_TIMEOUT',
    fetch: { connectTimeout: 100 },
  },
  {
    name: 'closes the connection in the handshake',
    answer: (socket) => socket.once('data', () => socket.end()),
    code: 'ERR_CONNECTION_CLOSED',
  },
  {
    name: 'resets the connection in the handshake',
    answer: (socket) => socket.once('data', () => reset(socket)),
    code: 'ERR_CONNECTION_RESET',
  },
];

test.each(strange)('a server that $name instead of TLS: $code, after two tries', async (row) => {
  await using server = await listen(row.answer);
  expect(await download(`https://127.0.0.1:${server.port}/image`, row.fetch)).toBe(row.code);
  expect(server.connections()).toBe(2);
});

test('nobody listens: ERR_CONNECT', async () => {
  const [port] = await freePorts(1);
  expect(await download(`http://127.0.0.1:${port}/image`)).toBe('ERR_CONNECT');
});

/** Answers CONNECT with a text. */
const proxying =
  (text: string, end = true) =>
  (socket: Socket): void => {
    socket.once('data', () => (end ? socket.end(text) : socket.write(text)));
  };

const proxies: ReadonlyArray<{
  readonly name: string;
  readonly answer: (socket: Socket) => void;
  readonly code: ErrorCode;
  readonly tries: number;
  readonly fetch?: FetchOptions;
}> = [
  {
    name: 'asks for credentials (407)',
    answer: proxying('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'),
    code: 'ERR_PROXY_REFUSED',
    tries: 1,
  },
  {
    name: 'forbids it (403)',
    answer: proxying('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
    code: 'ERR_PROXY_REFUSED',
    tries: 1,
  },
  {
    name: 'cannot reach the server (502)',
    answer: proxying('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'),
    code: 'ERR_PROXY',
    tries: 2,
  },
  {
    name: 'is no proxy',
    answer: proxying('SSH-2.0-OpenSSH_9.2\r\n'),
    code: 'ERR_PROXY',
    tries: 2,
  },
  {
    name: 'sends a head without end',
    answer: proxying(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`, false),
    code: 'ERR_PROXY',
    tries: 2,
  },
  {
    name: 'never answers',
    answer: () => {},
    code: 'ERR_CONNECT_TIMEOUT',
    tries: 2,
    fetch: { connectTimeout: 100 },
  },
  {
    name: 'opens a tunnel to nowhere',
    answer: proxying('HTTP/1.1 200 Connection established\r\n\r\n'),
    code: 'ERR_CONNECTION_CLOSED',
    tries: 2,
  },
];

test.each(proxies)('a proxy that $name: $code', async ({ answer, code, tries, fetch }) => {
  await using server = await listen(answer);
  const proxy = `http://127.0.0.1:${server.port}`;
  expect(await download('https://fw.example.com/image', { proxy, ...fetch })).toBe(code);
  expect(server.connections()).toBe(tries);
});

describe('certificates', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-ca-'));
  });

  afterEach(() => rm(directory, { recursive: true }));

  async function withIdentity(
    names: readonly string[],
    use: (server: FaultServer, tls: TlsIdentity) => Promise<void>,
  ): Promise<void> {
    const tls = await localIdentity(directory, names);
    await using server = await FaultServer.start({ image, tls, schedule: [serve()] });
    await use(server, tls);
    // What is not trusted is not asked for anything either.
    expect(server.requests.length).toBeLessThanOrEqual(1);
  }

  test('of another CA: ERR_TLS_CERTIFICATE, at once', () =>
    withIdentity(['127.0.0.1'], async (server) => {
      expect(await download(server.url)).toBe('ERR_TLS_CERTIFICATE');
      expect([server.connections, server.requests.length]).toEqual([1, 0]);
    }));

  test('of another host: ERR_TLS_HOSTNAME, at once', () =>
    withIdentity(['fw.example.com'], async (server, { ca }) => {
      expect(await download(server.url, { ca })).toBe('ERR_TLS_HOSTNAME');
      expect([server.connections, server.requests.length]).toEqual([1, 0]);
    }));

  test('of a CA that the user names', () =>
    withIdentity(['127.0.0.1'], async (server, { ca }) => {
      expect(await download(server.url, { ca })).toBe('ok');
    }));
});
