import { runInNewContext } from 'node:vm';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import * as sdk from 'iotkit-ota/sdk';
import {
  IOT_MQTT_Construct,
  IOT_MQTT_Destroy,
  IOT_OTA_Deinit,
  IOT_OTA_Init,
  type MqttHandle,
  type OtaHandle,
} from 'iotkit-ota/sdk';
import { PRODUCT_KEY, SdkWorld } from './support';

// Called as JavaScript would: with anything. Wrong types are refused, everything else is answered
// as C answers it.

type Loose = Readonly<Record<string, (...args: unknown[]) => unknown>>;
const loose = sdk as unknown as Loose;
const call = async (name: string, ...args: unknown[]): Promise<unknown> => loose[name]?.(...args);

let world: SdkWorld;
let mqtt: MqttHandle;
let ota: OtaHandle;

beforeAll(async () => {
  world = await SdkWorld.open();
  mqtt = await world.connect(await world.register());
  ota = IOT_OTA_Init(PRODUCT_KEY, 'lamp', mqtt) as OtaHandle;
  // Beside another one null means neither.
  await world.connect(await world.register('other'));
});

const invalid = { name: 'TypeError', code: 'ERR_INVALID_ARGUMENT' };
const bytes = Buffer.alloc(8);
const nothing = () => {};

/** Good arguments after the handle, by function. */
const mqttCalls: ReadonlyArray<[string, unknown[]]> = [
  ['IOT_MQTT_Yield', [0]],
  ['IOT_MQTT_CheckStateNormal', []],
  ['IOT_MQTT_Subscribe', ['/a', 0, nothing]],
  ['IOT_MQTT_Subscribe_Sync', ['/a', 0, nothing, undefined, 0]],
  ['IOT_MQTT_Unsubscribe', ['/a']],
  ['IOT_MQTT_Publish', ['/a', { qos: 0, payload: 'x' }]],
  ['IOT_MQTT_Publish_Simple', ['/a', 0, 'x']],
  ['IOT_MQTT_Destroy', []],
];
const otaCalls: ReadonlyArray<[string, unknown[]]> = [
  ['IOT_OTA_ReportVersion', ['1.0.0']],
  ['IOT_OTA_ReportProgress', [1, null]],
  ['IOT_OTA_IsFetching', []],
  ['IOT_OTA_IsFetchFinish', []],
  ['IOT_OTA_FetchYield', [bytes, 1]],
  ['IOT_OTA_Ioctl', [7, bytes.subarray(0, 4)]],
  ['IOT_OTA_GetLastError', []],
  ['IOT_OTA_SetOnPushedCallback', [nothing]],
  ['iotx_req_image', ['1.0.0']],
  ['iotx_ota_get_config', ['product', 'file', '']],
  ['IOT_OTA_Deinit', []],
];
/** What C returns for NULL where it is not -2. */
const ofNull: Readonly<Record<string, number>> = {
  IOT_MQTT_CheckStateNormal: 0,
  IOT_MQTT_Publish_Simple: -1,
  IOT_OTA_IsFetching: 0,
  IOT_OTA_IsFetchFinish: 0,
};

