// Checked by tsc alone (`npm run check`): what the public types say, allow and refuse. Never run.
import { createWriteStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import mqtt from 'mqtt';
import {
  type AttachedDevice,
  attach,
  attachMqttJs,
  type ConnectOptions,
  compareVersions,
  connect,
  type Device,
  type DeviceOptions,
  type DeviceState,
  type Endpoint,
  type ErrorCode,
  IotkitError,
  type Iteration,
  type Message,
  open,
  type Progress,
  type StateChange,
  setBandwidthLimit,
  stats,
  type Target,
  type TopicSubscription,
  type Upgrade,
  type UpgradeFile,
  type UpgradeState,
  type VersionContext,
} from '../../lib';

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Same<A, B> extends true ? [] : ['not the same type']): void {}

const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'ds' };

export function attaching(): void {
  const names = { productKey: 'pk', deviceName: 'dn' };
  const way = {
    publish: (_topic: string, _payload: Uint8Array) => {},
    subscribe: async () => {},
    onMessage: (receive: (topic: string, payload: Uint8Array) => boolean) => () => receive,
  };
  const device = attach({ ...names, ...way });
  same<typeof device, AttachedDevice>();
  same<typeof device.ota, Device['ota']>();
  same<typeof device.state, DeviceState>();
  // @ts-expect-error messages have to come from somewhere
  attach({ ...names, publish: way.publish, subscribe: way.subscribe });
  // @ts-expect-error the program has signed in
  attach({ ...names, ...way, deviceSecret: 'ds' });
  same<ReturnType<typeof attachMqttJs>, AttachedDevice>();
  attachMqttJs(mqtt.connect('mqtts://h'), names);
  // @ts-expect-error no client of MQTT.js
  attachMqttJs({ connected: true }, names);
}

export async function connecting(): Promise<void> {
  const device = await connect({ ...identity, region: 'cn-shanghai' });
  same<typeof device, Device>();
  await connect({ ...identity, url: 'mqtts://h', tls: { ca: [new Uint8Array(), 'pem'] } });
  // @ts-expect-error the secret is missing
  await connect({ productKey: 'pk', deviceName: 'dn', region: 'cn-shanghai' });
  // @ts-expect-error a device has one platform
  await connect({ ...identity, region: 'cn-shanghai', host: 'h' });
  // @ts-expect-error the port is part of the URL
  await connect({ ...identity, url: 'mqtts://h', port: 8883 });
  // @ts-expect-error these have no plain TCP
  await connect({ ...identity, region: 'cn-shanghai', tls: false });
  // @ts-expect-error a device needs a platform
  await connect({ ...identity });
  // @ts-expect-error there is no such method
  await connect({ ...identity, region: 'cn-shanghai', signMethod: 'sha1' });
  // @ts-expect-error certificates are always verified
  await connect({ ...identity, host: 'h', tls: { rejectUnauthorized: false } });
  const options: ConnectOptions = { ...identity, host: 'h' };
  // @ts-expect-error options are read-only
  options.host = 'other';
}

export async function opening(options: DeviceOptions, endpoint: Endpoint): Promise<void> {
  await using device = open({ ...options, ...endpoint });
  same<typeof device, Device>();
  same<typeof device.closed, Promise<IotkitError | undefined>>();
  same<typeof device.error, IotkitError | undefined>();
  // @ts-expect-error it concerns the first connection
  open({ ...options, region: 'r', connectTimeout: 1 });
  using upgrades = device.on('upgrade', (upgrade) => same<typeof upgrade, Upgrade>());
  upgrades.off();
  device.on('state', (change) => same<typeof change, StateChange>());
  device.on('refused', (error) => same<typeof error, IotkitError>());
  // @ts-expect-error there is no such event
  device.on('progress', () => {});
}

export async function messages(device: Device): Promise<void> {
  same<ReturnType<typeof device.topic>, string>();
  for (const payload of [
    'text',
    new Uint8Array(),
    new ArrayBuffer(1),
    new DataView(new ArrayBuffer(1)),
  ]) {
    same<void, Awaited<ReturnType<typeof device.publish>>>();
    await device.publish('t', payload, { qos: 1, retain: true });
  }
  // @ts-expect-error there is no such QoS
  await device.publish('t', '', { qos: 3 });
  // @ts-expect-error a number is no payload
  await device.publish('t', 7);
  await using subscription = await device.subscribe('t/#', { qos: 2, highWaterMark: 10 });
  same<typeof subscription, TopicSubscription>();
  for await (const message of subscription) {
    same<typeof message, Message>();
    same<typeof message.qos, 0 | 1 | 2>();
    same<ReturnType<typeof message.json>, unknown>();
    // @ts-expect-error what has arrived is read-only
    message.topic = 'other';
  }
  await connect({
    ...identity,
    host: 'h',
    will: { topic: 't', payload: new Uint8Array(), qos: 1, retain: true },
    messages: { offline: 'refuse', maxWaiting: 10 },
  });
  using calls = await device.onRpc(async (call) => {
    same<typeof call.id, string>();
    return call.payload;
  });
  calls.off();
  // @ts-expect-error an answer is a payload
  await device.onRpc(() => undefined);
  const { data } = await device.request('t', { method: 'm' });
  same<typeof data, unknown>();
  // @ts-expect-error there is no such policy
  await connect({ ...identity, host: 'h', messages: { offline: 'drop' } });
}

