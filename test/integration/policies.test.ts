import crypto from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { type AddressInfo, type Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import type { SignFunction } from 'iotkit-ota';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { type Announced, World } from '../support/world';

const image = imageOf(50_021);

/** A firmware server of the test's own: what it was asked, and by whom. */
interface Origin extends AsyncDisposable {
  readonly port: number;
  readonly asked: ReadonlyArray<{
    readonly headers: http.IncomingHttpHeaders;
    /** The client's certificate; undefined: it has shown none. */
    readonly fingerprint: string | undefined;
  }>;
}

async function startOrigin(identity?: TlsIdentity, location?: string): Promise<Origin> {
  const asked: Array<Origin['asked'][number]> = [];
  const handle: http.RequestListener = (request, response) => {
    const { headers, socket } = request;
    const peer = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
    asked.push({ headers, fingerprint: peer?.fingerprint256 });
    if (location === undefined) response.end(image);
    else response.writeHead(302, { location }).end();
  };
  const server: Server & { closeAllConnections(): void } =
    identity === undefined
      ? http.createServer(handle)
      : https.createServer(
          { key: identity.key, cert: identity.cert, requestCert: true, rejectUnauthorized: false },
          handle,
        );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

/** Opens a world whose notices say that the image is at `url`. */
function worldWith(url: string): Promise<World> {
  return World.open({ faults: [{ kind: 'notice-patch', data: { url } }] });
}

async function expectRefusal(world: World, announced: Announced, code: string): Promise<void> {
  await expect(announced.upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code,
    retryable: false,
  });
  expect(await world.outcome(announced.upgradeId)).toMatchObject({ state: 'failed', step: -2 });
  expect(await world.files()).toEqual([]);
}

describe('allowedHosts', () => {
  test.each([[['fw.example.com', '127.0.0.1']], [['127.0.0.1:PORT']]])('%p', async (hosts) => {
    await using origin = await startOrigin();
    await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
    const allowedHosts = hosts.map((host) => host.replace('PORT', String(origin.port)));
    const { upgrade } = await world.announce(image, { connect: { fetch: { allowedHosts } } });
    await upgrade.download(world.path('a.bin'));
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test.each([[['example.com']], [['*.example.com']], [['127.0.0.1:1']]])(
    'another host is not asked: %p',
    async (allowedHosts) => {
      await using origin = await startOrigin();
      await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
      const announced = await world.announce(image, { connect: { fetch: { allowedHosts } } });
      await expectRefusal(world, announced, 'ERR_HOST_NOT_ALLOWED');
      expect(origin.asked).toEqual([]);
    },
  );

  test('a redirect to another host is not followed', async () => {
    await using elsewhere = await startOrigin();
    await using origin = await startOrigin(undefined, `http://localhost:${elsewhere.port}/a`);
    await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
    const announced = await world.announce(image, {
      connect: { fetch: { allowedHosts: ['127.0.0.1'] } },
    });
    await expectRefusal(world, announced, 'ERR_HOST_NOT_ALLOWED');
    expect([origin.asked.length, elsewhere.asked.length]).toEqual([1, 0]);
  });
});

describe('httpsOnly', () => {
  test('plain http is not asked', async () => {
    await using origin = await startOrigin();
    await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
    const announced = await world.announce(image, { connect: { fetch: { httpsOnly: true } } });
    await expectRefusal(world, announced, 'ERR_TLS_REQUIRED');
    expect(origin.asked).toEqual([]);
  });
});

describe('headers', () => {
  const headers = { Authorization: 'Bearer hunter2', 'X-Device': 'lamp' };

  test('are sent, besides those of the engine', async () => {
    await using origin = await startOrigin();
    await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
    const { upgrade } = await world.announce(image, { connect: { fetch: { headers } } });
    await upgrade.download(world.path('a.bin'));
    expect(origin.asked.map((it) => it.headers)).toEqual([
      expect.objectContaining({
        authorization: 'Bearer hunter2',
        'x-device': 'lamp',
        host: `127.0.0.1:${origin.port}`,
      }),
    ]);
  });

  test('are not told to a host it is redirected to', async () => {
    await using elsewhere = await startOrigin();
    await using origin = await startOrigin(undefined, `http://localhost:${elsewhere.port}/a`);
    await using world = await worldWith(`http://127.0.0.1:${origin.port}/a`);
    const { upgrade } = await world.announce(image, { connect: { fetch: { headers } } });
    await upgrade.download(world.path('a.bin'));
    expect(origin.asked[0]?.headers.authorization).toBe('Bearer hunter2');
    expect(elsewhere.asked).toHaveLength(1);
    expect(elsewhere.asked[0]?.headers).not.toHaveProperty('authorization');
    expect(elsewhere.asked[0]?.headers).not.toHaveProperty('x-device');
  });
});

describe('our certificate', () => {
  let directory: string;
  let identity: TlsIdentity;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    identity = await localIdentity(directory, ['127.0.0.1']);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('for firmware servers is shown to them', async () => {
    await using origin = await startOrigin(identity);
    await using world = await worldWith(`https://127.0.0.1:${origin.port}/a`);
    const { ca, cert, key } = identity;
    const { upgrade } = await world.announce(image, { connect: { fetch: { ca, cert, key } } });
    await upgrade.download(world.path('a.bin'));
    const server = new TLSSocket(new Socket(), { cert, key });
    const { fingerprint256 } = server.getCertificate() as { fingerprint256: string };
    expect(origin.asked.map(({ fingerprint }) => fingerprint)).toEqual([fingerprint256]);
    server.destroy();
  });

  test('and a function signs for it', async () => {
    await using origin = await startOrigin(identity);
    await using world = await worldWith(`https://127.0.0.1:${origin.port}/a`);
    const { ca, cert, key } = identity;
    const sign: SignFunction = async ({ hash, message, padding, saltLength }) =>
      crypto.sign(hash, message, { key, padding, saltLength });
    const { upgrade } = await world.announce(image, { connect: { fetch: { ca, cert, sign } } });
    await upgrade.download(world.path('a.bin'));
    expect(origin.asked.map(({ fingerprint }) => fingerprint)).toEqual([expect.any(String)]);
  });

  test('and a download ends while its function has not answered', async () => {
    await using origin = await startOrigin(identity);
    await using world = await worldWith(`https://127.0.0.1:${origin.port}/a`);
    const { ca, cert } = identity;
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted: boolean[] = [];
    const sign: SignFunction = ({ signal }) => {
      signal.addEventListener('abort', () => aborted.push(signal.aborted));
      controller.abort(reason);
      return new Promise(() => {});
    };
    const { upgrade } = await world.announce(image, { connect: { fetch: { ca, cert, sign } } });
    const { signal } = controller;
    await expect(upgrade.download(world.path('a.bin'), { signal })).rejects.toBe(reason);
    expect(aborted).toEqual([true]);
    expect(origin.asked).toEqual([]);
  });

  test('for the broker is not shown to firmware servers', async () => {
    await using origin = await startOrigin(identity);
    await using world = await worldWith(`https://127.0.0.1:${origin.port}/a`);
    const { ca, cert, key } = identity;
    const { upgrade } = await world.announce(image, {
      connect: { tls: { ca: world.platform.ca, cert, key }, fetch: { ca } },
    });
    await upgrade.download(world.path('a.bin'));
    expect(origin.asked.map(({ fingerprint }) => fingerprint)).toEqual([undefined]);
  });

  test('that does not fit its key is an error of connect()', async () => {
    const other = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    try {
      await using world = await World.open();
      const { key } = await localIdentity(other, ['127.0.0.1']);
      const attempt = world.connect(await world.register(), {
        fetch: { cert: identity.cert, key },
      });
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_TLS_IDENTITY' });
    } finally {
      await rm(other, { recursive: true });
    }
  });
});