describe('a handle', () => {
  test.each([...mqttCalls, ...otaCalls])(
    '%s of null answers as C does for NULL',
    async (name, args) => {
      expect(await call(name, null, ...args)).toBe(ofNull[name] ?? -2);
    },
  );

  test.each([...mqttCalls, ...otaCalls])('%s refuses what is no handle', async (name, args) => {
    const other = name.startsWith('IOT_MQTT') ? ota : mqtt;
    for (const wrong of [undefined, 1, 'handle', {}, [], nothing, Object.create(mqtt), other]) {
      await expect(call(name, wrong, ...args)).rejects.toMatchObject(invalid);
    }
  });

  test('is refused in another thread', async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(ota);
    const sent = receiveMessageOnPort(port2) as { readonly message: unknown };
    port1.close();
    await expect(call('IOT_OTA_IsFetching', sent.message)).rejects.toMatchObject(invalid);
  });

  test('of another realm or copy of the package is refused', async () => {
    const copy = runInNewContext('({ __proto__: class MqttHandle {}.prototype })');
    await expect(call('IOT_MQTT_Yield', copy, 0)).rejects.toMatchObject(invalid);
  });

  test('is frozen and cannot be made otherwise', () => {
    expect(Object.isFrozen(mqtt) && Object.isFrozen(ota)).toBe(true);
    for (const handle of [mqtt, ota]) {
      const Class = handle.constructor as new (...args: unknown[]) => unknown;
      expect(() => new Class()).toThrow(TypeError);
    }
  });

  test('that was closed answers like null, also while it is being closed', async () => {
    const key = await world.register('closed');
    const handle = await world.connect(key);
    const upgrades = IOT_OTA_Init(PRODUCT_KEY, 'closed', handle);
    const deinit = IOT_OTA_Deinit(upgrades);
    for (const [name, args] of otaCalls) {
      expect([name, await call(name, upgrades, ...args)]).toEqual([name, ofNull[name] ?? -2]);
    }
    expect(await deinit).toBe(0);
    const destroy = IOT_MQTT_Destroy(handle);
    for (const [name, args] of mqttCalls) {
      expect([name, await call(name, handle, ...args)]).toEqual([name, ofNull[name] ?? -2]);
    }
    expect(await destroy).toBe(0);
    expect(IOT_OTA_Init(PRODUCT_KEY, 'closed', handle)).toBeNull();
    expect(await IOT_MQTT_Destroy(handle)).toBe(-2);
  });

  test('of OTA is closed with its client', async () => {
    const handle = await world.connect(await world.register('together'));
    const upgrades = IOT_OTA_Init(PRODUCT_KEY, 'together', handle);
    expect(await IOT_MQTT_Destroy(handle)).toBe(0);
    expect(await call('IOT_OTA_ReportVersion', upgrades, '1.0.0')).toBe(-2);
    expect(await IOT_OTA_Deinit(upgrades)).toBe(-2);
  });
});

