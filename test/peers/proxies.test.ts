import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FetchOptions, Upgrade } from 'iotkit-ota';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { clientIdentity } from '../support/client-identity';
import {
  type ForwardProxy,
  type ForwardProxyKind,
  startForwardProxy,
} from '../support/forward-proxy';
import { imageOf, md5 } from '../support/image';
import { type Nginx, startNginx } from '../support/nginx';
import { freePorts } from '../support/ports';
import { World } from '../support/world';

// Firmware from a real nginx through real proxies. The broker is reached without them.

const kinds: readonly ForwardProxyKind[] = ['squid', 'tinyproxy'];
const schemes = ['http', 'https'] as const;
const image = imageOf(3_000_001);
// A URL has to encode squid's; tinyproxy knows no such characters.
const passwords: Readonly<Record<ForwardProxyKind, string>> = {
  squid: 'p@ss:w/rd %',
  tinyproxy: 'pass-word',
};
const quick: FetchOptions = { maxRetries: 1, retry: { min: 1, max: 1 } };

let directory: string;
let identity: TlsIdentity;
let world: World;
let nginx: Nginx;
let devices = 0;
const proxies: ForwardProxy[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-proxies-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  for (const folder of ['', 'slow', 'stuck']) {
    await mkdir(path.join(directory, 'www', folder), { recursive: true });
    await writeFile(path.join(directory, 'www', folder, 'image.bin'), image);
  }
  // Slow enough that connections are opened side by side.
  const slow = 'location /slow/ { limit_rate 2m; }';
  // Of the first request nothing comes after a while, so it is still running whenever a test has seen its first bytes.
  const stuck =
    'location /stuck/ { limit_rate_after 1m; limit_rate 1; if ($http_range) { limit_rate 0; } }';
  nginx = await startServer('nginx', `${slow} ${stuck}`);
  world = await World.openShared({ tls: identity });
});

// Nothing of the developer's: neither proxies, nor a list of hosts that these tests reach without.
const lowerCase = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'];
const variables = [...lowerCase, ...lowerCase.map((name) => name.toUpperCase())];
const before = variables.map((name) => [name, process.env[name]] as const);

beforeEach(() => {
  for (const name of variables) delete process.env[name];
});

afterEach(async () => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await nginx?.stop();
  await rm(directory, { recursive: true, force: true });
});

function startServer(name: string, server: string): Promise<Nginx> {
  return startNginx({
    directory: path.join(directory, name),
    root: path.join(directory, 'www'),
    ...identity,
    server,
  });
}

async function startProxy(
  kind: ForwardProxyKind,
  options: Parameters<typeof startForwardProxy>[1] = {},
): Promise<ForwardProxy> {
  const proxy = await startForwardProxy(kind, options);
  proxies.push(proxy);
  return proxy;
}

/** What it was asked; it is gone then. */
async function asked(proxy: ForwardProxy): Promise<readonly string[]> {
  proxies.splice(proxies.indexOf(proxy), 1);
  return proxy.stop();
}

async function announce(url: string, fetch: FetchOptions): Promise<Upgrade> {
  const deviceName = `device${devices++}`;
  world.platform.faults.set({ kind: 'notice-patch', deviceName, data: { url } });
  const announced = await world.announce(image, {
    deviceName,
    connect: { fetch: { ...quick, ...fetch } },
    firmware: { version: `2.0.${devices}` },
  });
  return announced.upgrade;
}

/** Downloads what the URL names with these options, and looks whether it is the image. */
async function expectImage(url: string, fetch: FetchOptions): Promise<void> {
  const upgrade = await announce(url, fetch);
  const file = world.path(`image${devices}.bin`);
  await upgrade.download(file);
  expect(md5(await readFile(file))).toBe(md5(image));
}

async function expectError(url: string, fetch: FetchOptions): Promise<Error> {
  const upgrade = await announce(url, fetch);
  const error = await upgrade.download(world.path('never.bin')).then(
    () => new Error('it was downloaded'),
    (reason: Error) => reason,
  );
  for (const password of Object.values(passwords)) {
    expect(error.message).not.toContain(password);
    expect(error.message).not.toContain(encodeURIComponent(password));
  }
  return error;
}

const url = (scheme: 'http' | 'https', file = 'image.bin'): string =>
  `${scheme === 'http' ? nginx.httpUrl : nginx.httpsUrl}/${file}`;

/** The one request that an image takes. */
function requestFor(scheme: 'http' | 'https', file?: string): string {
  return scheme === 'http' ? `GET ${url('http', file)}` : `CONNECT 127.0.0.1:${nginx.ports[1]}`;
}

function withPassword({ port }: ForwardProxy, password: string): string {
  return `http://device:${encodeURIComponent(password)}@127.0.0.1:${port}`;
}