/** Every option may be undefined, with exactOptionalPropertyTypes as here. */
export async function absent(device: Device, upgrade: Upgrade, none: undefined): Promise<void> {
  const times = { keepAlive: none, attemptTimeout: none, connectTimeout: none, timestamp: none };
  const places = { region: none, instanceId: none, url: none, port: none, tls: none };
  await connect({ ...identity, ...times, ...places, host: 'h', signMethod: none, signal: none });
  await connect({
    ...identity,
    region: 'r',
    reconnect: { min: none, max: none },
    fetch: { ca: none, retry: { min: none, max: none }, lowSpeed: none, proxy: none },
    verify: { publicKeys: none, newerOnly: none, allowVersion: none },
    will: none,
    messages: { offline: none, maxWaiting: none, rate: none, customRpc: none },
  });
  await device.publish('t', '', { qos: none, retain: none, signal: none });
  await device.subscribe('t', { qos: none, signal: none, highWaterMark: none });
  await device.request('t', {}, { replyTopic: none, timeout: none, signal: none });
  await device.onRpc(() => '', { topic: none });
  await device.ota.check({ module: none, timeout: none, signal: none });
  await device.ota.nextUpgrade({ module: none, timeout: none, signal: none });
  await device.ota.reportVersion('1', { module: none, signal: none });
  await device.ota.reportProgress(1, { desc: none, module: none });
  device.ota.upgrades({ module: none, signal: none });
  device.states({ signal: none });
  await upgrade.defer({ until: none });
  upgrade.progress({ signal: none });
  upgrade.states({ signal: none });
  const writer = { write: () => {}, close: none, abort: none };
  await upgrade.download([writer, { path: '/a', mode: none }, { device: '/b', offset: none }], {
    signal: none,
    onProgress: none,
    report: none,
    resume: none,
    signature: none,
  });
  upgrade.chunks({ recycle: none, chunkSize: none });
}

export async function fetching(): Promise<void> {
  await connect({
    ...identity,
    host: 'h',
    fetch: {
      cert: 'pem',
      key: new Uint8Array(),
      renewTimeout: false,
      connections: 4,
      headers: { Authorization: 'Bearer x' },
      proxy: false,
      allowedHosts: ['*.example.com'],
      bytesPerSecond: 100_000,
    },
    verify: {
      publicKeys: ['pem', new Uint8Array()],
      requireSignature: true,
      requireStatement: true,
      newerOnly: true,
      allowVersion: (version, context) => {
        same<typeof version, string>();
        same<typeof context, VersionContext>();
        same<typeof context.current, string | undefined>();
        return compareVersions(version, context.current ?? '') > 0;
      },
    },
  });
  // @ts-expect-error true is no proxy
  await connect({ ...identity, host: 'h', fetch: { proxy: true } });
  // @ts-expect-error a time-out or false
  await connect({ ...identity, host: 'h', fetch: { renewTimeout: true } });
  // @ts-expect-error the answer must be there at once
  await connect({ ...identity, host: 'h', verify: { allowVersion: async () => true } });
  // @ts-expect-error a header has one value
  await connect({ ...identity, host: 'h', fetch: { headers: { a: ['1', '2'] } } });
  setBandwidthLimit(undefined);
  // @ts-expect-error no limit is undefined
  setBandwidthLimit(null);
}

export async function devices(device: Device): Promise<void> {
  same<typeof device.state, DeviceState>();
  same<DeviceState, 'connecting' | 'connected' | 'waiting' | 'closing' | 'closed'>();
  same<ReturnType<Device['close']>, Promise<void>>();
  same<ReturnType<Device['ref']>, Device>();
  // @ts-expect-error the state is read-only
  device.state = 'connected';
  for await (const change of device.states()) same<typeof change, StateChange>();
  await using states = device.states();
  same<typeof states, Iteration<StateChange>>();
  await using disposable = device;
  disposable.unref();
}