describe('a value of the wrong type', () => {
  const wrongText = [undefined, 1, {}, 'with \0'];
  const wrongNumber = [undefined, null, '1', 1.5, Number.NaN, 2 ** 32];
  const wrongFunction = [undefined, 1, 'f', {}];
  const wrongBytes = [
    undefined,
    1,
    'text',
    [],
    new DataView(new ArrayBuffer(8)),
    new ArrayBuffer(8),
  ];

  const cases: ReadonlyArray<[string, (wrong: unknown) => unknown[], readonly unknown[]]> = [
    ['IOT_MQTT_Yield', (w) => [mqtt, w], [...wrongNumber, 2 ** 31]],
    ['IOT_MQTT_Subscribe', (w) => [mqtt, w, 0, nothing], wrongText],
    ['IOT_MQTT_Subscribe', (w) => [mqtt, '/a', w, nothing], wrongNumber],
    ['IOT_MQTT_Subscribe', (w) => [mqtt, '/a', 0, w], wrongFunction],
    ['IOT_MQTT_Subscribe_Sync', (w) => [mqtt, w, 0, nothing, 0, 0], wrongText],
    ['IOT_MQTT_Subscribe_Sync', (w) => [mqtt, '/a', 0, nothing, 0, w], wrongNumber],
    ['IOT_MQTT_Unsubscribe', (w) => [mqtt, w], wrongText],
    ['IOT_MQTT_Publish', (w) => [mqtt, w, { qos: 0, payload: '' }], wrongText],
    ['IOT_MQTT_Publish', (w) => [mqtt, '/a', w], [undefined, 1, 'text', []]],
    ['IOT_MQTT_Publish', (w) => [mqtt, '/a', { qos: w, payload: '' }], ['1', 1.5, -1, 256]],
    ['IOT_MQTT_Publish', (w) => [mqtt, '/a', { qos: 0, payload: w }], [1, {}, []]],
    ['IOT_MQTT_Publish_Simple', (w) => [mqtt, '/a', 0, w], [undefined, 1, {}, []]],
    ['IOT_OTA_Init', (w) => [w, 'lamp', mqtt], wrongText],
    ['IOT_OTA_Init', (w) => [PRODUCT_KEY, w, mqtt], wrongText],
    ['IOT_OTA_Init', (w) => [PRODUCT_KEY, 'lamp', w], [undefined, 1, {}]],
    ['IOT_OTA_ReportVersion', (w) => [ota, w], wrongText],
    ['IOT_OTA_ReportProgress', (w) => [ota, w, null], wrongNumber],
    ['IOT_OTA_ReportProgress', (w) => [ota, 1, w], wrongText],
    ['IOT_OTA_FetchYield', (w) => [ota, w, 1], [...wrongBytes, new Uint16Array(4)]],
    ['IOT_OTA_FetchYield', (w) => [ota, bytes, w], [...wrongNumber, -1]],
    ['IOT_OTA_Ioctl', (w) => [ota, w, bytes], wrongNumber],
    ['IOT_OTA_Ioctl', (w) => [ota, 7, w], wrongBytes],
    ['IOT_OTA_SetOnPushedCallback', (w) => [ota, w], wrongFunction],
    ['iotx_req_image', (w) => [ota, w], wrongText],
    ['iotx_ota_get_config', (w) => [ota, w, 'file', ''], wrongText],
    ['iotx_ota_get_config', (w) => [ota, 'product', w, ''], wrongText],
    ['iotx_ota_get_config', (w) => [ota, 'product', 'file', w], wrongText],
    ['IOT_SetupConnInfo', (w) => [w, 'lamp', 'secret'], wrongText],
    ['IOT_SetupConnInfo', (w) => ['pk', 'lamp', w], wrongText],
    ['IOT_Ioctl', (w) => [w, 0], wrongNumber],
    ['IOT_Ioctl', (w) => [0, w], [undefined, 'text', 1.5, new Int32Array(2)]],
    ['IOT_Ioctl', (w) => [13, w], [undefined, 1, {}]],
    ['IOT_SetLogLevel', (w) => [w], wrongNumber],
    ['IOT_DumpMemoryStats', (w) => [w], wrongNumber],
    ['IOT_MQTT_Construct', (w) => [w], [undefined, 1, 'text', []]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), port: w }], ['1883', -1, 65_536, 1.5]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), host: w }], [1, {}]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), pub_key: w }], [1, true]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), clean_session: w }], [true, 256]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), read_buf_size: w }], [-1, 2 ** 32]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), handle_event: w }], [nothing, 1]],
    ['IOT_MQTT_Construct', (w) => [{ ...good(), handle_event: { h_fp: w } }], [1, {}]],
  ];
  const good = () => ({ host: '127.0.0.1', port: 1, client_id: 'c' });

  test.each(cases)('%s', async (name, args, wrong) => {
    for (const value of wrong) {
      await expect(call(name, ...args(value))).rejects.toMatchObject(invalid);
    }
  });

  test('never shows a secret', async () => {
    const secret = 'top\0secret';
    for (const refused of [
      call('IOT_SetupConnInfo', 'pk', 'dn', secret),
      call('IOT_MQTT_Construct', { ...good(), password: secret }),
    ]) {
      await expect(refused).rejects.toThrow(/password|device_secret/);
      await expect(refused).rejects.not.toThrow(/secret"|top/);
    }
  });
});

