import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FetchOptions, Upgrade } from 'iotkit-ota';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { type ClientIdentity, clientIdentity } from '../support/client-identity';
import { imageOf, md5 } from '../support/image';
import { type Nginx, type NginxOptions, startNginx } from '../support/nginx';
import { runWell } from '../support/process';
import { World } from '../support/world';

// A real nginx: each version of TLS, ranges, clients' certificates and passwords.

const image = imageOf(3_000_001);
const quick: FetchOptions = { maxRetries: 1, retry: { min: 1, max: 1 } };

let directory: string;
let identity: TlsIdentity;
let world: World;
let nginx: Nginx | undefined;
let devices = 0;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-nginx-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  await mkdir(path.join(directory, 'www'));
  await writeFile(path.join(directory, 'www', 'image.bin'), image);
  world = await World.openShared({ tls: identity });
});

afterEach(async () => {
  await nginx?.stop();
  nginx = undefined;
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function startServer(options: Partial<NginxOptions>): Promise<Nginx> {
  nginx = await startNginx({
    directory: path.join(directory, 'nginx'),
    root: path.join(directory, 'www'),
    ...identity,
    ...options,
  });
  return nginx;
}

/** Ends it and resolves with the lines of its log. A graceful end has written down every request. */
async function linesOf(server: Nginx): Promise<string[]> {
  await server.stop('SIGQUIT');
  const log = await readFile(server.accessLog, 'utf8');
  await rm(server.accessLog);
  return log.trim().split('\n');
}

async function announce(server: Nginx, fetch: FetchOptions): Promise<Upgrade> {
  const deviceName = `device${devices++}`;
  const data = { url: `${server.httpsUrl}/image.bin` };
  world.platform.faults.set({ kind: 'notice-patch', deviceName, data });
  const { upgrade } = await world.announce(image, {
    deviceName,
    connect: { fetch: { ...quick, ...fetch } },
    firmware: { version: `2.0.${devices}` },
  });
  return upgrade;
}

async function expectImage(server: Nginx, fetch: FetchOptions): Promise<void> {
  const upgrade = await announce(server, fetch);
  const file = world.path(`image${devices}.bin`);
  await upgrade.download(file);
  expect(md5(await readFile(file))).toBe(md5(image));
}

const ranges = (lines: readonly string[]): unknown[] =>
  lines.map((line) => /" (\d{3}) \d+ "([^"]*)"/.exec(line)?.slice(1));

describe.each(['TLSv1.2', 'TLSv1.3'])('%s only', (protocols) => {
  test('a download goes on where a restart has cut it off', async () => {
    const first = await startServer({ protocols, server: 'limit_rate_after 1m; limit_rate 1k;' });
    const upgrade = await announce(first, { maxRetries: 1000, retry: { min: 1, max: 20 } });
    let second: Promise<Nginx> | undefined;
    const restart = async (): Promise<Nginx> => {
      await first.stop();
      return startServer({ protocols, ports: first.ports });
    };
    const received: number[] = [];
    const file = world.path(`resumed-${protocols}.bin`);
    await upgrade.download(file, {
      onProgress: (progress) => {
        received.push(progress.received);
        if (progress.received > 0) second ??= restart();
      },
    });
    expect(md5(await readFile(file))).toBe(md5(image));
    expect(received).toEqual([...received].sort((a, b) => a - b));
    const last = (await linesOf((await second) as Nginx)).at(-1) as string;
    expect(ranges([last])).toEqual([['206', expect.stringMatching(/^bytes=[1-9]\d*-$/)]]);
    expect(last).toContain(` ${protocols} `);
  });

  test('ranges side by side', async () => {
    const server = await startServer({ protocols, server: 'limit_rate 2m;' });
    await expectImage(server, { connections: 3 });
    const lines = await linesOf(server);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(ranges([line])).toEqual([['206', expect.stringMatching(/^bytes=\d+-\d*$/)]]);
      expect(line).toContain(` ${protocols} `);
    }
  });
});

describe('a server that asks for a certificate', () => {
  const passphrase = 'open sesame';
  let client: ClientIdentity;
  let stranger: ClientIdentity;

  beforeAll(async () => {
    client = await clientIdentity(path.join(directory, 'client'), 'gateway-7', passphrase);
    stranger = await clientIdentity(path.join(directory, 'stranger'), 'stranger', passphrase);
    await writeFile(path.join(directory, 'clients.pem'), client.ca);
  });

  const start = (protocols: string): Promise<Nginx> =>
    startServer({
      protocols,
      server: `ssl_verify_client on; ssl_client_certificate ${directory}/clients.pem;`,
    });

  describe.each(['TLSv1.2', 'TLSv1.3'])('over %s', (protocols) => {
    test('gets ours', async () => {
      const server = await start(protocols);
      await expectImage(server, { cert: client.cert, key: client.key });
      const [line] = await linesOf(server);
      expect(line).toMatch(new RegExp(` 200 ${image.length} .* ${protocols} CN=gateway-7$`));
    });

    test('gets ours with an encrypted key', async () => {
      const { cert, encryptedKey } = client;
      const server = await start(protocols);
      await expectImage(server, { cert, key: encryptedKey, passphrase });
      expect(await linesOf(server)).toEqual([expect.stringMatching(/ CN=gateway-7$/)]);
    });

    test('refuses none, and that of a stranger', async () => {
      const server = await start(protocols);
      for (const fetch of [{}, { cert: stranger.cert, key: stranger.key }]) {
        const upgrade = await announce(server, fetch);
        await expect(upgrade.download(world.path('never.bin'))).rejects.toMatchObject({
          code: 'ERR_HTTP_STATUS',
          message: expect.stringContaining('400'),
        });
      }
      expect(ranges(await linesOf(server))).toEqual([
        ['400', '-'],
        ['400', '-'],
      ]);
    });
  });
});

test('a server that asks for a password gets the one of the headers', async () => {
  const hash = await runWell('openssl', ['passwd', '-apr1', 'secret']);
  await writeFile(path.join(directory, 'passwords'), `device:${hash}`);
  const server = await startServer({
    server: `auth_basic firmware; auth_basic_user_file ${directory}/passwords;`,
  });
  const authorization = (password: string): FetchOptions => ({
    headers: { Authorization: `Basic ${Buffer.from(`device:${password}`).toString('base64')}` },
  });
  await expectImage(server, authorization('secret'));
  const upgrade = await announce(server, authorization('wrong'));
  await expect(upgrade.download(world.path('never.bin'))).rejects.toMatchObject({
    code: 'ERR_HTTP_STATUS',
    message: expect.stringContaining('401'),
  });
  expect(ranges(await linesOf(server))).toEqual([
    ['200', '-'],
    ['401', '-'],
  ]);
});
