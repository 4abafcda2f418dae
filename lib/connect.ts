import type { NativeDeviceOptions } from './binding';
import { Device } from './device';
import { IotkitError } from './errors';
import { type Checked, type ConnectOptions, checkConnectOptions } from './options/connect';
import { whenAborted } from './signals';
import { publicKeys, tlsContext } from './trust';

/**
 * Connects a device and resolves once the platform has accepted it. From then on it restores its
 * connection by itself.
 *
 * Causes that may pass (no network, broker unavailable) are tried again until `connectTimeout`,
 * which then rejects with the last of them; others reject at once.
 *
 * @throws {@link InvalidArgument}, as a rejection, before anything is sent.
 * @throws {@link IotkitError} `ERR_MQTT_CREDENTIALS`, `ERR_MQTT_NOT_AUTHORIZED`,
 *   `ERR_TLS_CERTIFICATE`, `ERR_TLS_HOSTNAME`, `ERR_TLS_EXPIRED`, `ERR_TLS_CA`, `ERR_TLS_IDENTITY`,
 *   `ERR_TLS_UNAVAILABLE`, `ERR_PUBLIC_KEY` at once; `ERR_RESOLVE`, `ERR_CONNECT`, `ERR_CONNECT_TIMEOUT`,
 *   `ERR_CONNECTION_CLOSED` and other network errors after `connectTimeout`.
 *
 * @example
 * await using device = await connect({ productKey, deviceName, deviceSecret, region: 'cn-shanghai' });
 */
export async function connect(options: ConnectOptions): Promise<Device> {
  const checked = checkConnectOptions(options, process.env);
  checked.signal?.throwIfAborted();
  const device = new Device(nativeOptions(checked), checked.verify);
  try {
    await firstConnection(device, checked);
    return device;
  } catch (error) {
    await device.close();
    throw error;
  }
}

const signMethodNumbers = { hmacsha256: 0, hmacsha1: 1, hmacmd5: 2 } as const;

function nativeOptions({ signal: _, verify, ...checked }: Checked): NativeDeviceOptions {
  const { ca, identity, bytesPerSecond, ...fetch } = checked.fetch;
  // Our certificate for the broker is not for firmware servers.
  const canDoWithout = checked.tls === undefined && identity.cert === '';
  const fetchTls = tlsContext({ ca, ...identity, certName: '' }, { optional: canDoWithout });
  return {
    ...checked,
    signMethod: signMethodNumbers[checked.signMethod],
    tls: checked.tls === undefined ? undefined : tlsContext(checked.tls),
    bytesPerSecond,
    fetch: {
      ...fetch,
      tls: fetchTls,
      keys: publicKeys(verify.publicKeys),
      requireSignature: verify.requireSignature,
    },
  };
}

/**
 * Resolves with the first connection, rejects with a permanent error, the abort reason, or the last
 * error in time.
 */
async function firstConnection(
  device: Device,
  { connectTimeoutMs, signal }: Checked,
): Promise<void> {
  const states = device.states();
  let last = new IotkitError('ERR_CONNECT_TIMEOUT', `no answer within ${connectTimeoutMs} ms`);
  let abort: (reason: unknown) => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = reject;
  });
  const timer = setTimeout(() => abort(last), connectTimeoutMs);
  const stopListening = whenAborted(signal, () => abort(signal?.reason));
  try {
    for (;;) {
      const { value } = await Promise.race([states.next(), aborted]);
      if (value === undefined) throw last;
      const { state, error } = value;
      if (state === 'connected') return;
      if (state === 'closed' || state === 'closing') throw error ?? last;
      if (error !== undefined) last = error;
      if (error?.retryable === false) throw error;
    }
  } finally {
    clearTimeout(timer);
    stopListening();

    await states.return?.();
  }
}
