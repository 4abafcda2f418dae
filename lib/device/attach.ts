// Tested by test/integration/attach.test.ts
/** attach(): a device over a connection that the program has already. */
import type { DeviceListener, NativeDevice } from '../addon/binding';
import { native, unwrap } from '../addon/load';
import { checkMessages } from '../messaging/options';
import { type AttachOptions, checkAttachOptions } from './attach-options';
import { AttachedConnection } from './attached-connection';
import { Device } from './device';
import { clockOf, nativeFetch } from './fetch';
import { logDevice } from './logger';
import { listenerOf } from './parts';

/**
 * A device over a connection of the program's: see {@link attach}. Its `ota`, `config` and `time()` are
 * those of a {@link Device}. Its state is `connected` while the program says that there is a connection, else
 * `waiting`. By itself it does not keep the process alive, which the program's connection does;
 * running operations do.
 */
export type AttachedDevice = Pick<
  Device,
  | 'ota'
  | 'config'
  | 'time'
  | 'productKey'
  | 'deviceName'
  | 'state'
  | 'error'
  | 'states'
  | 'on'
  | 'ref'
  | 'unref'
  | 'closed'
  | 'close'
  | typeof Symbol.asyncDispose
>;

/**
 * Makes a device over an MQTT connection that the program has already: the platform allows one for each
 * device, and ends the first when a second one signs in. Returns at once. The connection stays the
 * program's: {@link Device.close} gives the subscriptions back and no more. For MQTT.js there is
 * {@link attachMqttJs}.
 *
 * Sub-devices of a gateway have one each, over the same connection.
 *
 * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TLS_CA`, `ERR_TLS_IDENTITY`,
 *   `ERR_TLS_UNAVAILABLE`, `ERR_PUBLIC_KEY`; what `onMessage` and `onConnection` throw.
 *
 * @example
 * await using device = attach({
 *   productKey,
 *   deviceName,
 *   publish: (topic, payload, { qos }) => client.publish(topic, payload, qos),
 *   subscribe: (topic, { qos }) => client.subscribe(topic, qos),
 *   onMessage: (receive) => client.onMessage((topic, payload) => receive(topic, payload)),
 *   onConnection: (changed) => client.onState((state) => changed(state === 'open')),
 * });
 * for await (const upgrade of device.ota.upgrades()) …
 */
export function attach(options: AttachOptions): AttachedDevice {
  const [{ fetch, verify, logger, ...names }, transport] = checkAttachOptions(options, process.env);
  const nativeOptions = { ...names, ...nativeFetch(fetch, verify, true) };
  const messages = checkMessages(undefined, { isPlatform: false, isPersistent: false });
  let connection: AttachedConnection | undefined;
  const open = (given: DeviceListener): NativeDevice => {
    const listener = listenerOf(given);
    connection = new AttachedConnection(transport, listener, (calls) =>
      unwrap(native.attachDevice(nativeOptions, listener, calls)),
    );
    return connection;
  };
  const device = new Device(names, { verify, messages, maxSize: fetch.maxSize }, open, {
    setCertificateTime: clockOf(fetch, nativeOptions.fetch),
  });
  device.unref();
  if (logger !== undefined) logDevice(device, device.listeners, logger);
  try {
    connection?.start();
  } catch (error) {
    void device.close();
    throw error;
  }
  return device;
}
