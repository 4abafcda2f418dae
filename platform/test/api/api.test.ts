import { once } from 'node:events';
import { get, type IncomingMessage, request } from 'node:http';
import type { Platform } from '../../src/index';
import { TestAuthority } from '../support/authority';
import { atEnd } from '../support/clean-up';
import { PRODUCT, readyDevice } from '../support/device';
import { bytes, sha256 } from '../support/download';
import { startPlatform } from '../support/start';

let platform: Platform;

beforeEach(async () => {
  platform = await startPlatform();
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { error?: { code: string; message: string } };
}

async function call(method: string, path: string, body?: unknown, token = platform.operatorToken) {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(platform.apiUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      connection: 'close',
      ...(body !== undefined && {
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      }),
    },
    ...(body !== undefined && { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) } as Answer;
}

test('an address that cannot be decoded is answered after authentication, as any other error', async () => {
  for (const path of ['/firmware/%E0%A4%A', '/%', '/devices/a/%ff']) {
    const at = platform.apiUrl + path;
    const stranger = await fetch(at);
    expect([path, stranger.status, await stranger.json()]).toEqual([
      path,
      401,
      { error: { code: 'ERR_UNAUTHORIZED', message: expect.any(String) } },
    ]);
    const headers = { authorization: `Bearer ${platform.operatorToken}` };
    const answer = await fetch(at, { headers });
    expect([path, answer.status, await answer.json()]).toEqual([
      path,
      400,
      { error: { code: 'ERR_INVALID_ARGUMENT', message: expect.any(String) } },
    ]);
  }
});

test('an upload that is too long, or of a version that is there, is refused before its body', async () => {
  const small = await startPlatform({ maxFirmwareBytes: 1000 });
  const refusal = (length: number, version: string): Promise<[number, string]> =>
    new Promise((resolve, reject) => {
      const sent = request(`${small.apiUrl}/firmware?productKey=${PRODUCT}&version=${version}`, {
        method: 'POST',
        agent: false,
        headers: {
          authorization: `Bearer ${small.operatorToken}`,
          'content-type': 'application/octet-stream',
          'content-length': String(length),
        },
      });
      atEnd(() => sent.destroy());
      sent.on('error', reject);
      sent.once('response', async (answer) => {
        let text = '';
        for await (const chunk of answer) text += chunk;
        resolve([answer.statusCode ?? 0, JSON.parse(text).error.code]);
      });
      // The head alone: none of the body is ever sent.
      sent.flushHeaders();
    });
  expect(await refusal(1001, '2')).toEqual([413, 'ERR_FIRMWARE_TOO_LARGE']);
  await small.firmware.add({ productKey: PRODUCT, version: '2', data: Buffer.from('x') });
  expect(await refusal(10, '2')).toEqual([409, 'ERR_FIRMWARE_EXISTS']);
  expect(await refusal(10, 'a b')).toEqual([400, 'ERR_INVALID_ARGUMENT']);
});

test('the operator does a whole upgrade with it', async () => {
  const added = await call('POST', '/devices', { productKey: PRODUCT, deviceName: 'fan' });
  expect(added).toMatchObject({ status: 201, body: { deviceSecret: expect.any(String) } });
  const lamp = await readyDevice(platform);
  const listed = await call('GET', '/devices');
  expect(listed.body.devices).toMatchObject([
    { deviceName: 'fan' },
    { deviceName: 'lamp', online: true },
  ]);
  expect(JSON.stringify(listed.body)).not.toContain('deviceSecret');
  const one = await call('GET', `/devices/${PRODUCT}/lamp`);
  expect(one.body).toMatchObject({ versions: { default: '1.0.0' } });

  const image = bytes(3_000_000);
  const query = `productKey=${PRODUCT}&version=2.0.0&signMethod=MD5&sourceVersions=1.0.0,1.1&extData={"a":"b"}`;
  const firmware = await call('POST', `/firmware?${query}`, image);
  expect(firmware).toMatchObject({
    status: 201,
    body: {
      size: image.length,
      sha256: sha256(image),
      sourceVersions: ['1.0.0', '1.1'],
      extData: { a: 'b' },
    },
  });
  const firmwareId = String(firmware.body.id);
  expect((await call('GET', `/firmware/${firmwareId}`)).body).toEqual(firmware.body);
  expect((await call('GET', '/firmware')).body.firmware).toEqual([firmware.body]);

  const started = await call('POST', '/upgrades', {
    firmwareId,
    devices: ['lamp', 'fan'],
    timeoutMinutes: 15,
    requireConfirmation: true,
    retry: { attempts: 1, delayMinutes: 10 },
  });
  expect(started.status).toBe(201);
  const path = `/upgrades/${started.body.id}`;
  expect((await call('POST', `${path}/confirm`, { devices: ['lamp'] })).status).toBe(200);
  await lamp.notice();
  await lamp.inform('2.0.0');
  expect((await call('POST', `${path}/cancel`, {})).body).toMatchObject({ settled: true });
  expect((await call('GET', path)).body).toMatchObject({
    tasks: [{ state: 'succeeded' }, { state: 'cancelled' }],
  });
  expect((await call('GET', '/upgrades')).body.upgrades).toHaveLength(1);
  expect((await call('GET', '/status')).body).toMatchObject({
    devices: { total: 2, online: 1 },
    firmware: 1,
    upgrades: { total: 1, unfinished: 0 },
  });
  const gone = platform.waitFor('device-disconnected');
  expect((await call('POST', `/devices/${PRODUCT}/lamp/disconnect`)).status).toBe(204);
  expect(await gone).toMatchObject({ deviceName: 'lamp' });
  expect((await call('DELETE', `/firmware/${firmwareId}`)).status).toBe(204);
  expect((await call('DELETE', `/devices/${PRODUCT}/fan`)).status).toBe(204);
  expect(platform.devices.list()).toHaveLength(1);
});

test('a configuration is set, pushed and removed', async () => {
  const path = `/configs/${PRODUCT}`;
  const lamp = await readyDevice(platform);
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/thing/config/push`);
  const set = await call('PUT', `${path}?signMethod=MD5`, bytes(100));
  expect(set).toMatchObject({ status: 200, body: { productKey: PRODUCT, signMethod: 'MD5' } });
  expect((await call('GET', path)).body).toEqual(set.body);
  expect((await call('GET', '/configs')).body.configs).toEqual([set.body]);
  const pushing = call('POST', `${path}/push`, { devices: ['lamp'], timeoutSeconds: 60 });
  const { id } = await lamp.notice();
  await lamp.client.publishAsync(
    `/sys/${lamp.names}/thing/config/push_reply`,
    JSON.stringify({ id, code: 200, data: {} }),
  );
  expect(await pushing).toMatchObject({
    status: 200,
    body: { pushes: [{ deviceName: 'lamp', state: 'accepted', configId: set.body.id }] },
  });
  expect((await call('DELETE', path)).status).toBe(204);
  expect((await call('GET', path)).body.error?.code).toBe('ERR_CONFIG_UNKNOWN');
  expect((await call('PUT', path, bytes(65_537))).body.error?.code).toBe('ERR_CONFIG_TOO_LARGE');
});

test('a device is sent messages, and called', async () => {
  const path = `/devices/${PRODUCT}/lamp`;
  const lamp = await readyDevice(platform);
  const topic = `/${lamp.names}/user/get`;
  await lamp.client.subscribeAsync([topic, `/sys/${lamp.names}/rrpc/request/+`], { qos: 1 });
  const message = { topic, payload: '/wA=', encoding: 'base64', qos: 1 };
  expect(await call('POST', `${path}/publish`, message)).toEqual({
    status: 200,
    body: { productKey: PRODUCT, deviceName: 'lamp', topic, state: 'sent' },
  });
  expect((await lamp.next()).payload).toEqual(Buffer.from([0xff, 0]));
  for (const [payload, expected] of [
    [Buffer.from('é'), { payload: 'é', encoding: 'utf8' }],
    [Buffer.from([0xff]), { payload: '/w==', encoding: 'base64' }],
  ] as const) {
    const calling = call('POST', `${path}/call`, { payload: 'x', timeoutMs: 8000 });
    const request = await lamp.next();
    expect(request.payload.toString()).toBe('x');
    await lamp.client.publishAsync(request.topic.replace('request', 'response'), payload);
    expect(await calling).toMatchObject({
      status: 200,
      body: { id: expect.any(String), ...expected },
    });
  }
});

test('messages of devices are streamed to who asks for them', async () => {
  const lamp = await readyDevice(platform);
  const fan = await readyDevice(platform, 'fan');
  const query = `type=message&productKey=${PRODUCT}&deviceName=lamp&filter=/%2B/%2B/user/%23`;
  const request = get(`${platform.apiUrl}/events?${query}`, {
    headers: { authorization: `Bearer ${platform.operatorToken}` },
  });
  atEnd(() => request.destroy());
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.setEncoding('utf8');
  const [first] = (await once(response, 'data')) as [string];
  expect(first).toBe(': connected\n\n');
  await fan.client.publishAsync(`/${fan.names}/user/x`, 'of another', { qos: 1 });
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/x`, 'on another topic', { qos: 1 });
  const topic = `/${lamp.names}/user/x`;
  // Nobody listens in between, and what flows then is lost.
  const streamed = once(response, 'data');
  await lamp.client.publishAsync(topic, Buffer.from([0xff]), { qos: 1 });
  const [text] = (await streamed) as [string];
  const [, data = ''] = text.split('data: ');
  expect(text).toMatch(/^event: message\n/);
  expect(JSON.parse(data)).toEqual({
    ...{ type: 'message', time: expect.any(Number), productKey: PRODUCT, deviceName: 'lamp' },
    ...{ topic, payload: '/w==', encoding: 'base64' },
  });
});