describe.each(kinds)('%s', (kind) => {
  const password = passwords[kind];
  const credentials = { user: 'device', password };

  test.each(schemes)('an image over %s', async (scheme) => {
    const proxy = await startProxy(kind);
    await expectImage(url(scheme), { proxy: proxy.url });
    expect(await asked(proxy)).toEqual([requestFor(scheme)]);
  });

  test.each(schemes)('an image over %s with user and password', async (scheme) => {
    const proxy = await startProxy(kind, { credentials });
    await expectImage(url(scheme), { proxy: withPassword(proxy, password) });
    expect(await asked(proxy)).toEqual([requestFor(scheme)]);
  });

  test('a wrong password is refused, once', async () => {
    const proxy = await startProxy(kind, { credentials });
    const error = await expectError(url('https'), { proxy: withPassword(proxy, 'wrong') });
    expect(error).toMatchObject({ code: 'ERR_PROXY_REFUSED' });
    expect(error.message).toContain(`127.0.0.1:${proxy.port} refuses the user or password`);
    expect(await asked(proxy)).toEqual([requestFor('https')]);
  });

  test.each(schemes)('without a password %s is refused', async (scheme) => {
    const proxy = await startProxy(kind, { credentials });
    const error = await expectError(url(scheme), { proxy: proxy.url });
    expect(error).toMatchObject({ code: 'ERR_PROXY_REFUSED' });
  });

  test('a server that the proxy cannot reach is tried again', async () => {
    const proxy = await startProxy(kind);
    const [port] = await freePorts(1);
    const error = await expectError(`https://127.0.0.1:${port}/image.bin`, { proxy: proxy.url });
    expect(error).toMatchObject({ code: 'ERR_PROXY' });
    const request = `CONNECT 127.0.0.1:${port}`;
    expect(await asked(proxy)).toEqual([request, request]);
  });

  test.each(schemes)('an image over %s goes on where the proxy was ended', async (scheme) => {
    const first = await startProxy(kind);
    const upgrade = await announce(url(scheme, 'stuck/image.bin'), {
      maxRetries: 1000,
      retry: { min: 1, max: 20 },
      proxy: first.url,
    });
    let second: Promise<ForwardProxy> | undefined;
    const restart = async (): Promise<ForwardProxy> => {
      proxies.splice(proxies.indexOf(first), 1);
      await first.stop('SIGKILL');
      return startProxy(kind, { port: first.port });
    };
    const received: number[] = [];
    const file = world.path(`resumed${devices}.bin`);
    await upgrade.download(file, {
      onProgress: (progress) => {
        received.push(progress.received);
        if (progress.received > 0) second ??= restart();
      },
    });
    expect(md5(await readFile(file))).toBe(md5(image));
    expect(received).toEqual([...received].sort((a, b) => a - b));
    expect(await asked((await second) as ForwardProxy)).toEqual([
      requestFor(scheme, 'stuck/image.bin'),
    ]);
  });
});

describe('which proxy', () => {
  test('the one of the environment, for each scheme its own', async () => {
    const [forHttp, forHttps] = [await startProxy('tinyproxy'), await startProxy('tinyproxy')];
    process.env.http_proxy = forHttp.url;
    process.env.HTTPS_PROXY = forHttps.url;
    process.env.HTTP_PROXY = 'http://127.0.0.1:1';
    for (const scheme of schemes) await expectImage(url(scheme), {});
    expect(await asked(forHttp)).toEqual([requestFor('http')]);
    expect(await asked(forHttps)).toEqual([requestFor('https')]);
  });

  test('none for hosts of NO_PROXY, nor where the program wants none', async () => {
    const [port] = await freePorts(1);
    process.env.ALL_PROXY = `http://127.0.0.1:${port}`;
    expect(await expectError(url('https'), {})).toMatchObject({ code: 'ERR_CONNECT' });
    expect(await expectError(url('http'), {})).toMatchObject({ code: 'ERR_CONNECT' });
    await expectImage(url('https'), { proxy: false });
    process.env.NO_PROXY = 'other.example,127.0.0.0/8';
    await expectImage(url('https'), {});
    await expectImage(url('http'), {});
    expect(await expectError(url('http'), { noProxy: 'localhost' })).toMatchObject({
      code: 'ERR_CONNECT',
    });
    const proxy = `http://127.0.0.1:${port}`;
    await expectImage(url('https'), { proxy, noProxy: `127.0.0.1:${nginx.ports[1]}` });
    await expectImage(`https://localhost:${nginx.ports[1]}/image.bin`, {
      proxy,
      noProxy: 'LOCALHOST',
    });
  });

  test('our certificate reaches the server through a proxy', async () => {
    const client = await clientIdentity(path.join(directory, 'client'), 'gateway-7', 'open sesame');
    await writeFile(path.join(directory, 'clients.pem'), client.ca);
    const strict = await startServer(
      'strict',
      `ssl_verify_client on; ssl_client_certificate ${directory}/clients.pem;`,
    );
    const proxy = await startProxy('tinyproxy');
    try {
      await expectImage(`${strict.httpsUrl}/image.bin`, {
        proxy: proxy.url,
        cert: client.cert,
        key: client.encryptedKey,
        passphrase: 'open sesame',
      });
    } finally {
      await strict.stop('SIGQUIT'); // a graceful end has written down every request
    }
    expect(await asked(proxy)).toEqual([`CONNECT 127.0.0.1:${strict.ports[1]}`]);
    expect(await readFile(strict.accessLog, 'utf8')).toMatch(/" 200 .* CN=gateway-7$/m);
  });

  test('ranges side by side through a proxy', async () => {
    const proxy = await startProxy('tinyproxy');
    await expectImage(url('https', 'slow/image.bin'), { proxy: proxy.url, connections: 3 });
    expect((await asked(proxy)).length).toBeGreaterThan(1);
  });
});
