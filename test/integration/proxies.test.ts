import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { imageOf } from '../support/image';
import { freePorts } from '../support/ports';
import { runWell } from '../support/process';
import { startProxy } from '../support/proxy';
import { World } from '../support/world';

const image = imageOf(200_017);
const variables = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [
  name,
  name.toUpperCase(),
]);
const before = new Map(variables.map((name) => [name, process.env[name]]));

beforeEach(() => {
  for (const name of variables) delete process.env[name];
});
afterAll(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

const basic = (credentials: string): string =>
  `Basic ${Buffer.from(credentials).toString('base64')}`;

test('https goes through a tunnel, with credentials for the proxy alone', async () => {
  await using proxy = await startProxy();
  await using world = await World.open();
  const { upgrade } = await world.announce(image, {
    connect: { fetch: { proxy: `http://gate%40way:p%3Ass@127.0.0.1:${proxy.port}` } },
  });
  await upgrade.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  expect(proxy.requests).toEqual([
    {
      line: `CONNECT 127.0.0.1:${world.platform.ports.https}`,
      headers: expect.objectContaining({ 'proxy-authorization': basic('gate@way:p:ss') }),
    },
  ]);
});

test('http is asked of the proxy by the whole address', async () => {
  await using proxy = await startProxy();
  await using world = await World.open({ firmwareScheme: 'http' });
  const { upgrade } = await world.announce(image, {
    connect: { fetch: { proxy: `http://user@127.0.0.1:${proxy.port}` } },
  });
  await upgrade.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  expect(proxy.requests).toHaveLength(1);
  expect(proxy.requests[0]?.line).toBe(`GET ${upgrade.url}`);
  expect(proxy.requests[0]?.headers['proxy-authorization']).toBe(basic('user:'));
});

describe('the environment', () => {
  test('says which proxy, as it was when the device was connected', async () => {
    await using proxy = await startProxy();
    await using world = await World.open();
    process.env.HTTPS_PROXY = `127.0.0.1:${proxy.port}`;
    process.env.http_proxy = 'http://127.0.0.1:1';
    const { upgrade } = await world.announce(image);
    process.env.HTTPS_PROXY = 'http://127.0.0.1:1';
    await upgrade.download(world.path('a.bin'));
    expect(proxy.requests.map(({ line }) => line)).toEqual([
      `CONNECT 127.0.0.1:${world.platform.ports.https}`,
    ]);
  });

  test.each([
    ['no_proxy names the host', { no_proxy: 'example.com,127.0.0.0/8' }, {}],
    ['noProxy names the host', {}, { noProxy: '127.0.0.1' }],
    ['proxy is false', {}, { proxy: false as const }],
  ])('is not asked where %s', async (_, environment, fetch) => {
    await using proxy = await startProxy();
    await using world = await World.open();
    Object.assign(process.env, { ALL_PROXY: `http://127.0.0.1:${proxy.port}` }, environment);
    const { upgrade } = await world.announce(image, { connect: { fetch } });
    await upgrade.download(world.path('a.bin'));
    expect(proxy.requests).toEqual([]);
  });

  // Jest gives its tests a copy of the environment, which the C library does not see.
  test.each([
    ['is that of the process', {}, 1],
    ['is not read behind the back of the options', { proxy: false as const }, 0],
  ])('%s', async (_, fetch, tunnels) => {
    await using proxy = await startProxy();
    await using world = await World.open();
    const key = await world.register();
    const { productKey, deviceName, deviceSecret } = key;
    const earlier = await world.connect(key);
    await world.report(earlier, '1.0.0');
    await earlier.close();
    const firmware = await world.store(image);
    await world.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: [deviceName],
      delivery: 'pull',
    });
    const { mqttsUrl: url, ca } = world.platform;
    const { no_proxy: _lower, NO_PROXY: _upper, ...env } = process.env;
    await runWell(process.execPath, [path.join(__dirname, 'children', 'proxied.cjs')], {
      env: {
        ...env,
        HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
        DEVICE: JSON.stringify({ productKey, deviceName, deviceSecret, url, ca }),
        FETCH: JSON.stringify(fetch),
        FILE: world.path('a.bin'),
      },
    });
    expect(proxy.requests).toHaveLength(tunnels);
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test.each([
    ['socks5h://user:hunter2@127.0.0.1:1080', 'all_proxy is a proxy over socks5h', 'UNSUPPORTED'],
    ['http://user:hunter2@127.0.0.1:0', 'all_proxy has a malformed port', 'URL'],
    ['http://hunter2 x:1', 'all_proxy has host name with a character', 'URL'],
  ])('with an unusable proxy fails the download that needs it: %s', async (value, said, code) => {
    await using world = await World.open();
    process.env.all_proxy = value;
    const { upgrade } = await world.announce(image);
    const attempt = upgrade.download(world.path('a.bin'));
    await expect(attempt).rejects.toMatchObject({ code: `ERR_${code}` });
    await expect(attempt).rejects.toThrow(said);
    await expect(attempt).rejects.not.toThrow(/hunter2/);
  });

  test('with blanks, a path or a proxy that nobody needs stops nothing', async () => {
    await using proxy = await startProxy();
    await using world = await World.open();
    process.env.HTTPS_PROXY = ` http://127.0.0.1:${proxy.port}/path\n`;
    process.env.http_proxy = 'socks5://127.0.0.1:1';
    const { upgrade } = await world.announce(image);
    await upgrade.download(world.path('a.bin'));
    expect(proxy.requests).toHaveLength(1);
  });

  test('with an unusable proxy for hosts that need none stops nothing', async () => {
    await using world = await World.open();
    Object.assign(process.env, { no_proxy: ' 127.0.0.1 ', HTTPS_PROXY: 'ftp://127.0.0.1' });
    const { upgrade } = await world.announce(image);
    await upgrade.download(world.path('a.bin'));
  });
});

test('a proxy that is not there ends the download, and its password is not shown', async () => {
  const [port] = await freePorts(1);
  await using world = await World.open();
  const { upgrade, upgradeId } = await world.announce(image, {
    connect: {
      fetch: {
        proxy: `http://user:hunter2@127.0.0.1:${port}`,
        maxRetries: 1,
        retry: { min: 1, max: 1 },
      },
    },
  });
  const attempt = upgrade.download(world.path('a.bin'));
  await expect(attempt).rejects.toMatchObject({ name: 'IotkitError' });
  await expect(attempt).rejects.not.toThrow(/hunter2/);
  const outcome = await world.outcome(upgradeId);
  expect(outcome).toMatchObject({ state: 'failed', step: -2 });
  expect(outcome.desc).not.toContain('hunter2');
});