test('faults are set and removed', async () => {
  const { status, body } = await call('POST', '/faults', { kind: 'http-drop', afterBytes: 5 });
  expect(status).toBe(201);
  expect((await call('GET', '/faults')).body.faults).toEqual([
    { id: body.id, kind: 'http-drop', afterBytes: 5, hits: 0 },
  ]);
  expect((await call('DELETE', `/faults/${body.id}`)).status).toBe(204);
  expect((await call('DELETE', `/faults/${body.id}`)).body.error?.code).toBe('ERR_FAULT_UNKNOWN');
  await call('POST', '/faults', { kind: 'http-expired' });
  expect((await call('DELETE', '/faults')).status).toBe(204);
  expect(platform.faults.list()).toEqual([]);
});

test.each(['', 'wrong'])('the token %j is refused everywhere', async (token) => {
  for (const path of ['/status', '/events', '/devices', '/nowhere']) {
    const { status, body } = await call('GET', path, undefined, token);
    expect([status, body.error?.code]).toEqual([401, 'ERR_UNAUTHORIZED']);
  }
});

test.each([
  ['GET', '/nowhere', undefined, 404, 'ERR_NOT_FOUND'],
  ['GET', '/upgrades/x', undefined, 404, 'ERR_UPGRADE_UNKNOWN'],
  ['GET', '/firmware/x', undefined, 404, 'ERR_FIRMWARE_UNKNOWN'],
  ['GET', '/devices/a/b', undefined, 404, 'ERR_DEVICE_UNKNOWN'],
  ['POST', '/devices', {}, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/devices', { productKey: 'a', deviceName: 'b', x: 1 }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/devices', { productKey: 'a', deviceName: 7 }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/upgrades', { firmwareId: 'x', devices: ['y'] }, 404, 'ERR_FIRMWARE_UNKNOWN'],
  ['POST', '/upgrades', { firmwareId: 'x', devices: [] }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/firmware?productKey=a', new Uint8Array(1), 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/firmware?productKey=a&version=1', {}, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/firmware?productKey=a&version=1', new Uint8Array(0), 400, 'ERR_INVALID_ARGUMENT'],
  ['GET', '/configs/x', undefined, 404, 'ERR_CONFIG_UNKNOWN'],
  ['DELETE', '/configs/x', undefined, 404, 'ERR_CONFIG_UNKNOWN'],
  ['PUT', '/configs/x', {}, 400, 'ERR_INVALID_ARGUMENT'],
  ['PUT', '/configs/x', new Uint8Array(0), 400, 'ERR_INVALID_ARGUMENT'],
  ['PUT', '/configs/x?signMethod=SHA1', new Uint8Array(1), 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/configs/x/push', {}, 404, 'ERR_CONFIG_UNKNOWN'],
  ['POST', '/configs/x/push', { timeoutSeconds: 0 }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/faults', { kind: 'none' }, 400, 'ERR_INVALID_ARGUMENT'],
  ['GET', '/events?type=x', undefined, 400, 'ERR_INVALID_ARGUMENT'],
  ['GET', '/events?deviceName=x', undefined, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/devices/a/b/publish', { payload: 'x' }, 400, 'ERR_INVALID_ARGUMENT'],
  [
    'POST',
    '/devices/a/b/publish',
    { topic: '/a/b/user/x', payload: 'x', qos: 2 },
    400,
    'ERR_INVALID_ARGUMENT',
  ],
  ['POST', '/devices/a/b/publish', { topic: '/a/c/x', payload: 'x' }, 400, 'ERR_INVALID_ARGUMENT'],
  [
    'POST',
    '/devices/a/b/publish',
    { topic: '/a/b/user/x', payload: 'x' },
    404,
    'ERR_DEVICE_UNKNOWN',
  ],
  ['POST', '/devices/a/b/call', { payload: '*', encoding: 'base64' }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/devices/a/b/call', { payload: 'x', timeoutMs: 8001 }, 400, 'ERR_INVALID_ARGUMENT'],
  ['POST', '/devices/a/b/call', { payload: 'x' }, 404, 'ERR_DEVICE_UNKNOWN'],
])('%s %s %j is answered with %d %s', async (method, path, request, status, code) => {
  const answer = await call(method, path, request);
  expect(answer).toEqual({ status, body: { error: { code, message: expect.any(String) } } });
});

test('an upload that is too large, or breaks off, leaves nothing', async () => {
  await platform.close();
  platform = await startPlatform({ maxFirmwareBytes: 1000 });
  const path = `/firmware?productKey=${PRODUCT}&version=1`;
  expect((await call('POST', path, bytes(1001))).body.error?.code).toBe('ERR_FIRMWARE_TOO_LARGE');
  expect((await call('POST', path, bytes(1000))).status).toBe(201);
  const aborted = new AbortController();
  async function* half() {
    yield bytes(10);
    aborted.abort();
    yield bytes(10);
  }
  await expect(
    platform.firmware.add({
      productKey: PRODUCT,
      version: '2',
      stream: (async function* () {
        for await (const chunk of half()) {
          aborted.signal.throwIfAborted();
          yield chunk;
        }
      })(),
    }),
  ).rejects.toThrow();
  const { readdir } = await import('node:fs/promises');
  expect(await readdir(platform.firmware.directory)).toHaveLength(1);
});

test('events are streamed until the platform closes', async () => {
  const request = get(`${platform.apiUrl}/events`, {
    headers: { authorization: `Bearer ${platform.operatorToken}` },
  });
  atEnd(() => request.destroy());
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  expect(response.headers['content-type']).toBe('text/event-stream');
  response.setEncoding('utf8');
  const lamp = await readyDevice(platform);
  await lamp.disconnect();
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (text.includes('event: device-disconnected')) break;
  }
  const events = text.split('\n').filter((line) => line.startsWith('event: '));
  expect(events).toEqual([
    'event: device-connected',
    'event: version-reported',
    'event: device-disconnected',
  ]);
  expect(text).toContain('"version":"1.0.0"');
});

test('products show their secret on request alone', async () => {
  const made = await call('POST', '/products', { productKey: 'pk', dynamicRegistration: true });
  expect(made).toEqual({
    status: 201,
    body: {
      productKey: 'pk',
      authentication: 'secret',
      dynamicRegistration: true,
      createdAt: expect.any(Number),
    },
  });
  const { productSecret } = platform.products.get('pk') ?? {};
  expect((await call('GET', '/products')).body).toEqual({ products: [made.body] });
  expect((await call('GET', '/products/pk')).body).toEqual(made.body);
  expect((await call('GET', '/products/pk/secret')).body).toEqual({
    productKey: 'pk',
    productSecret,
  });
  const off = await call('PATCH', '/products/pk', { dynamicRegistration: false });
  expect([off.status, off.body.dynamicRegistration]).toEqual([200, false]);
  const codes = [
    await call('POST', '/products', { productKey: 'pk' }),
    await call('POST', '/products', { productKey: 'x', authentication: 'none' }),
    await call('PATCH', '/products/pk', {}),
    await call('GET', '/products/x/secret'),
  ].map(({ status, body }) => [status, body.error?.code]);
  expect(codes).toEqual([
    [409, 'ERR_PRODUCT_EXISTS'],
    [400, 'ERR_INVALID_ARGUMENT'],
    [400, 'ERR_INVALID_ARGUMENT'],
    [404, 'ERR_PRODUCT_UNKNOWN'],
  ]);
});

test('devices are disabled, enabled and reset; their tokens are listed and kept', async () => {
  await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const path = `/devices/${PRODUCT}/lamp`;
  for (const [action, disabled] of [
    ['disable', true],
    ['enable', false],
    ['reset', false],
  ] as const) {
    expect((await call('POST', `${path}/${action}`, {})).status).toBe(204);
    expect((await call('GET', path)).body.disabled).toBe(disabled);
  }
  expect((await call('POST', `/devices/${PRODUCT}/x/disable`, {})).status).toBe(404);
  expect((await call('GET', `${path}/tokens`)).body).toEqual({ tokens: [] });
  expect((await call('POST', `${path}/tokens/x/keep`, {})).body.error?.code).toBe(
    'ERR_TOKEN_UNKNOWN',
  );
});

test('the topology of a gateway is shown and changed', async () => {
  for (const deviceName of ['hub', 'sensor']) {
    await platform.devices.add({ productKey: PRODUCT, deviceName });
  }
  const path = `/gateways/${PRODUCT}/hub/topology`;
  const sensor = { productKey: PRODUCT, deviceName: 'sensor' };
  const shown = { ...sensor, addedAt: expect.any(Number), loggedIn: false };
  const added = await call('POST', path, { devices: [sensor] });
  expect([added.status, added.body]).toEqual([200, { devices: [shown] }]);
  expect((await call('GET', path)).body).toEqual({ devices: [shown] });
  const asked = await call('POST', `${path}/propose`, { devices: [sensor], timeoutSeconds: 1 });
  expect(asked.body).toEqual({ state: 'offline' });
  const permit = `/gateways/${PRODUCT}/hub/permit`;
  const permitted = await call('POST', permit, { productKey: PRODUCT, seconds: 5 });
  expect(permitted.body).toEqual({ state: 'offline' });
  expect((await call('POST', permit, { seconds: 5 })).status).toBe(400);
  expect((await call('POST', `${path}/remove`, { devices: [sensor] })).body).toEqual({
    devices: [],
  });
  const again = await call('POST', `${path}/remove`, { devices: [sensor] });
  expect([again.status, again.body.error?.code]).toEqual([404, 'ERR_RELATION_UNKNOWN']);
  expect((await call('POST', path, { devices: [] })).status).toBe(400);
  expect((await call('POST', path, { devices: [{ ...sensor, deviceName: 'x' }] })).status).toBe(
    404,
  );
});

test('certificates are issued, listed without their keys, and revoked', async () => {
  await platform.products.add({ productKey: PRODUCT, authentication: 'x509' });
  await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const path = `/devices/${PRODUCT}/lamp/certificates`;
  const { status, body } = await call('POST', path, { days: 1 });
  expect([status, body.key]).toEqual([201, expect.stringMatching(/^-----BEGIN PRIVATE KEY/)]);
  const { certificate: _, key: __, ...shown } = body;
  expect((await call('GET', path)).body).toEqual({ certificates: [shown] });
  expect((await call('GET', '/certificates')).body).toEqual({ certificates: [shown] });
  expect((await call('DELETE', `/certificates/${body.serial}`)).status).toBe(204);
  const [revoked] = platform.certificates.list();
  expect(revoked?.revokedAt).toBeDefined();
  expect((await call('DELETE', '/certificates/x')).body.error?.code).toBe(
    'ERR_CERTIFICATE_UNKNOWN',
  );
  expect((await call('POST', path, { days: 0 })).status).toBe(400);
});

test('a CA is registered by its proof, and so is a certificate under it', async () => {
  await platform.products.add({ productKey: PRODUCT, authentication: 'x509' });
  await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const authority = await TestAuthority.make();
  const { registrationCode } = (await call('GET', '/authorities')).body;
  const proof = await authority.issue(registrationCode as string);
  const body = { certificate: authority.certificate, verification: proof.certificate };
  const made = await call('POST', '/authorities', body);
  expect(made.status).toBe(201);
  expect((await call('GET', '/authorities')).body.authorities).toEqual([made.body]);
  expect((await call('POST', '/authorities', body)).status).toBe(409);
  const { certificate } = await authority.issue('lamp');
  const path = `/devices/${PRODUCT}/lamp/certificates/register`;
  const registered = await call('POST', path, { certificate });
  expect([registered.status, registered.body.authority]).toEqual([201, made.body.id]);
  expect((await call('DELETE', `/authorities/${made.body.id}`)).status).toBe(204);
  expect((await call('DELETE', '/authorities/x')).status).toBe(404);
  expect((await call('POST', path, {})).status).toBe(400);
});

test('devices are added, written to and told in batches', async () => {
  const names = ['one', 'two'].map((deviceName) => ({ productKey: PRODUCT, deviceName }));
  const added = await call('POST', '/devices/batch', { devices: names });
  expect([added.status, added.body.devices]).toMatchObject([201, names]);
  expect((await call('POST', '/devices/batch', { devices: names })).status).toBe(409);
  expect((await call('POST', '/devices/batch', { devices: [] })).status).toBe(400);
  const body = { deviceNames: ['one', 'two'], topic: 'user/get', payload: 'x' };
  const sent = await call('POST', `/products/${PRODUCT}/publish`, body);
  expect(sent.body.publications).toMatchObject([{ state: 'offline' }, { state: 'offline' }]);
  const said = await call('POST', `/products/${PRODUCT}/broadcast`, { payload: 'x' });
  expect(said.body).toEqual({ productKey: PRODUCT, id: expect.any(String), devices: 0 });
  const topic = `/broadcast/${PRODUCT}/news`;
  const told = await call('POST', `/products/${PRODUCT}/broadcast`, { payload: 'x', topic });
  expect(told.body).toEqual({ productKey: PRODUCT, topic, devices: 0 });
  const properties = `/devices/${PRODUCT}/one/properties`;
  expect((await call('GET', properties)).body).toEqual({ properties: {} });
  expect((await call('GET', `/devices/${PRODUCT}/x/properties`)).status).toBe(404);
});
