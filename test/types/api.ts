// Checked by tsc alone (`npm run check`): what the public types say, allow and refuse. Never run.
import {
  type ConnectOptions,
  compareVersions,
  connect,
  type Device,
  type DeviceState,
  type ErrorCode,
  IotkitError,
  type Progress,
  type StateChange,
  setBandwidthLimit,
  stats,
  type Target,
  type Upgrade,
  type UpgradeFile,
  type VersionContext,
} from '../../lib';

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._proof: Same<A, B> extends true ? [] : ['not the same type']): void {}

const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'ds' };

export async function connecting(): Promise<void> {
  const device = await connect({ ...identity, region: 'cn-shanghai' });
  same<typeof device, Device>();
  await connect({ ...identity, url: 'mqtts://h', tls: { ca: [new Uint8Array(), 'pem'] } });
  // @ts-expect-error the secret is missing
  await connect({ productKey: 'pk', deviceName: 'dn', region: 'cn-shanghai' });
  // @ts-expect-error there is no such method
  await connect({ ...identity, region: 'cn-shanghai', signMethod: 'sha1' });
  // @ts-expect-error certificates are always verified
  await connect({ ...identity, host: 'h', tls: { rejectUnauthorized: false } });
  const options: ConnectOptions = { ...identity, host: 'h' };
  // @ts-expect-error options are read-only
  options.host = 'other';
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
  }
}

export async function targets(device: Device, upgrade: Upgrade): Promise<void> {
  device.ota.setBandwidthLimit(65_536);
  same<typeof upgrade.files, readonly UpgradeFile[]>();
  same<typeof upgrade.paused, boolean>();
  same<ReturnType<typeof upgrade.defer>, Promise<void>>();
  same<ReturnType<typeof upgrade.reject>, Promise<void>>();
  await upgrade.reject('not now');
  const all: readonly Target[] = [
    '/tmp/x',
    { path: '/tmp/y', mode: 0o600 },
    { device: '/dev/mmcblk0p2', offset: 512, journal: '/var/lib/journal' },
    { write: (chunk: Uint8Array, offset: number) => void [chunk, offset] },
    { write: async () => {}, close: async () => {}, abort: (reason) => void reason },
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
  if (!IotkitError.is(error)) return undefined;
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
