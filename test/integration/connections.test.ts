import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { localIdentity } from 'iotkit-ota-platform';
import { imageOf, sha256 } from '../support/image';
import { quick } from '../support/served';
import { World } from '../support/world';

// How many connections a download takes, and how many of them begin with a whole TLS handshake.

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTPS server that counts. Tickets of TLS 1.3 come with what it answers first. */
class CountingServer implements AsyncDisposable {
  /** Of each connection, in order: whether it resumed the session of an earlier one. */
  readonly resumed: boolean[] = [];
  readonly requests: string[] = [];
  readonly ca: string;
  readonly #server: https.Server;

  private constructor(server: https.Server, ca: string) {
    this.#server = server;
    this.ca = ca;
  }

  static async open(world: World, serve: Serve): Promise<CountingServer> {
    const { ca, key, cert } = await localIdentity(world.directory, ['127.0.0.1']);
    const server = https.createServer({ key, cert });
    const self = new CountingServer(server, ca);
    server.on('secureConnection', (socket: TLSSocket) => {
      self.resumed.push(socket.isSessionReused());
    });
    server.on('request', (request, response) => {
      self.requests.push(`${request.url} ${request.headers.range ?? 'whole'}`);
      serve(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return self;
  }

  url(file: string): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}${file}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await once(this.#server.close(), 'close');
  }
}

/** The image, or the range of it that is asked for. */
function give(image: Buffer, { headers }: IncomingMessage, response: ServerResponse): void {
  const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
  const body = image.subarray(Number(from ?? 0));
  response.writeHead(from === undefined ? 200 : 206, {
    'content-length': body.length,
    ...(from !== undefined && {
      'content-range': `bytes ${from}-${image.length - 1}/${image.length}`,
    }),
  });
  response.end(body);
}

test('a redirect is followed over its connection, and a broken one is followed by a resumed one', async () => {
  const image = imageOf(300_007);
  await using world = await World.open();
  let isBroken = false;
  await using server = await CountingServer.open(world, (request, response) => {
    if (request.url === '/announced') {
      response.writeHead(302, { location: '/image' }).end('elsewhere');
    } else if (!isBroken) {
      isBroken = true;
      response.writeHead(200, { 'content-length': image.length });
      response.write(image.subarray(0, 100_000), () => request.socket.destroy());
    } else {
      give(image, request, response);
    }
  });
  world.platform.faults.set({
    kind: 'notice-patch',
    data: { url: server.url('/announced'), size: image.length, sign: sha256(image), md5: null },
  });
  const { upgrade } = await world.announce(Buffer.alloc(1), {
    connect: { fetch: { ...quick, ca: server.ca } },
  });
  await upgrade.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  expect(server.requests).toEqual([
    '/announced whole',
    '/image whole',
    '/announced bytes=100000-',
    '/image bytes=100000-',
  ]);
  expect(server.resumed).toEqual([false, true]);
});

test('the files of an upgrade come over one connection', async () => {
  const names = ['app.bin', 'boot.bin', 'model.bin'];
  const images = names.map((_, i) => imageOf(100_003 + i, i));
  await using world = await World.open();
  await using server = await CountingServer.open(world, (request, response) => {
    const image = images[names.indexOf(path.basename(request.url ?? ''))];
    give(image as Buffer, request, response);
  });
  const files = images.map((image, i) => ({
    fileName: names[i],
    fileSize: image.length,
    fileUrl: server.url(`/${names[i]}`),
    fileSign: sha256(image),
  }));
  const single = { url: null, size: null, md5: null, sign: null, digestsign: null };
  world.platform.faults.set({
    kind: 'notice-patch',
    data: { ...single, signMethod: 'SHA256', files },
  });
  const { upgrade } = await world.announce(Buffer.alloc(1), {
    connect: { fetch: { ...quick, ca: server.ca } },
  });
  await upgrade.download(world.path('firmware'));
  for (const [i, name] of names.entries()) {
    expect(images[i]?.equals(await readFile(path.join(world.path('firmware'), name)))).toBe(true);
  }
  expect(server.requests).toEqual(names.map((name) => `/${name} whole`));
  expect(server.resumed).toEqual([false]);
});

test('the next upgrade resumes the session of the one before', async () => {
  const image = imageOf(50_001);
  await using world = await World.open();
  await using server = await CountingServer.open(world, (request, response) =>
    give(image, request, response),
  );
  world.platform.faults.set({
    kind: 'notice-patch',
    data: { url: server.url('/f'), size: image.length, sign: sha256(image), md5: null },
    times: 10,
  });
  const { upgrade } = await world.announce(Buffer.alloc(1), {
    connect: { fetch: { ...quick, ca: server.ca } },
  });
  await upgrade.download(world.path('a.bin'));
  await upgrade.download(world.path('b.bin'));
  expect(server.resumed).toEqual([false, true]);
});
