import type { DeviceKey } from './device';

/** A sub-device in the topology of a gateway. */
export interface SubDevice extends DeviceKey {
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  /** Whether it is logged in through its gateway. */
  readonly loggedIn: boolean;
}
