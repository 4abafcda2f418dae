// types/: what is kept and given out: device, firmware, configuration, upgrade. Types alone; what
// a function takes stands beside that function. Imports nothing.

/** Name of a device on the platform. */
export interface DeviceKey {
  readonly productKey: string;
  readonly deviceName: string;
}

/** Whether a device is connected; `unknown` where a broker does not show its connections. */
export type Presence = 'yes' | 'no' | 'unknown';

/** A registered device. */
export interface Device extends DeviceKey {
  readonly deviceSecret: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Last version reported by each module; the default module has the key `default`. */
  readonly versions: Readonly<Record<string, string>>;
  /** When it first signed in, milliseconds since the epoch; absent until then. */
  readonly activatedAt?: number;
  /** A disabled device may not connect, neither itself nor through a gateway. */
  readonly disabled: boolean;
  /** Always `unknown` on an external broker, which shows messages and no connections. */
  readonly presence: Presence;
  /** Whether `presence` is `yes`. */
  readonly online: boolean;
}
