// Tested by test/integration/refusal.test.ts
/** open() and connect(): from options to a device. */
import { isDeepStrictEqual } from 'node:util';
import type { NativeDeviceOptions } from '../addon/binding';
import { native, unwrap } from '../addon/load';
import { prepareTrust, tlsContext } from '../addon/trust';
import { traced } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import { registerPatiently } from '../identity/registration';
import { signMethodNumbers } from '../identity/who';
import {
  type CheckedFirst,
  type CheckedOpen,
  type ConnectOptions,
  checkConnectOptions,
  checkOpenOptions,
  type OpenOptions,
} from './connect-options';
import { Device } from './device';
import type { ConnectTrace } from './events';
import { clockOf, nativeFetch } from './fetch';
import { logDevice } from './logger';
import { type DeviceRules, listenerOf } from './parts';

/**
 * Makes a device that connects as soon as it can, and again whenever the connection is lost, without
 * end: for programs that start before there is a network. Returns at once; nothing has been sent
 * yet. {@link Device.states} and {@link Device.on} say what becomes of it, {@link StateChange} which
 * errors need an operator.
 *
 * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TLS_CA`, `ERR_TLS_IDENTITY`,
 *   `ERR_TLS_UNAVAILABLE`, `ERR_PUBLIC_KEY`.
 *
 * @example
 * await using device = open({ productKey, deviceName, deviceSecret, region: 'cn-shanghai' });
 * for await (const upgrade of device.ota.upgrades()) …
 */
export function open(options: OpenOptions): Device {
  return openDevice(checkOpenOptions(options, process.env));
}

/**
 * Connects a device and resolves once the platform has accepted it: {@link open} and the first
 * connection. From then on the device restores its connection by itself.
 *
 * After a failure that may pass (no network, broker unavailable) it tries again until
 * `connectTimeout`, then rejects with the last error; other failures reject immediately. A
 * subscription that the broker refuses is told by {@link Device.states}.
 *
 * @throws {@link InvalidArgument}, as a rejection, before anything is sent.
 * @throws {@link IotkitError} `ERR_MQTT_CREDENTIALS`, `ERR_MQTT_NOT_AUTHORIZED`,
 *   `ERR_TLS_CERTIFICATE`, `ERR_TLS_HOSTNAME`, `ERR_TLS_EXPIRED`, `ERR_TLS_CA`, `ERR_TLS_IDENTITY`,
 *   `ERR_TLS_UNAVAILABLE`, `ERR_PUBLIC_KEY`, `ERR_MQTT_IN_USE` (another {@link Device} of this
 *   process, in whatever thread, is the same device at the same host and port; one whose `close()`
 *   has been called is waited for) immediately; `ERR_RESOLVE`, `ERR_CONNECT`,
 *   `ERR_CONNECT_TIMEOUT`, `ERR_CONNECTION_CLOSED`, `ERR_TLS_NOT_YET_VALID` (this device's clock may
 *   not be set yet) and other network errors after `connectTimeout`.
 *
 * @example
 * await using device = await connect({ productKey, deviceName, deviceSecret, region: 'cn-shanghai' });
 */
export async function connect(options: ConnectOptions): Promise<Device> {
  const [checked, first] = checkConnectOptions(options, process.env);
  throwIfAborted(first.signal);
  const { productKey, deviceName, host, port } = checked;
  const trace: ConnectTrace = { productKey, deviceName, host, port };
  return traced('connect', trace, () => openAndWait(checked, first));
}

async function openAndWait(checked: CheckedOpen, first: CheckedFirst): Promise<Device> {
  if (checked.tls?.ca === '') await prepareTrust();
  throwIfAborted(first.signal);
  const end = performance.now() + first.connectTimeoutMs;
  const device = openDevice(await identified(checked, end, first.signal));
  try {
    throwIfAborted(first.signal);
    await firstConnection(device, first, end);
    return device;
  } catch (error) {
    await device.close();
    throw error;
  }
}

/** With the credentials or names that a registration brings, or that are kept of an earlier one. */
async function identified(
  checked: CheckedOpen,
  end: number,
  signal: AbortSignal | undefined,
): Promise<CheckedOpen> {
  const { registration, reconnectMinMs: minMs, reconnectMaxMs: maxMs } = checked;
  if (registration === undefined) return checked;
  const got = await registerPatiently(registration, { end, minMs, maxMs }, signal);
  const { productKey, deviceName, deviceSecret, deviceToken } = got;
  const clientId = got.clientId === '' ? checked.clientId : got.clientId;
  return { ...checked, productKey, deviceName, deviceSecret, deviceToken, clientId };
}

function openDevice(checked: CheckedOpen): Device {
  const options = nativeOptions(checked);
  const { logger } = checked;
  const log = logger && ((logged: Device) => logDevice(logged, logged.listeners, logger));
  const device = new Device(
    checked,
    rulesOf(checked),
    (listener) => unwrap(native.openDevice(options, listenerOf(listener))),
    { setCertificateTime: clockOf(checked.fetch, options.fetch), onSubDevice: log },
  );
  log?.(device);
  return device;
}

/** Those of the last device that have no function of the program's in them. */
let lastRules: DeviceRules | undefined;

/** Devices with the same rules, as thousands of one program have, share them. */
function rulesOf({ verify, messages, fetch: { maxSize } }: CheckedOpen): DeviceRules {
  const { newerOnly, allowVersion } = verify;
  const rules = { verify: { newerOnly, allowVersion }, messages, maxSize };
  if (allowVersion !== undefined) return rules;
  if (!isDeepStrictEqual(rules, lastRules)) lastRules = rules;
  return lastRules ?? rules;
}

function nativeOptions(given: CheckedOpen): NativeDeviceOptions {
  const {
    verify,
    attemptTimeoutMs,
    logger: _,
    registration: _registered,
    messages: __,
    ...checked
  } = given;
  return {
    ...checked,
    ...nativeFetch(checked.fetch, verify, checked.tls === undefined),
    connectTimeoutMs: attemptTimeoutMs,
    signMethod: signMethodNumbers[checked.signMethod],
    tls: checked.tls === undefined ? undefined : tlsContext(checked.tls),
  };
}

/**
 * Resolves with the first connection; rejects with a permanent error, the signal's reason, or at the
 * `end` of the time-out with the last error.
 */
async function firstConnection(
  device: Device,
  { connectTimeoutMs, signal }: CheckedFirst,
  end: number,
): Promise<void> {
  const states = device.states();
  let last: IotkitError | undefined;
  const failure = (): IotkitError =>
    last ?? new IotkitError('ERR_CONNECT_TIMEOUT', `no answer within ${connectTimeoutMs} ms`);
  let abort: (reason: unknown) => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = reject;
  });
  const timer = setTimeout(() => abort(failure()), Math.max(1, end - performance.now()));
  const stopListening = whenAborted(signal, abort);
  try {
    for (;;) {
      const { value } = await Promise.race([states.next(), aborted]);
      if (value === undefined) throw failure();
      const { state, error } = value;
      if (state === 'connected') return;
      if (state === 'closed' || state === 'closing') throw error ?? failure();
      if (error !== undefined) last = error;
      if (error?.retryable === false) throw error;
    }
  } finally {
    clearTimeout(timer);
    stopListening();

    await states.return?.();
  }
}