describe('what C refuses', () => {
  test('is not thrown', async () => {
    expect(await call('IOT_MQTT_Yield', mqtt, -1)).toBe(-1);
    expect(await call('IOT_MQTT_Subscribe', mqtt, 'no slash', 0, nothing)).toBe(-41);
    expect(await call('IOT_MQTT_Subscribe', mqtt, '/a', 3, nothing)).toBe(-1);
    expect(await call('IOT_MQTT_Subscribe', mqtt, '/a', 0, null)).toBe(-2);
    expect(await call('IOT_MQTT_Subscribe', mqtt, null, 0, nothing)).toBe(-2);
    expect(await call('IOT_MQTT_Subscribe_Sync', mqtt, null, 0, nothing, 0, 0)).toBe(-2);
    expect(await call('IOT_MQTT_Publish', mqtt, '/a', null)).toBe(-2);
    expect(await call('IOT_MQTT_Publish', mqtt, '/a', { qos: 2, payload: '' })).toBe(-20);
    expect(await call('IOT_MQTT_Publish', mqtt, '/a/+', { qos: 0, payload: '' })).toBe(-41);
    expect(await call('IOT_MQTT_Publish_Simple', mqtt, '/a/+', 0, '')).toBe(-1);
    expect(await call('IOT_OTA_ReportVersion', ota, '')).toBe(-1);
    expect(await call('IOT_OTA_ReportVersion', ota, 'v'.repeat(65))).toBe(-1);
    expect(await call('IOT_OTA_ReportProgress', ota, 101, null)).toBe(-1);
    expect(await call('IOT_OTA_GetLastError', ota)).toBe(-2);
    expect(await call('IOT_OTA_FetchYield', ota, null, 1)).toBe(-2);
    expect(await call('IOT_OTA_FetchYield', ota, new Uint8Array(0), 1)).toBe(-2);
    expect(await call('IOT_OTA_FetchYield', ota, bytes, 1)).toBe(-3);
    expect(await call('IOT_OTA_Ioctl', ota, 7, null)).toBe(-2);
    expect(await call('IOT_OTA_Ioctl', ota, 7, new Uint8Array(0))).toBe(-2);
    expect(await call('IOT_OTA_Ioctl', ota, 99, bytes)).toBe(-3);
    expect(IOT_OTA_Init('', 'lamp', mqtt)).toBeNull();
    expect(IOT_OTA_Init(null, 'lamp', mqtt)).toBeNull();
    expect(IOT_OTA_Init(PRODUCT_KEY, 'a/b', mqtt)).toBeNull();
    expect(IOT_OTA_Init(PRODUCT_KEY, 'lamp', null)).toBeNull();
    expect(await call('IOT_SetupConnInfo', '', 'dn', 'ds')).toEqual([-1, null]);
    expect(await call('IOT_SetupConnInfo', null, 'dn', 'ds')).toEqual([-1, null]);
    expect(await call('IOT_Ioctl', 0, 99)).toBe(-1);
    expect(await call('IOT_Ioctl', 77, 'anything')).toBe(-1);
    expect(await call('IOT_Ioctl', 13, null)).toBe(-1);
  });

  test('a connection that cannot be made is null', async () => {
    const params = world.params(await world.register('stranger'));
    expect(await IOT_MQTT_Construct({ ...params, password: 'wrong' })).toBeNull();
    expect(await IOT_MQTT_Construct({ ...params, host: '' })).toBeNull();
    expect(await IOT_MQTT_Construct({ ...params, pub_key: 'no certificate' })).toBeNull();
    expect(await IOT_MQTT_Construct(null)).toBeNull();
  });
});

test('IOT_Ioctl fills a cell, and what it sets is used', () => {
  const region = new Int32Array(1);
  expect(sdk.IOT_Ioctl(sdk.IOTX_IOCTL_SET_REGION, sdk.IOTX_CLOUD_REGION_GERMANY)).toBe(0);
  expect(sdk.IOT_Ioctl(sdk.IOTX_IOCTL_GET_REGION, region)).toBe(0);
  expect(region[0]).toBe(sdk.IOTX_CLOUD_REGION_GERMANY);
  expect(sdk.IOT_SetupConnInfo('pk', 'dn', 'ds')).toMatchObject([
    0,
    { host_name: 'pk.iot-as-mqtt.eu-central-1.aliyuncs.com', username: 'dn&pk' },
  ]);
  expect(sdk.IOT_Ioctl(sdk.IOTX_IOCTL_SET_ENDPOINT, 'broker.example')).toBe(0);
  expect(sdk.IOT_SetupConnInfo('pk', 'dn', 'ds')).toMatchObject([
    0,
    { host_name: 'broker.example' },
  ]);
  sdk.IOT_Ioctl(sdk.IOTX_IOCTL_SET_ENDPOINT, '');
  sdk.IOT_Ioctl(sdk.IOTX_IOCTL_SET_REGION, sdk.IOTX_CLOUD_REGION_SHANGHAI);
});