export async function upgrades(device: Device, signal: AbortSignal): Promise<void> {
  await device.ota.reportVersion('1.0.0', { module: 'MCU', signal });
  await device.ota.reportProgress(50, { desc: 'flashing' });
  // @ts-expect-error a step is a number
  await device.ota.reportProgress('50');
  const found = await device.ota.check();
  same<typeof found, Upgrade | undefined>();
  for await (const upgrade of device.ota.upgrades({ signal })) {
    same<typeof upgrade, Upgrade>();
    same<typeof upgrade.module, string | undefined>();
    same<typeof upgrade.digestMethod, 'md5' | 'sha256'>();
    // @ts-expect-error what is announced is read-only
    upgrade.version = '2';
    await upgrade.download('/tmp/x', {
      signal,
      onProgress: (progress) => same<typeof progress, Progress>(),
    });
    // @ts-expect-error recycle is of chunks()
    await upgrade.download('/tmp/x', { recycle: true });
    for await (const chunk of upgrade) same<typeof chunk, Uint8Array>();
    for await (const chunk of upgrade.chunks({ recycle: true, chunkSize: 4096 })) chunk.subarray(1);
    same<ReturnType<typeof upgrade.stream>, ReadableStream<Uint8Array>>();
    // @ts-expect-error a stream's chunks are the reader's to keep
    upgrade.stream({ recycle: true });
    for await (const progress of upgrade.progress()) same<typeof progress, Progress>();
    for await (const state of upgrade.states({ signal })) {
      same<typeof state, UpgradeState>();
      if (state.phase === 'retrying') same<typeof state.error, IotkitError>();
      if (state.phase === 'failed') same<typeof state.error, unknown>();
      // @ts-expect-error only some phases have an error
      state.error;
    }
    using states = upgrade.on('state', (state) => same<typeof state, UpgradeState>());
    states.off();
    // @ts-expect-error there is no such event
    upgrade.on('progress', () => {});
  }
}

export async function targets(device: Device, upgrade: Upgrade): Promise<void> {
  device.ota.setBandwidthLimit(65_536);
  same<typeof upgrade.files, readonly UpgradeFile[]>();
  same<typeof upgrade.paused, boolean>();
  same<ReturnType<typeof upgrade.defer>, Promise<void>>();
  same<ReturnType<typeof upgrade.reject>, Promise<void>>();
  await upgrade.defer({ until: new Date() });
  await upgrade.report(80, 'flashing');
  await upgrade.fail('flash');
  await upgrade.reject('not now');
  const all: readonly Target[] = [
    '/tmp/x',
    { path: '/tmp/y', mode: 0o600 },
    { device: '/dev/mmcblk0p2', offset: 512, journal: '/var/lib/journal' },
    { write: (chunk: Uint8Array, offset: number) => void [chunk, offset] },
    { write: async () => {}, close: async () => {}, abort: (reason) => void reason },
    // What a writer is given is known without saying so.
    { write: (chunk, offset) => void [chunk.byteLength, offset.toFixed()] },
    new URL('file:///tmp/z'),
    { path: new URL('file:///tmp/z') },
    new PassThrough(),
    createWriteStream('/tmp/z'),
    process.stdout,
    new WritableStream<Uint8Array>(),
    new TransformStream<Uint8Array, string>().writable,
  ];
  await upgrade.download(all, { resume: false, report: { upTo: 60 } });
  await upgrade.download('/tmp/x', { signature: { value: new Uint8Array(256), over: 'image' } });
  await upgrade.download('/tmp/dir', { signatures: { 'app.bin': { value: 'AAAA' } } });
  // @ts-expect-error a file has a path or is a device
  await upgrade.download({ file: '/tmp/x' });
  // @ts-expect-error it is the digest or the image that is signed
  await upgrade.download('/tmp/x', { signature: { value: '', over: 'header' } });
  // @ts-expect-error what is announced is read-only
  upgrade.files.push({});
}

export function errors(error: unknown): ErrorCode | undefined {
  same<ReturnType<typeof IotkitError.from>, IotkitError | undefined>();
  if (!IotkitError.isIotkitError(error)) return undefined;
  same<typeof error, IotkitError>();
  same<typeof error.errno, number>();
  // @ts-expect-error there is no such code
  if (error.code === 'ERR_NO_SUCH_CODE') return undefined;
  const code: ErrorCode = 'ERR_DIGEST_MISMATCH';
  return error.code === code ? code : undefined;
}

export function counts(): number {
  return stats().threads;
}
