import { Agent } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { type Firmware, ManualClock, type Platform } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, readyDevice } from '../support/device';
import { bytes, type Download, type DownloadOptions, download, md5 } from '../support/download';
import { startPlatform } from '../support/start';

const image = bytes(1_500_000);
const clock = new ManualClock();
let platform: Platform;
let firmware: Firmware;
let url: string;

async function urlOf(options: Parameters<typeof startPlatform>[0] = {}): Promise<void> {
  platform = await startPlatform({ clock, ...options });
  const lamp = await readyDevice(platform);
  firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  ({ url } = (await lamp.notice()).data);
}

function fetchIt(options: DownloadOptions = {}): Promise<Download> {
  return download(platform, url, options);
}

function ranged(range: string, more: Record<string, string> = {}): Promise<Download> {
  return fetchIt({ headers: { range, ...more } });
}

/** Changes the first character after a parameter's name, whatever it is. */
function otherFirst(at: string, name: string): string {
  const index = at.indexOf(name) + name.length;
  return at.slice(0, index) + (at[index] === 'A' ? 'B' : 'A') + at.slice(index + 1);
}

describe('an address', () => {
  beforeEach(() => urlOf({ urlLifetimeSeconds: 60 }));

  test('expires', async () => {
    clock.advance(59_000);
    expect((await fetchIt()).status).toBe(200);
    clock.advance(1000);
    const { status, headers, body } = await fetchIt();
    expect(status).toBe(403);
    expect(headers['content-type']).toBe('application/xml');
    expect(body.toString()).toContain('<Code>AccessDenied</Code>');
  });

  test.each([
    ['a later expiry', (at: string) => at.replace(/Expires=\d/, 'Expires=9')],
    ['another signature', (at: string) => otherFirst(at, 'Signature=')],
    ['another file', (at: string) => at.replace(/[0-9a-f]{16}/, '0123456789abcdef')],
    ['a parameter more', (at: string) => `${at}&x=1`],
  ])('is refused when altered: %s', async (_, alter) => {
    const { status, body } = await download(platform, alter(url));
    expect(status).toBe(403);
    expect(body.toString()).toContain('<Code>SignatureDoesNotMatch</Code>');
  });

  test('is refused without its parameters', async () => {
    const { status, body } = await download(platform, url.replace(/\?.*/, ''));
    expect([status, body.toString()]).toEqual([403, expect.stringContaining('AccessDenied')]);
  });

  test('refuses HEAD and headers that its signature would cover, as the object store does', async () => {
    const code = async (options: DownloadOptions): Promise<string> => {
      const { status, body } = await fetchIt(options);
      return `${status} ${/<Code>(.*)<\/Code>/.exec(body.toString())?.[1] ?? ''}`;
    };
    expect(await code({ method: 'HEAD' })).toBe('403 ');
    for (const name of ['content-type', 'content-md5', 'x-oss-range-behavior']) {
      expect(await code({ headers: { [name]: 'x' } })).toBe('403 SignatureDoesNotMatch');
    }
    expect(await code({ headers: { authorization: 'Bearer x' } })).toBe('400 InvalidArgument');
    const free = { range: 'bytes=0-', accept: '*/*', 'user-agent': 'x', 'if-match': '*' };
    expect((await fetchIt({ headers: free })).status).toBe(206);
  });

  test('spells the headers as clients may compare them, to the letter', async () => {
    const names = (await fetchIt({ headers: { range: 'bytes=5-' } })).rawHeaders;
    expect(names).toEqual(
      expect.arrayContaining(['Content-Length', 'Content-Range', 'Content-Type', 'ETag']),
    );
  });

  test('is not for other methods', async () => {
    const { status, headers } = await fetchIt({ method: 'DELETE' });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  test('of a firmware that was removed leads to 404', async () => {
    const [upgrade] = platform.upgrades.list();
    await platform.upgrades.cancel(upgrade?.id ?? '');
    await platform.firmware.remove(firmware.id);
    const { status, body } = await fetchIt();
    expect([status, body.toString()]).toEqual([404, expect.stringContaining('NoSuchKey')]);
  });
});

test('an address can be made as long as the platform makes them', async () => {
  await urlOf({ urlMinLength: 1000 });
  expect(url.length).toBe(1000);
  expect((await fetchIt()).status).toBe(200);
  const altered = await download(platform, otherFirst(url, 'security-token='));
  expect(altered.status).toBe(403);
});

test('a bad range is answered with 200 and the whole object, as by the object store', async () => {
  await urlOf();
  for (const range of ['bytes=1500000-', 'bytes=0-1500000', 'bytes=x']) {
    const { status, headers, body } = await ranged(range);
    expect([status, headers['content-range'], body.length]).toEqual([200, undefined, image.length]);
  }
  expect((await ranged('bytes=0-1499999')).status).toBe(206);
});

test('plain HTTP serves the same', async () => {
  await urlOf({ firmwareScheme: 'http' });
  expect(url).toMatch(/^http:/);
  expect((await fetchIt()).body.equals(image)).toBe(true);
});

test('with a base address, URLs lead there and are not signed', async () => {
  await urlOf({ firmwareBaseUrl: 'https://cdn.example/ota/' });
  expect(url).toBe(`https://cdn.example/ota/${firmware.id}.bin`);
  const wrong = { code: 'ERR_FAULT_UNSUPPORTED' };
  expect(() => platform.faults.set({ kind: 'http-expired' })).toThrow(
    expect.objectContaining(wrong),
  );
});

describe('a request, where the object store is not copied', () => {
  beforeEach(() => urlOf({ objectStore: { badRange: 'refused', signedRequests: 'lenient' } }));

  test('for everything', async () => {
    const event = platform.waitFor('download');
    const { status, headers, body } = await fetchIt();
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-length': String(image.length),
      'accept-ranges': 'bytes',
      etag: `"${md5(image).toUpperCase()}"`,
      'last-modified': new Date(firmware.createdAt).toUTCString(),
    });
    expect(body.equals(image)).toBe(true);
    expect(await event).toMatchObject({
      firmwareId: firmware.id,
      status: 200,
      bytes: image.length,
      complete: true,
    });
  });

  test('for the head', async () => {
    const { status, headers, body } = await fetchIt({ method: 'HEAD' });
    expect([status, headers['content-length'], body.length]).toEqual([
      200,
      String(image.length),
      0,
    ]);
  });

  test.each([
    ['bytes=0-99', 0, 100],
    ['bytes=1000000-', 1_000_000, 1_500_000],
    ['bytes=-10', 1_499_990, 1_500_000],
    ['bytes=1499999-9999999', 1_499_999, 1_500_000],
    ['bytes=0-', 0, 1_500_000],
  ])('for the range %s', async (range, start, end) => {
    const { status, headers, body } = await ranged(range);
    expect(status).toBe(206);
    expect(headers['content-range']).toBe(`bytes ${start}-${end - 1}/${image.length}`);
    expect(headers['content-length']).toBe(String(end - start));
    expect(body.equals(image.subarray(start, end))).toBe(true);
  });

  test('for a range outside is 416', async () => {
    const { status, headers, body } = await ranged('bytes=1500000-');
    expect([status, headers['content-range']]).toEqual([416, 'bytes */1500000']);
    expect(body.length).toBe(0);
  });

  test.each(['lines=1-2', 'bytes=x', 'bytes=0-1,5-9'])(
    'for %s is answered whole',
    async (range) => {
      const { status, body } = await ranged(range);
      expect([status, body.length]).toEqual([200, image.length]);
    },
  );

  test('with If-Range', async () => {
    const { headers } = await fetchIt({ method: 'HEAD' });
    const conditions = [headers.etag, headers['last-modified']] as string[];
    for (const condition of conditions) {
      expect((await ranged('bytes=5-', { 'if-range': condition })).status).toBe(206);
    }
    expect((await ranged('bytes=5-', { 'if-range': '"other"' })).status).toBe(200);
  });

  test('with If-None-Match', async () => {
    const { headers } = await fetchIt({ method: 'HEAD' });
    const etag = String(headers.etag);
    const ask = async (condition: string) =>
      (await fetchIt({ headers: { 'if-none-match': condition } })).status;
    expect(await ask(etag)).toBe(304);
    expect(await ask(`"a", W/${etag}`)).toBe(304);
    expect(await ask('"a"')).toBe(200);
  });

  test('on a connection that is kept', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: platform.ca });
    atEnd(() => agent.destroy());
    const ports = new Set<number | undefined>();
    agent.on('free', (socket) => ports.add(socket.localPort));
    for (let i = 0; i < 3; i++) {
      expect((await fetchIt({ agent, headers: { range: 'bytes=0-9' } })).status).toBe(206);
    }
    expect((await fetchIt({ agent })).body.equals(image)).toBe(true);
    expect(ports.size).toBe(1);
  });

  test('that is given up leaves the server well', async () => {
    const id = platform.faults.set({ kind: 'http-slow', bytesPerSecond: 1_000_000 });
    const aborted = new AbortController();
    const event = platform.waitFor('download');
    const given = await fetchIt({ signal: aborted.signal, onData: () => aborted.abort() });
    expect(given.error).toBeDefined();
    platform.faults.remove(id);
    expect(await event).toMatchObject({ complete: false });
    expect((await fetchIt()).body.equals(image)).toBe(true);
  });
});

test('TLS 1.1 is refused', async () => {
  await urlOf();
  const { hostname, port } = new URL(url);
  const socket = connectTls({
    host: hostname,
    port: Number(port),
    ca: platform.ca,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  });
  await expect(
    new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    }),
  ).rejects.toThrow();
});
