// Tested by test/integration/device.test.ts
/** The states of a device's connection. */
import type { IotkitError } from '../base/errors';

/**
 * - `connecting`: name resolution, TCP, TLS or sign-in is under way
 * - `connected`
 * - `waiting`: dropped or refused; connects again by itself after a back-off
 * - `closing`: `close()` was called
 * - `closed`: final
 */
export type DeviceState = 'connecting' | 'connected' | 'waiting' | 'closing' | 'closed';

/** A change of a device's connection. */
export interface StateChange {
  /** The new state. */
  readonly state: DeviceState;
  /**
   * Why the connection was lost or could not be made, until there is one again; undefined if the
   * change was asked for. While `connected`: why it is of no use, because the broker has refused a
   * subscription (`ERR_MQTT_SUBSCRIBE`) or not answered it (`ERR_TIMEOUT`); it is asked for again
   * with the next connection.
   */
  readonly error: IotkitError | undefined;
  /**
   * Whether somebody has to change something before it works: the device was deleted or its secret
   * is wrong, a certificate is not trusted, a permission is missing. The device tries again all the
   * same, but at the long end of `reconnect`: between half of `max` and the whole.
   */
  readonly needsOperator: boolean;
}

/** What `Device.states()` takes. */
export interface StatesOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** By `enum iotkit_mqtt_state`. */
export const stateNames: readonly DeviceState[] = [
  'connecting',
  'connecting',
  'connected',
  'waiting',
  'closed',
];
